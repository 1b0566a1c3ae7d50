import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private let siteScript = PeerScript("aozora_site.py")

@Suite(.needs(LocalServer.isUsable && siteScript.isUsable, "needs Python with zstandard"))
struct AozoraCrawlTests {
  /// A copy of the library on this machine, and a crawl's state that outlives its stages.
  private final class Site {
    let server: LocalServer
    let folder = temporaryDirectory()
    var state: String { folder + "/state" }

    init() throws {
      server = try LocalServer()
      try FileSystem.makeDirectory(folder + "/site")
      try server.serve(folder: folder + "/site")
    }

    deinit { try? FileSystem.removeTree(folder) }

    func write(_ works: [JSONValue]) throws {
      let order: JSONValue = ["works": .list(works)]
      try FileSystem.write(Array(order.text().utf8), to: folder + "/order.json")
      #expect(siteScript.run(folder + "/order.json", folder + "/site", server.origin) != nil)
    }

    func crawl(_ snapshot: String, _ more: [JSONMember] = []) throws -> StageHarness {
      let options: [JSONMember] = [
        JSONMember("index", .string(server.origin + "/index_pages/list_person_all_extended_utf8.zip")),
        JSONMember("snapshot", .string(snapshot)), JSONMember("state", .string(state)), JSONMember("delaySeconds", 0),
        JSONMember("allowPrivateAddresses", true), JSONMember("attempts", 1),
      ]
      return try StageHarness(AozoraCrawl.self, options: .object(options + more)).run()
    }

    func paths() throws -> [String] {
      try server.questions().map { String($0.path.split(separator: "/").last ?? "") }
    }
  }

  private func work(_ id: Int, _ text: String, _ more: KeyValuePairs<String, JSONValue> = [:]) -> JSONValue {
    let body = "題\n作者\n\n\(text)\n\n底本：「見本」見本社\n"
    return .object(
      [JSONMember("id", .integer(id)), JSONMember("text", .string(body))] + more.map { JSONMember($0.key, $0.value) })
  }

  private func changes(_ run: StageHarness) throws -> [String] {
    let lines = LineReader(try openSource(run.files("changes")[0].path))
    var out: [String] = []
    while let line = try lines.next() {
      let json = try JSONValue.parse(Array(line)).value
      out.append("\(json["id"]?.string ?? "") \(json["change"]?.string ?? "")")
    }
    return out.sorted()
  }

  @Test func worksOfTheIndexBecomeDocuments() throws {
    let site = try Site()
    try site.write([
      work(1, "春が来た。"), work(2, "夏が来た。", ["flag": "あり"]), work(3, "秋が来た。", ["member": "../../3.txt"]),
      work(4, "", ["bomb": 3_000_000]), work(5, "冬が来た。", ["missing": true]),
      work(6, "昔の春。", ["orthography": "旧字旧仮名"]),
    ])
    let run = try site.crawl(
      "1", [JSONMember("maximumFailedFraction", 0), JSONMember("maximumWorkBytes", 1_000_000)])
    #expect(run.ledger.imbalance == 0)
    let documents = try run.documents().sorted { $0.idString < $1.idString }
    // A member whose name leads out of its archive is read under a safe one.
    #expect(documents.map(\.idString) == ["aozora:1", "aozora:3", "aozora:6"])
    #expect(documents.map(\.textString) == ["春が来た。", "秋が来た。", "昔の春。"])
    #expect(try run.drops().map { "\($0.id) \($0.reason)" } == ["aozora:4 too-large"])
    #expect(
      try changes(run) == ["aozora:1 new", "aozora:3 new", "aozora:4 new", "aozora:5 gone", "aozora:6 new"])
    #expect(
      try site.paths() == [
        "robots.txt", "list_person_all_extended_utf8.zip", "1_ruby_1.zip", "3_ruby_3.zip", "4_ruby_4.zip",
        "5_ruby_5.zip", "6_ruby_6.zip",
      ])
  }

  @Test func anotherLookAsksForWhatHasChanged() throws {
    let site = try Site()
    try site.write([work(1, "春が来た。"), work(2, "夏が来た。"), work(3, "秋が来た。")])
    let first = try site.crawl("2026-01")
    let again = try site.crawl("2026-01")
    #expect(again.digests == first.digests)
    #expect(try site.paths().count == 5, "the same look asks nothing again")

    try site.server.forget()
    try site.write([
      work(1, "春が来た。"), work(2, "夏が、来た。", ["revision": 1]), work(3, "秋が来た。", ["unlisted": true]),
    ])
    let second = try site.crawl("2026-02")
    #expect(try site.paths() == ["list_person_all_extended_utf8.zip", "2_ruby_2.zip"])
    #expect(try second.documents().map(\.textString).sorted() == ["夏が、来た。", "春が来た。"])
    #expect(try changes(second) == ["aozora:2 updated", "aozora:3 disappeared"])
    #expect(second.warnings["updated-work"] == 1)
    let unchanged = first.digests.filter { $0.key.hasPrefix("archives/works") && second.digests[$0.key] == $0.value }
    #expect(!unchanged.isEmpty, "the partition of the work that did not change is not read again")

    try site.write([work(1, "新しい春。", ["revision": 1]), work(2, "夏が、来た。", ["revision": 1])])
    try site.server.script("/cards/000001/files/1_ruby_1.zip", ["status": 403])
    let third = try site.crawl("2026-03", [JSONMember("maximumFailedFraction", 1)])
    #expect(try third.documents().map(\.textString).sorted() == ["夏が、来た。", "春が来た。"], "what was had stays")
    #expect(try changes(third).contains("aozora:1 failed"))
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
        == "http://server/index_pages/list_person_all_extended_utf8.zip: no works can be selected without the index: "
        + "it is gone. Try again later, or set \"index\".")
    try site.write([work(1, "春が来た。")])
    try site.server.script("/cards/000001/files/1_ruby_1.zip", ["status": 403])
    #expect(sentence().contains("it is gone"), "within a look an answer stands")
    try FileSystem.removeTree(site.state)
    #expect(
      sentence()
        == "http://server/cards/000001/files/1_ruby_1.zip: 1 of 1 could not be fetched; the first one: the "
        + "server responded with 403. Run again to request only these, or raise \"maximumFailedFraction\".")
    try site.server.script("/robots.txt", ["status": 503])
    try FileSystem.removeTree(site.state)
    #expect(
      sentence()
        == "http://server/robots.txt: no requests are allowed without the site's robots.txt "
        + "(the server responded with 503 (Service Unavailable)). Try again when the site responds.")
    #expect(sentence([JSONMember("orthographies", .strings(["なし"]))]).contains("robots.txt"))
  }
}
