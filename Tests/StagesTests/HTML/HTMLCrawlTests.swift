import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needs(LocalServer.isUsable, "needs Python"))
struct HTMLCrawlTests {
  /// A site on this machine, and a crawl's state that outlives its stages.
  private final class Site {
    let server: LocalServer
    let folder = temporaryDirectory()

    init() throws {
      server = try LocalServer()
      try FileSystem.makeDirectory(folder + "/site")
      try server.serve(folder: folder + "/site")
    }

    deinit { try? FileSystem.removeTree(folder) }

    func write(_ path: String, _ text: String) throws {
      let full = "\(folder)/site/\(path)"
      try FileSystem.makeDirectory(String(full[..<full.lastIndex(of: "/")!]))
      try FileSystem.write(Array(text.replacing("ORIGIN", with: server.origin).utf8), to: full)
    }

    func page(_ name: String, _ text: String, head: String = "") throws {
      try write(
        name, "<html lang=ja><head><title>\(name)</title>\(head)</head><body><nav><a href=/>表紙</a></nav><p>\(text)</p>")
    }

    func sitemap(_ name: String, _ pages: KeyValuePairs<String, String>) throws {
      let entries = pages.map {
        "<url><loc>ORIGIN/\($0.key)</loc>\($0.value.isEmpty ? "" : "<lastmod>\($0.value)</lastmod>")</url>"
      }
      try write(name, "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>\(entries.joined())</urlset>")
    }

    func crawl(_ snapshot: String, _ more: [JSONMember] = []) throws -> StageHarness {
      var options: [JSONMember] = [
        JSONMember("snapshot", .string(snapshot)), JSONMember("state", .string(folder + "/state")),
        JSONMember("delaySeconds", 0), JSONMember("allowPrivateAddresses", true), JSONMember("attempts", 1),
      ]
      let named = more.contains { ["sitemaps", "urls", "lists"].contains($0.key) }
      if !named { options.append(JSONMember("sitemaps", .strings([server.origin + "/sitemap.xml"]))) }
      return try StageHarness(HTMLCrawl.self, options: .object(options + more)).run()
    }

    /// What was asked since the last call, without robots.txt.
    func asked() throws -> [String] {
      defer { try? server.forget() }
      return try server.questions().map { String($0.path.dropFirst()) }.filter { $0 != "robots.txt" }
    }
  }

  private func prose(_ word: String) -> String {
    String(repeating: "\(word)の川の水は、山の雪がとけて流れてくるものなので、春になると急に増える。", count: 4)
  }

  private func changes(_ run: StageHarness, _ site: Site) throws -> [String] {
    let lines = LineReader(try openSource(run.files("changes")[0].path))
    var out: [String] = []
    while let line = try lines.next() {
      let json = try JSONValue.parse(Array(line)).value
      let id = json["id"]?.string?.replacing(site.server.origin, with: "") ?? ""
      out.append("\(id) \(json["change"]?.string ?? "")")
    }
    return out
  }

  private func ids(_ run: StageHarness, _ site: Site) throws -> [String] {
    try run.documents().map { $0.idString.replacing(site.server.origin, with: "") }.sorted()
  }

  @Test func pagesOfASitemapBecomeDocuments() throws {
    let site = try Site()
    try site.write("robots.txt", "User-agent: *\nDisallow: /private/\nSitemap: ORIGIN/index.xml\n")
    try site.write(
      "index.xml",
      "<sitemapindex><sitemap><loc>ORIGIN/one.xml</loc></sitemap><sitemap><loc>ORIGIN/two.xml</loc></sitemap></sitemapindex>"
    )
    try site.sitemap("one.xml", ["school/a.html": "2025-01-01", "school/b.html": "", "school/print.html": ""])
    try site.write(
      "two.xml",
      "<urlset><url><loc>ORIGIN/private/c.html</loc></url><url><loc>http://elsewhere.example/d</loc></url>"
        + "<url><loc>ORIGIN/school/gone.html</loc></url><url><loc>ORIGIN/school/e.html</loc></url></urlset>")
    try site.page("school/a.html", prose("朝"))
    try site.page("school/b.html", prose("昼"))
    try site.page("school/e.html", prose("夜"), head: "<meta name=robots content=noindex>")
    let run = try site.crawl(
      "1",
      [
        JSONMember("sitemaps", .strings([site.server.origin + "/robots.txt"])),
        JSONMember("exclude", .strings(["*print*"])),
        JSONMember("source", "school"),
      ])
    #expect(run.ledger.imbalance == 0)
    #expect(try ids(run, site) == ["/school/a.html", "/school/b.html"])
    let document = try #require(try run.documents().first { $0.idString.hasSuffix("a.html") })
    #expect(document.textString == prose("朝"))
    #expect(String(decoding: document.source, as: UTF8.self) == "school")
    #expect(String(decoding: document.metadata, as: UTF8.self).contains(#""title":"school/a.html""#))
    #expect(try run.drops().map(\.reason) == ["robots-directive"])
    #expect(
      try changes(run, site) == [
        "/private/c.html refused", "/school/a.html new", "/school/b.html new", "/school/e.html new",
        "/school/gone.html gone",
      ])
    #expect(run.warnings["robots-refused"] == 1)
    #expect(run.warnings["other-host"] == 1)
    #expect(
      try site.asked() == [
        "index.xml", "one.xml", "two.xml", "school/a.html", "school/b.html", "school/gone.html", "school/e.html",
      ], "what robots.txt forbids, another host's page and what is excluded are not asked")
  }

  /// Lists write one address in several ways, begin with white space, and forget to escape.
  @Test func addressesOfOnePageAreAskedOnce() throws {
    let site = try Site()
    try site.write(
      "sitemap.xml",
      "\n <?xml version='1.0'?><urlset>"
        + [
          "/%E6%B5%B7.html", "/%e6%b5%b7.html", "/海.html", "/%61b.html", "/ab.html", "/x/%2e%2e/ab.html",
          "/q.html?a=1&b=2",
        ]
        .map { "<url><loc>ORIGIN\($0)</loc></url>" }.joined() + "</urlset>")
    try site.page("海.html", prose("海"))
    try site.page("ab.html", prose("ab"))
    try site.page("q.html", prose("q"))
    let run = try site.crawl("1")
    #expect(try site.asked() == ["sitemap.xml", "%E6%B5%B7.html", "ab.html", "q.html?a=1&b=2"])
    let found = try ids(run, site)
    #expect(found == ["/%E6%B5%B7.html", "/ab.html", "/q.html?a=1&b=2"])
    #expect(run.warnings["broken-sitemap"] == nil)
  }

  @Test func indexesWithoutEndAreBounded() throws {
    let site = try Site()
    let names = (0..<12).map { "<sitemap><loc>ORIGIN/\($0).xml</loc></sitemap>" }.joined()
    try site.write("sitemap.xml", "<sitemapindex>\(names)</sitemapindex>")
    for number in 0..<12 { try site.sitemap("\(number).xml", ["a\(number).html": "1"]) }
    for number in 0..<12 { try site.page("a\(number).html", prose("\(number)")) }
    #expect(try ids(site.crawl("1"), site).count == 12)
    _ = try site.asked()
    let few = try site.crawl("2", [JSONMember("maximumSitemaps", 5)])
    #expect(few.warnings["too-many-sitemaps"] == 8)
    #expect(try site.asked() == ["sitemap.xml", "0.xml", "1.xml", "2.xml", "3.xml"])
    #expect(try changes(few, site) == [], "what was not looked for is not gone")
  }

  @Test func anotherLookAsksForWhatMayHaveChanged() throws {
    let site = try Site()
    try site.sitemap("sitemap.xml", ["a.html": "1", "b.html": "1", "c.html": "", "d.html": "1"])
    for name in ["a", "b", "c", "d"] { try site.page("\(name).html", prose(name)) }
    let first = try site.crawl("2025-01")
    #expect(try site.asked().count == 5)
    #expect(try site.crawl("2025-01").digests == first.digests)
    #expect(try site.asked() == [], "the same look asks nothing again")

    try site.sitemap("sitemap.xml", ["a.html": "1", "b.html": "2", "c.html": ""])
    try site.page("b.html", prose("新しいb"))
    let second = try site.crawl("2025-02")
    let statuses = try site.server.questions().map { "\($0.path) \($0.status ?? 0)" }
    #expect(statuses == ["/sitemap.xml 200", "/b.html 200", "/c.html 304"])
    #expect(try ids(second, site) == ["/a.html", "/b.html", "/c.html"])
    #expect(try second.documents().contains { $0.textString == prose("新しいb") })
    #expect(try changes(second, site) == ["/b.html updated", "/d.html disappeared"])
    let kept = first.digests.filter { $0.key.hasPrefix("pages/") && second.digests[$0.key] == $0.value }
    #expect(!kept.isEmpty, "partitions without a page that changed are not read again")
  }

  @Test func whatIsCutShortGoesOn() throws {
    let site = try Site()
    try site.sitemap("sitemap.xml", ["a.html": "", "b.html": "", "c.html": "", "d.html": ""])
    for name in ["a", "b", "d"] { try site.page("\(name).html", prose(name)) }
    try site.server.script(
      "/c.html", ["status": 503], ["status": 503],
      ["headers": ["Content-Type": "text/html"], "body": .string("<p>\(prose("c"))")])
    do {
      _ = try site.crawl("1")
      Issue.record("a page that fails twice is enough to fail a crawl of four")
    } catch {
      #expect(
        "\(error)".replacing(site.server.origin, with: "http://server")
          == "http://server/c.html: 1 of 4 could not be fetched; the first one: the server responded with 503 "
          + "(Service Unavailable). Run again to request only these, or raise \"maximumFailedFraction\".")
    }
    _ = try site.asked()
    let run = try site.crawl("1")
    #expect(try site.asked() == ["c.html"])
    #expect(try ids(run, site) == ["/a.html", "/b.html", "/c.html", "/d.html"])
  }

  /// A list that cannot be had makes nothing disappear.
  @Test func missingListsLoseNothing() throws {
    let site = try Site()
    try site.write(
      "sitemap.xml",
      "<sitemapindex><sitemap><loc>/one.xml</loc></sitemap><sitemap><loc>/two.xml</loc></sitemap></sitemapindex>")
    try site.sitemap("one.xml", ["a.html": "1"])
    try site.sitemap("two.xml", ["b.html": "1"])
    for name in ["a", "b"] { try site.page("\(name).html", prose(name)) }
    #expect(try ids(site.crawl("1"), site) == ["/a.html", "/b.html"])
    try site.server.script("/two.xml", ["status": 500])
    let second = try site.crawl("2")
    #expect(try changes(second, site) == [])
    try site.server.script("/two.xml", ["body": "<urlset><url><loc>/a.html</loc></url>"])
    let third = try site.crawl("3")
    #expect(third.warnings["broken-sitemap"] == 1)
    #expect(try changes(third, site) == [])
  }

  @Test func listsByHandAndRedirects() throws {
    let site = try Site()
    try site.page("real.html", prose("本当"))
    try site.server.script("/moved", ["status": 301, "headers": ["Location": "/real.html"]])
    try site.server.script(
      "/sjis", ["headers": ["Content-Type": "text/html", "X-Robots-Tag": "noai"], "body": .string(prose("x"))])
    try FileSystem.write(
      Array("# pages\n\(site.server.origin)/moved # it moved\n\(site.server.origin)/sjis\n".utf8),
      to: site.folder + "/list")
    let run = try site.crawl("1", [JSONMember("lists", .string(site.folder + "/list"))])
    #expect(try ids(run, site) == ["/moved"])
    #expect(String(decoding: try run.documents()[0].metadata, as: UTF8.self).contains("/real.html"))
    #expect(try run.drops().map { "\($0.reason) \($0.detail ?? "")" } == ["robots-directive noai"])
    let few = try site.crawl(
      "2", [JSONMember("lists", .string(site.folder + "/list")), JSONMember("maximumPages", 1)])
    #expect(few.metrics["listed"] == 1)
  }

  @Test func toldWithWordsWhenItCannotGoOn() throws {
    let site = try Site()
    func sentence(_ more: [JSONMember] = []) -> String {
      do { _ = try site.crawl("1", more) } catch {
        return "\(error)".replacing(site.server.origin, with: "http://server")
      }
      return "no error"
    }
    #expect(
      sentence()
        == "http://server/sitemap.xml: the pages are unknown without this list: it is gone. "
        + "Try again later, or set \"sitemaps\".")
    #expect(
      sentence([JSONMember("sitemaps", .list([]))])
        == "html.crawl: there is nothing to crawl. "
        + "Name \"sitemaps\", such as https://example.org/sitemap.xml, or \"urls\".")
    #expect(
      sentence([JSONMember("urls", .strings(["ftp://example.org/"]))])
        == "html.crawl: 'ftp://example.org/' is not a valid URL. Write it as https://host/path.")
    for (option, url) in [("urls", "https://e.org/?jwt=abc"), ("sitemaps", "https://u:abc@e.org/")] {
      #expect(
        sentence([JSONMember(option, .strings([url]))]).hasSuffix(
          " contains a password, a token or a signature, which would be stored with the run. "
            + "Use a URL that needs none."))
      #expect(!sentence([JSONMember(option, .strings([url]))]).contains("abc"))
    }
    #expect(
      sentence([
        JSONMember("urls", .strings([site.server.origin + "/x"])), JSONMember("include", .strings(["https://e.org/"])),
      ])
        == "urls: no listed page matches the options. Check \"include\", \"exclude\" and \"sameHostOnly\".")
  }
}
