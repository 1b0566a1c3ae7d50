import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct DedupeURLTests {
  private func page(
    _ id: String, _ url: String?, created: String = "", source: String = "web", text: String? = nil
  ) -> Document {
    var document = Document(
      id: id, text: text ?? "\(id)の本文。", source: source, metadata: url.map { ["crawl": ["address": .string($0)]] })
    document.created = Array(created.utf8)
    return document
  }

  private func deduplicated(
    _ files: [[Document]], _ options: [JSONMember] = [], backwards: Bool = false, memoryBytes: Int = 1 << 28
  ) throws -> StageHarness {
    let all = [JSONMember("urlFields", .strings(["url", "crawl.address"]))] + options
    let harness = try StageHarness(DedupeURL.self, options: .object(all))
    try harness.add(documents: files)
    return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
  }

  @Test func addressesAreComparedInNormalForm() {
    let same = [
      "http://www.Example.org/a/../b?y=2&x=1", "https://example.org/b/?x=1&utm_source=z&y=2#part",
      "https://example.org:443/%62?x=1&y=2&fbclid=q",
    ]
    #expect(Set(same.map { AddressForm().normal($0) }) == ["example.org/b?x=1&y=2"])
    #expect(AddressForm().normal("https://example.org/") == AddressForm().normal("http://example.org"))
    let different = [
      "https://example.org/B", "https://example.org:8080/b", "https://example.org/b?x=1", "https://sub.example.org/b",
    ]
    #expect(Set(different.map { AddressForm().normal($0) } + ["example.org/b"]).count == 5)
    #expect(AddressForm(query: .remove).normal("http://a.jp/x?y=1") == "a.jp/x")
    #expect(AddressForm(ignoresScheme: false, ignoresWWW: false).normal("http://www.a.jp/") == "http://www.a.jp")
    #expect(["ftp://a.jp/", "a.jp/b", "", "urn:isbn:1"].allSatisfy { AddressForm().normal($0) == nil })
  }

  @Test func timesAreRead() {
    func seconds(_ text: String) -> Int64? { CreationTime.seconds(Array(text.utf8)) }
    #expect(seconds("1970-01-02") == 86_400 && seconds("1970-01-01T00:01:01.500Z") == 61)
    #expect(seconds("1970-01-01 09:00:10+09:00") == 10 && seconds("1970-01-01T00:00:00-0130") == 5400)
    #expect(seconds("") == nil && seconds("yesterday") == nil && seconds("20240501") == nil)
  }

  @Test func theOptionsSayWhichCopyStays() throws {
    let pages = [
      page("old", "http://a.jp/1", created: "2020-01-01T00:00:00Z", text: "とても長い本文です。"),
      page("new", "https://www.a.jp/1?utm_medium=x", created: "2023-01-01T00:00:00Z", source: "books"),
      page("undated", "http://a.jp/1"), page("other", "http://a.jp/2"), page("none", nil),
      page("bad", "not an address"),
    ]
    let newest = try deduplicated([pages])
    #expect(try newest.documents().map(\.idString) == ["new", "other", "none", "bad"])
    #expect(
      try newest.drops().map { [$0.id, $0.reason, $0.survivor] } == [
        ["old", "same-url", "new"], ["undated", "same-url", "new"],
      ])
    #expect(newest.ledger.imbalance == 0 && newest.warnings == ["no-url": 1, "unreadable-url": 1])
    func survivor(_ options: [JSONMember]) throws -> String {
      try deduplicated([pages], options).documents()[0].idString
    }
    #expect(try survivor([JSONMember("keep", "longest")]) == "old")
    #expect(try survivor([JSONMember("keep", "first")]) == "old")
    #expect(try survivor([JSONMember("keep", "longest"), JSONMember("sources", .strings(["books"]))]) == "new")
  }

  @Test func everyArrangementHasTheSameSurvivors() throws {
    var random = SplitMix(seed: 9)
    let pages = (0..<600).map { number in
      page(
        "p\(number)", "http://a.jp/\(Int.random(in: 0..<400, using: &random))", created: "20\(10 + number % 15)-01-01")
    }
    let expected = try deduplicated([pages])
    let drops = try Set(expected.drops().map { "\($0)" })
    #expect(drops.count > 100)
    let shuffled = pages.shuffled(using: &random)
    let other = try deduplicated([Array(shuffled[..<150]), Array(shuffled[150...])], backwards: true)
    #expect(try Set(other.drops().map { "\($0)" }) == drops)
    #expect(try deduplicated([pages], memoryBytes: 4096).digests == expected.digests)
  }

  /// A stage that removes nothing, or nearly everything, says so with examples.
  @Test func extremesAreWarnedOf() throws {
    let different = (0..<12).map { page("p\($0)", "http://a.jp/\($0)") }
    #expect(try deduplicated([different]).warnings == ["nothing-removed": 1])
    let same = (0..<12).map { page("p\($0)", "http://a.jp/") }
    let harness = try deduplicated([same])
    #expect(harness.warnings == ["nearly-all-removed": 1])
    let messages = harness.manifests.compactMap { $0.warnings["nearly-all-removed"]?.example }
    let start = "11 of 12 documents are copies of others, such as 'p0' of 'p10', 'p1' of 'p10'"
    #expect(messages.first?.hasPrefix(start) == true)
    #expect(try deduplicated([Array(different.prefix(9))]).warnings.isEmpty)
  }
}
