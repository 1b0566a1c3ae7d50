import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// A new crawl against the index of an accepted corpus.
@Suite struct DedupeAgainstTests {
  private let accepted: [Document]
  private let crawl: [Document]

  /// Copies of either side's documents on both sides, of similarities from 0.5 to 1.
  init() {
    var planted = PlantedTexts(seed: 31)
    var (accepted, crawl): ([Document], [Document]) = ([], [])
    for document in planted.documents(originals: 400) {
      let copy = Document(
        id: "again-" + document.idString,
        text: planted.edited(document.textString, edits: Int.random(in: 0...12, using: &planted)), source: "web")
      if Bool.random(using: &planted) { accepted.append(document) } else { crawl.append(document) }
      if Int.random(in: 0..<3, using: &planted) == 0 {
        if Bool.random(using: &planted) { accepted.append(copy) } else { crawl.append(copy) }
      }
    }
    (self.accepted, self.crawl) = (accepted, crawl)
  }

  private func run(
    _ files: [[Document]], against indexes: [StageHarness] = [], options: JSONValue = [:], backwards: Bool = false
  ) throws -> StageHarness {
    let harness = try StageHarness(DedupeMinHash.self, options: options)
    try harness.add(documents: files)
    for index in indexes { harness.add(files: index.files("index"), to: "against", from: "accepted", output: "index") }
    return try harness.run(backwards: backwards)
  }

  @Test func isWhatARunOverBothIs() throws {
    let first = try run(accepted.split(into: 2))
    let second = try run(crawl.split(into: 3), against: [first])
    #expect(second.ledger.imbalance == 0 && second.ledger.input.documents == crawl.count)
    // Both together, the accepted ones preferred.
    let sourced = accepted.map { Document(id: $0.idString, text: $0.textString, source: "accepted") }
    let both = try run([sourced, crawl], options: ["sources": .strings(["accepted"])])
    let ids = Set(crawl.map(\.idString))
    let together = try Dictionary(
      uniqueKeysWithValues: both.drops().filter { ids.contains($0.id) }.map { ($0.id, $0) })
    let apart = try Dictionary(uniqueKeysWithValues: second.drops().map { ($0.id, $0) })
    #expect(apart.values.contains { $0.survivor.map { !ids.contains($0) } ?? false })
    #expect(apart.count > 80)
    // Without the accepted texts a pair near the threshold is decided by its estimate. All others are decided alike.
    let all = Dictionary(uniqueKeysWithValues: (accepted + crawl).map { ($0.idString, $0) })
    let different = Set(apart.keys).symmetricDifference(together.keys)
    #expect(different.count < apart.count / 10, "\(different.count) of \(apart.count)")
    for id in different {
      let survivor = try #require((apart[id] ?? together[id])?.survivor)
      #expect(abs(jaccard(all[id]!, all[survivor]!) - 0.7) < 0.13)
    }
    // Neither the files nor the order of tasks decide.
    #expect(try run(crawl.split(into: 3), against: [first], backwards: true).digests == second.digests)
    let other = try run(Array(crawl.reversed()).split(into: 1), against: [try run(accepted.split(into: 5))])
    #expect(try Set(other.drops().map { "\($0)" }) == Set(second.drops().map { "\($0)" }))
  }

  /// Several indexes, each of what it adds; what an accepted corpus removed removes nothing.
  @Test func indexesAddUp() throws {
    let text = "むかし、ある村に、おじいさんとおばあさんが住んでいました。おじいさんは山へ柴刈りに、おばあさんは川へ洗濯に行きました。"
    let other = "この文は、ほかのどの文とも似ていない、別のことを述べた文です。短くはないが長くもない、それだけの文です。"
    let first = try run([[Document(id: "a", text: text)], []])
    let second = try run([[Document(id: "b", text: text), Document(id: "c", text: other)]], against: [first])
    #expect(try second.documents().map(\.idString) == ["c"])
    let third = try run(
      [[Document(id: "e", text: other)], [Document(id: "d", text: text), Document(id: "f", text: "別。")]],
      against: [first, second])
    #expect(try third.drops().map { [$0.id, $0.survivor ?? ""] } == [["e", "c"], ["d", "a"]])
    // 'b' is not there any more.
    #expect(try run([[Document(id: "g", text: text)]], against: [second]).drops().isEmpty)
    // An index of other bands is refused before anything runs.
    let unlike = try StageHarness(DedupeMinHash.self, options: ["bands": 30])
    try unlike.add(documents: [[Document(id: "g", text: text)]])
    unlike.add(files: first.files("index"), to: "against", from: "accepted", output: "index")
    #expect {
      try unlike.run()
    } throws: {
      "\($0)".contains("an index was made with")
    }
    #expect(unlike.manifests.isEmpty && unlike.files("signatures").isEmpty)
  }
}
