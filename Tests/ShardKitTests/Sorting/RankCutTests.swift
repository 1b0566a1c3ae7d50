import Testing

@testable import ShardKit

@Suite struct RankCutTests {
  /// Small numbers with many repeats, the same on every run.
  private struct Numbers {
    var state: UInt64
    mutating func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
  }

  private func rows(_ count: Int, scores: UInt64, seed: UInt64) -> [RankedRow] {
    var numbers = Numbers(state: seed)
    return (0..<count).map { i in
      let score = Double(numbers.next(scores)) / Double(scores) - 0.25
      return RankedRow(
        rank: ScoreRank.rank(of: score, higherIsBetter: true), record: UInt64(i) << 7,
        weight: UInt32(numbers.next(50)), label: 0)
    }
  }

  private struct Rows: RankedRowSource {
    var rows: [RankedRow]
    func forEach(_ visit: (RankedRow) -> Void) { for row in rows { visit(row) } }
  }

  /// Sorting everything, the plain way.
  private func expected(_ rows: [RankedRow], _ budget: UInt64) -> (rows: Int, weight: UInt64) {
    var kept = (rows: 0, weight: UInt64(0))
    for row in rows.sorted(by: { ($0.rank, $0.record) < ($1.rank, $1.record) }) {
      guard kept.weight + UInt64(row.weight) <= budget else { break }
      kept = (kept.rows + 1, kept.weight + UInt64(row.weight))
    }
    return kept
  }

  @Test(arguments: [1, 3, 1000, 1_000_000] as [UInt64], [0, 1, 40])
  func agreesWithSortingEverything(_ scores: UInt64, _ sortLimit: Int) throws {
    let all = rows(3000, scores: scores, seed: scores)
    let total = all.reduce(0) { $0 + UInt64($1.weight) }
    for budget in [0, 1, total / 3, total * 65 / 100, total - 1, total, total + 10] {
      let cut = try RankCut.find(budget: budget, sortLimit: sortLimit, in: Rows(rows: all.reversed()))
      let plain = expected(all, budget)
      #expect(cut.keptRows == plain.rows && cut.keptWeight == plain.weight)
      #expect(all.count(where: cut.keeps) == plain.rows)
    }
  }

  @Test func ranksKeepTheOrderOfScoresAndGiveThemBack() {
    let scores = [-Double.greatestFiniteMagnitude, -1.5, -1e-300, 0, .leastNonzeroMagnitude, 0.1, 0.25, 1, 7e9]
    for higherIsBetter in [true, false] {
      let ranks = scores.map { ScoreRank.rank(of: $0, higherIsBetter: higherIsBetter) }
      #expect(ranks == ranks.sorted { higherIsBetter ? $0 > $1 : $0 < $1 })
      #expect(ranks.map { ScoreRank.score(of: $0, higherIsBetter: higherIsBetter) } == scores)
    }
    #expect(ScoreRank.rank(of: -0.0, higherIsBetter: true) == ScoreRank.rank(of: 0, higherIsBetter: true))
  }

  @Test func sortingIsByRecordAndTheFirstOfRepeatedRowsStays() {
    var numbers = Numbers(state: 5)
    var rows = (0..<2000).map { i in
      RankedRow(rank: 0, record: numbers.next(700) &* 0x1_0001_0000_0003, weight: UInt32(i), label: 0)
    }
    var first: [UInt64: UInt32] = [:]
    for row in rows where first[row.record] == nil { first[row.record] = row.weight }
    let repeats = rows.sortByRecord()
    #expect(repeats == 2000 - first.count)
    #expect(rows.map(\.record) == first.keys.sorted())
    #expect(rows.allSatisfy { first[$0.record] == $0.weight })
  }
}
