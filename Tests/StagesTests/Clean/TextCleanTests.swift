import ShardKit
import Stages
import TestKit
import Testing

@Suite struct TextCleanTests {
  @Test func dropsShortDocumentsWithReasonAndThreshold() throws {
    let harness = try StageHarness(TextClean.self, options: ["minimumBytes": 4])
    try harness.add(documents: [[Document(id: "a", text: "あいう"), Document(id: "b", text: "x")]])
    try harness.run()
    #expect(try harness.documents().map(\.idString) == ["a"])
    #expect(try harness.drops() == [.init(id: "b", reason: "too-short", value: 1, threshold: 4)])
    #expect(harness.ledger.imbalance == 0)
  }
}
