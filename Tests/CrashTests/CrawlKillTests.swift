import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

private let siteScript = PeerScript("aozora_site.py")

/// Crawls of real texts from a server on this machine, killed at random moments and resumed.
@Suite(
  .serialized,
  .needs(LocalServer.isUsable && siteScript.isUsable, "needs Python with zstandard"), .needsRealTexts)
struct CrawlKillTests {
  private final class Bench {
    let server: LocalServer
    let folder = temporaryDirectory()
    var store: String { folder + "/store" }
    /// The pause that the crawl keeps, in seconds.
    let delay = 0.005

    init(stage: String, options: [JSONMember]) throws {
      server = try LocalServer()
      let common: [JSONMember] = [
        JSONMember("snapshot", "${snapshot}"), JSONMember("delaySeconds", .number(delay)),
        JSONMember("allowPrivateAddresses", true), JSONMember("contact", "mailto:crawl@example.org"),
      ]
      let stages: JSONValue = .object([
        JSONMember("crawl", ["use": .string(stage), "options": .object(options + common)])
      ])
      let document: JSONValue = ["format": 1, "name": "crawl", "parameters": ["snapshot": "1"], "stages": stages]
      let text = document.text().replacing("ORIGIN", with: server.origin)
      try FileSystem.write(Array(text.utf8), to: folder + "/crawl.json")
    }

    deinit { try? FileSystem.removeTree(folder) }

    func start(snapshot: String = "1") throws -> ChildProcess {
      try ChildProcess(["run", folder + "/crawl.json", "--store", store, "--set", "snapshot=\(snapshot)"])
    }

    /// Kills it so many times, then lets it end. Each child gets a share of the answers that there are at least, and waits
    /// for ever behind them, so that it is at work when it is killed: among its questions, while it waits for an answer, or
    /// in the middle of one.
    func runWithKills(_ kills: Int, answers: Int) throws {
      for _ in 0..<kills {
        let share = Int.random(in: 1...answers / kills)
        try server.hold(after: share, inside: Bool.random())
        let goal = try server.count() + (Bool.random() ? share + 1 : Int.random(in: 1...share))
        let child = try start()
        try child.works(until: "question \(goal)") { try server.count() >= goal }
        usleep(UInt32.random(in: 0...20_000))
        child.signal(SIGKILL)
        #expect(try child.wait().status == 128 + SIGKILL)
        try server.forgetTheDead()
      }
      let last = try start().wait()
      #expect(last.status == 0, "\(last.errors)")
    }

    func documents() throws -> [Document] {
      let store = try RunStore(root: store)
      let manifest = try #require(try store.newestSealed(stage: "crawl")?.manifest)
      var out: [Document] = []
      for file in store.artifacts.files(manifest, port: "documents") {
        let reader = try DocumentReader(path: file.path)
        while let document = try reader.next() { out.append(document) }
      }
      return out
    }

    /// No answer was asked for twice, and each question kept its distance from the answer before.
    func checkManners(wholeAnswers: Int, kills: Int) throws {
      let questions = try server.questions()
      #expect(questions.count <= wholeAnswers + kills, "\(questions.count) for \(wholeAnswers) answers, \(kills) kills")
      let intervals = zip(questions, questions.dropFirst()).map { $1.at - ($0.ended ?? $0.at) }
      let shortest = intervals.min() ?? 0
      let median = intervals.sorted()[intervals.count / 2]
      print("questions \(questions.count), intervals: shortest \(shortest) s, median \(median) s")
      #expect(shortest >= delay * 0.9)
      let together = zip(questions, questions.dropFirst()).count { $1.at < ($0.ended ?? $0.at) }
      #expect(together == 0, "never two at once")
    }
  }

  @Test func twoThousandWorksTenKills() throws {
    let bench = try Bench(
      stage: "aozora.crawl",
      options: [
        JSONMember("index", "ORIGIN/index_pages/list_person_all_extended_utf8.zip"), JSONMember("partitions", 4),
      ])
    let data = realDataPath!
    let order: JSONValue = [
      "tar": .string(data + "/aozora.tar.zst"), "list": .string(data + "/aozora-index/list_person_all.utf8.csv"),
      "count": 2000,
    ]
    try FileSystem.write(Array(order.text().utf8), to: bench.folder + "/order.json")
    let ids = try #require(siteScript.run(bench.folder + "/order.json", bench.folder + "/site", bench.server.origin))
    let works = try #require(try JSONValue.parse(ids).value.array).compactMap(\.integer)
    #expect(works.count == 2000)
    try bench.server.serve(folder: bench.folder + "/site")
    try bench.runWithKills(10, answers: 2000)
    let documents = try bench.documents()
    #expect(Set(documents.map(\.idString)) == Set(works.map { "aozora:\($0)" }))
    #expect(documents.count == 2000)
    // 2,000 works, the index, robots.txt.
    try bench.checkManners(wholeAnswers: 2002, kills: 10)

    try bench.server.forget()
    #expect(try bench.start(snapshot: "2").wait().status == 0)
    #expect(try bench.server.questions().map(\.status) == [304], "another look asks whether the index has changed")
    #expect(try bench.documents().count == 2000)
  }

  @Test func theMinutesWhileMeetingsComeIn() throws {
    let bench = try Bench(
      stage: "diet.crawl",
      options: [
        JSONMember("api", "ORIGIN/api"), JSONMember("from", "2024-08-01"), JSONMember("until", "2025-06-30"),
        JSONMember("document", "speech"),
      ])
    let folder = realDataPath! + "/diet"
    try bench.server.control("diet", ["folder": .string(folder)])
    let all = try bench.server.control("diet", [:])
    #expect(all["speeches"]?.integer == 7560)
    try bench.server.control("diet", ["insert": ["hold": 5, "every": 3]])
    try bench.runWithKills(10, answers: 50)
    let first = try bench.documents().map(\.idString)
    #expect(Set(first).count == first.count)
    let questions = try bench.server.questions()
    let answered = Set(questions.map(\.path)).count
    try bench.checkManners(wholeAnswers: answered + 20, kills: 10)

    try bench.server.control("diet", ["insert": ["all": true]])
    #expect(try bench.start(snapshot: "2").wait().status == 0)
    let documents = try bench.documents()
    var texts = 0
    for name in try FileSystem.list(folder) {
      let page = try JSONValue.parse(try FileSystem.read("\(folder)/\(name)")).value
      texts += page["speechRecord"]?.array?.count { !($0["speech"]?.string ?? "").allSatisfy(\.isWhitespace) } ?? 0
    }
    #expect(documents.count == texts, "every speech with a text, once")
    #expect(Set(documents.map(\.idString)).count == documents.count)
    print("speeches \(documents.count), first look \(first.count), questions \(questions.count)")

    try bench.server.forget()
    #expect(try bench.start(snapshot: "3").wait().status == 0)
    let again = try bench.server.questions().filter { !$0.path.hasPrefix("/api/meeting_list") }
    #expect(again.isEmpty, "nothing has changed since, so the lists suffice")
  }

  /// Two sitemaps of a site; one answer in three has no `lastmod`, and some pages may not be asked.
  @Test func aSiteByItsSitemaps() throws {
    let bench = try Bench(
      stage: "html.crawl",
      options: [
        JSONMember("sitemaps", .strings(["ORIGIN/robots.txt"])), JSONMember("partitions", 4),
        JSONMember("minimumCharacters", 1),
      ])
    let site = bench.folder + "/site"
    let pages = 0..<300
    func write(_ name: String, _ text: String) throws {
      try FileSystem.write(Array(text.replacing("ORIGIN", with: bench.server.origin).utf8), to: "\(site)/\(name)")
    }
    try FileSystem.makeDirectory(site + "/private")
    try write("robots.txt", "User-agent: *\nDisallow: /private/\nSitemap: ORIGIN/0.xml\nSitemap: ORIGIN/1.xml\n")
    for list in 0..<2 {
      let entries = pages.filter { $0 % 2 == list }.map { page in
        let place = page % 50 == 0 ? "private/\(page)" : "\(page)"
        return "<url><loc>ORIGIN/\(place).html</loc>\(page % 3 == 0 ? "" : "<lastmod>1</lastmod>")</url>"
      }
      try write("\(list).xml", "<urlset>\(entries.joined())</urlset>")
    }
    for page in pages {
      let place = page % 50 == 0 ? "private/\(page)" : "\(page)"
      let prose = String(repeating: "\(page)番目の橋の下を流れる川の水は、春になると急に増える。", count: 5)
      try write("\(place).html", "<html><body><p>\(prose)</p></body></html>")
    }
    try bench.server.serve(folder: site)
    try bench.runWithKills(6, answers: 290)
    let allowed = pages.filter { $0 % 50 != 0 }
    let ids = try bench.documents().map(\.idString)
    #expect(ids.count == allowed.count)
    #expect(Set(ids) == Set(allowed.map { "\(bench.server.origin)/\($0).html" }))
    // robots.txt for its rules and for its sitemaps, the two sitemaps, the pages.
    try bench.checkManners(wholeAnswers: 4 + allowed.count, kills: 6)

    try bench.server.forget()
    #expect(try bench.start(snapshot: "2").wait().status == 0)
    let questions = try bench.server.questions()
    #expect(questions.allSatisfy { $0.status == 304 }, "nothing has changed")
    #expect(questions.count == 3 + allowed.count { $0 % 3 == 0 }, "pages with a lastmod are not asked")
    #expect(try bench.documents().count == allowed.count)
  }
}
