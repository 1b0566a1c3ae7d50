import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct FilterURLTests {
  private let folder = temporaryDirectory()

  private func write(_ name: String, _ text: String) throws -> String {
    let path = "\(folder)/\(name)"
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    try FileSystem.write(Array(text.utf8), to: path)
    return path
  }

  private func documents(_ urls: [String]) -> [Document] {
    urls.map { Document(id: $0, text: "本文", metadata: ["url": .string($0)]) }
  }

  @Test(arguments: [
    ("https://user:pw@WWW.Example.JP.:8080/a/%7Eb?q#f", "www.example.jp", "/a/~b?q"),
    ("http://日本語.jp/道", "xn--wgv71a119e.jp", "/%E9%81%93"), ("example.org", "example.org", ""),
    ("//example.org/x", "example.org", "/x"), ("http://[2001:DB8::1]:80/", "2001:db8::1", "/"), ("", "", ""),
    ("https://a@b@c.jp", "c.jp", ""), ("http://%65xample.jp/", "example.jp", "/"), ("http:///path", "", "/path"),
  ])
  func addresses(text: String, host: String, target: String) {
    let address = WebAddress(text)
    #expect(address.host == host && address.target == target)
  }

  @Test(arguments: [
    ("example.jp", URLListEntry.domain("example.jp")), ("*.Example.jp.", .domain("example.jp")),
    ("0.0.0.0 ads.example.jp # ads", .domain("ads.example.jp")),
    ("||ads.example.jp^$third-party", .domain("ads.example.jp")),
    ("https://example.jp/a/b/", .address("example.jp/a/b")), ("example.jp/", .domain("example.jp")),
    ("co.jp", .host("co.jp")), ("github.io", .host("github.io")), ("tokyo.jp", .host("tokyo.jp")),
    ("com", .host("com")),
    ("hana.github.io", .domain("hana.github.io")), ("kumo.co.jp", .domain("kumo.co.jp")),
  ])
  func entries(line: String, expected: URLListEntry) { #expect(URLListEntry.all(in: line) == [expected]) }

  /// What is taken as it stands is what parsing the line gives.
  @Test func plainDomainsAreTheirOwnEntries() {
    let lines = [
      "example.com", "a-b.example.co.jp", "1.example.org", "www.xn--zckzah.jp", "127.0.0.1", "a..b.example", "co.jp",
      "ab.cd",
      "github.io", "s3.amazonaws.com", "user.github.io", "Example.com", ".example.com", "example.com.", "example.com ",
      "0.0.0.0 example.com", "例え.jp", "example.com/path", "localhost", "", "#example.com", "a_b.example.com",
      String(repeating: "a.", count: 130) + "jp",
    ]
    let plain = lines.filter { line in Array(line.utf8).withUnsafeBytes { URLListEntry.isPlainDomain($0) } }
    for line in plain { #expect(URLListEntry.all(in: line) == [.domain(line)], "\(line)") }
    #expect(plain.prefix(4) == ["example.com", "a-b.example.co.jp", "1.example.org", "www.xn--zckzah.jp"])
    #expect(plain.contains("user.github.io") && !plain.contains("github.io") && !plain.contains("ab.cd"))
  }

  @Test func commentsAreNoEntries() {
    for line in ["", "  ", "# a", "! b", "/", "https://"] { #expect(URLListEntry.all(in: line).isEmpty, "\(line)") }
  }

  /// Every reason names the list and the entry that decides.
  @Test func listsDecide() throws {
    defer { try? FileSystem.removeTree(folder) }
    _ = try write("ut1/adult/domains", "bad.example\n日本語.jp\ngithub.io\n")
    _ = try write("ut1/adult/urls", "mixed.jp/rooms/\nmixed.jp/page?id=3\n")
    _ = try write("ut1/adult/expressions", "(bad|worse)\n")
    _ = try write("ut1/games/domains", "game.jp\n")
    let optOut = try write("opt-out.txt", "https://quiet.jp/diary\nkept.jp\n")
    let kept = try write("kept.txt", "good.bad.example\nkept.jp\ncasino.kept.org\n")
    let harness = try StageHarness(
      FilterURL.self,
      options: [
        "lists": .string("\(folder)/ut1"), "categories": .strings(["adult"]), "optOutLists": .string(optOut),
        "keptLists": .string(kept), "words": .strings(["casino"]), "softWords": .strings(["free", "live"]),
        "parts": .strings(["xxx"]), "domains": .strings(["zip"]), "withoutURL": "drop",
      ])
    try harness.add(documents: [
      documents([
        "https://sub.BAD.example:443/x", "http://xn--wgv71a119e.jp/", "https://notbad.example/",
        "https://good.bad.example/",
        "https://hana.github.io/", "http://github.io", "http://www.mixed.jp/rooms/2", "http://mixed.jp/roomsy",
        "http://mixed.jp/page?id=3", "http://mixed.jp/page?id=4", "https://game.jp/", "https://quiet.jp/diary/3",
        "https://quiet.jp/", "https://kept.jp/", "https://a.jp/casino-tips", "https://a.jp/casinos",
        "https://casino.kept.org/", "https://a.jp/free/live", "https://a.jp/free", "https://a.jp/exxxtra",
        "https://a.zip/",
      ]) + [Document(id: "none", text: "本文")]
    ])
    try harness.run()
    #expect(
      try harness.documents().map(\.idString) == [
        "https://notbad.example/", "https://good.bad.example/", "https://hana.github.io/", "http://mixed.jp/roomsy",
        "http://mixed.jp/page?id=4", "https://game.jp/", "https://quiet.jp/", "https://a.jp/casinos",
        "https://casino.kept.org/", "https://a.jp/free",
      ])
    #expect(
      try harness.drops().map { "\($0.reason) \($0.detail ?? "")" } == [
        "url-list adult/domains: bad.example", "url-list adult/domains: xn--wgv71a119e.jp",
        "url-list adult/domains: github.io", "url-list adult/urls: mixed.jp/rooms",
        "url-list adult/urls: mixed.jp/page?id=3",
        "url-opt-out opt-out.txt: quiet.jp/diary", "url-opt-out opt-out.txt: kept.jp", "url-word casino",
        "url-soft-words free, live", "url-part xxx", "url-list domains: zip", "no-url ",
      ])
    #expect(harness.warnings == ["public-suffix": 1] && harness.ledger.imbalance == 0)
    #expect(harness.metrics["in adult/domains"] == 3)
  }

  @Test func otherPlacesAndTags() throws {
    defer { try? FileSystem.removeTree(folder) }
    let harness = try StageHarness(
      FilterURL.self,
      options: ["domains": .strings(["kumo.jp"]), "urlFields": .strings(["page.link", "source"]), "mode": "tag"])
    var own = Document(id: "b", text: "本文", source: "https://kumo.jp/")
    own.metadata = Array(#"{"page": {}}"#.utf8)
    try harness.add(documents: [
      [Document(id: "a", text: "本文", metadata: ["page": ["link": "https://a.kumo.jp/"]]), own]
    ])
    try harness.run()
    for document in try harness.documents() {
      #expect(
        try JSONValue.parse(document.metadata).value["urlFilter"]
          == ["reason": "url-list", "detail": "domains: kumo.jp"])
    }
  }

  /// Compressed, with every line twice.
  @Test func longListsAreTablesOfTenBytesPerEntry() throws {
    defer { try? FileSystem.removeTree(folder) }
    let sink = ZstdSink(try FileSink("\(folder)/long.zst"))
    var lines: [UInt8] = []
    for i in 0..<20_000 { lines += Array("site-\(i).example.net\nsite-\(i).example.net\n".utf8) }
    try sink.write(lines)
    try sink.commit()
    let harness = try StageHarness(FilterURL.self, options: ["lists": .string("\(folder)/long.zst")])
    try harness.add(documents: [documents(["http://www.site-19999.example.net/", "http://site-20000.example.net/"])])
    try harness.run()
    #expect(try harness.drops().map(\.detail) == ["long.zst: site-19999.example.net"])
    #expect(harness.metrics["entries"] == 20_000)
    let table = try #require(harness.files("table").first { $0.name == "table.bin" })
    #expect(Int(table.bytes) == 8 + 20_000 * 10)
  }

  @Test func nothingToDoIsRefused() {
    #expect(throws: StageError.self) { try StageHarness(FilterURL.self).run() }
  }
}
