/// Scores as integers that sort from best to worst, without loss.
enum QualityRank {
  static func rank(of score: Double, higherIsBetter: Bool) -> UInt64 {
    // -0 and 0 are one score.
    let bits = (score == 0 ? 0 : score).bitPattern
    let ascending = bits >> 63 == 1 ? ~bits : bits | 1 << 63
    return higherIsBetter ? ~ascending : ascending
  }

  static func score(of rank: UInt64, higherIsBetter: Bool) -> Double {
    let ascending = higherIsBetter ? ~rank : rank
    return Double(bitPattern: ascending >> 63 == 1 ? ascending & ~(1 << 63) : ~ascending)
  }
}
