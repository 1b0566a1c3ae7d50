import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct MixSplitTests {
  private let documents = (0..<2000).map { Document(id: "d\($0)", text: "text") }

  private func heldOut(_ files: [[Document]], fraction: Double = 0.1, seed: Int = 0) throws -> Set<String> {
    let harness = try StageHarness(
      MixSplit.self, options: ["heldOutFraction": .number(fraction), "seed": .integer(seed)])
    try harness.add(documents: files)
    try harness.run()
    let heldOut = try harness.documents("heldout").map(\.idString)
    let train = try harness.documents("train").map(\.idString)
    #expect(Set(heldOut).isDisjoint(with: train))
    #expect(heldOut.count + train.count == documents.count)
    #expect(harness.ledger.imbalance == 0)
    return Set(heldOut)
  }

  @Test func holdsOutAboutTheShareAsked() throws {
    #expect((150...250).contains(try heldOut([documents]).count))
    #expect(try heldOut([documents], fraction: 0) == [])
    #expect(try heldOut([documents], fraction: 1).count == 2000)
  }

  @Test func aDocumentsSideDependsOnItsIdAlone() throws {
    let whole = try heldOut([documents])
    let reversed = Array(documents.reversed())
    #expect(try heldOut([Array(reversed[..<700]), Array(reversed[700...])]) == whole)
  }

  @Test func anotherSeedHoldsOutOthers() throws {
    #expect(try heldOut([documents], seed: 1) != heldOut([documents]))
  }
}
