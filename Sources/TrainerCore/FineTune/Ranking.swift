import Glibc

/// Quality of a ranking of documents, by trec_eval's definitions. A document counts once, at its first place; relevance
/// below 0 counts as 0.
public struct Ranking {
  /// Of the document at each place, the best first.
  private let relevance: [Double]
  /// Of all relevant documents, descending.
  private let wanted: [Double]

  /// - Parameters:
  ///   - retrieved: documents, the best first; texts as `ExactText`, since canonically equivalent ones are two.
  ///   - judged: relevance of the judged documents; others count 0.
  public init<ID: Hashable>(_ retrieved: [ID], _ judged: [ID: Double]) {
    var seen: Set<ID> = []
    relevance = retrieved.compactMap { seen.insert($0).inserted ? max(0, judged[$0] ?? 0) : nil }
    wanted = judged.values.filter { $0 > 0 }.sorted(by: >)
  }

  /// The gain of the first places over that of the best order, with linear gains (trec_eval's `ndcg_cut`): relevance /
  /// log2(place + 1).
  ///
  /// JMTEB uses gains of 0 and 1, but sums the best order over all relevant documents, even if there are more of them
  /// than places: with up to `cutoff` relevant documents the two are equal.
  public func nDCG(_ cutoff: Int = 10) -> Double {
    let ideal = Self.gain(wanted.prefix(cutoff))
    return ideal > 0 ? Self.gain(relevance.prefix(cutoff)) / ideal : 0
  }

  private static func gain(_ relevance: some Collection<Double>) -> Double {
    relevance.enumerated().reduce(0) { $0 + $1.element / log2(Double($1.offset + 2)) }
  }

  /// The fraction of relevant documents among the first `cutoff`.
  public func recall(_ cutoff: Int = 100) -> Double { wanted.isEmpty ? 0 : Double(hits(cutoff)) / Double(wanted.count) }

  /// 1 if one of the first `cutoff` is relevant, else 0.
  public func accuracy(_ cutoff: Int) -> Double { hits(cutoff) > 0 ? 1 : 0 }

  /// One over the place of the first relevant document; 0 behind `cutoff`.
  public func reciprocalRank(_ cutoff: Int = 10) -> Double {
    relevance.prefix(cutoff).firstIndex { $0 > 0 }.map { 1 / Double($0 + 1) } ?? 0
  }

  /// The mean, over all relevant documents, of the precision at their places; 0 for those behind `cutoff`.
  public func averagePrecision(_ cutoff: Int = 100) -> Double {
    guard !wanted.isEmpty else { return 0 }
    var hits = 0, sum = 0.0
    for (place, value) in relevance.prefix(cutoff).enumerated() where value > 0 {
      hits += 1
      sum += Double(hits) / Double(place + 1)
    }
    return sum / Double(wanted.count)
  }

  private func hits(_ cutoff: Int) -> Int { relevance.prefix(cutoff).count { $0 > 0 } }
}
