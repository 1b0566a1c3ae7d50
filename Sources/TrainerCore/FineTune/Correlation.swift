import Glibc

/// Correlations of two lists of numbers.
public enum Correlation {
  /// Pearson's r; 0 if a list is constant, or for fewer than two pairs.
  public static func pearson(_ a: [Double], _ b: [Double]) -> Double {
    precondition(a.count == b.count, "the lists differ in length")
    guard a.count > 1 else { return 0 }
    let meanA = a.reduce(0, +) / Double(a.count), meanB = b.reduce(0, +) / Double(b.count)
    var together = 0.0, spreadA = 0.0, spreadB = 0.0
    for (x, y) in zip(a, b) {
      together += (x - meanA) * (y - meanB)
      spreadA += (x - meanA) * (x - meanA)
      spreadB += (y - meanB) * (y - meanB)
    }
    let spread = (spreadA * spreadB).squareRoot()
    return spread > 0 ? max(-1, min(1, together / spread)) : 0
  }

  /// Spearman's ρ: Pearson's r of ranks; equal values share the mean of their ranks.
  public static func spearman(_ a: [Double], _ b: [Double]) -> Double { pearson(ranks(a), ranks(b)) }

  static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for i in start..<end { ranks[order[i]] = Double(start + end + 1) / 2 }
      start = end
    }
    return ranks
  }

  /// The fraction of equal pairs.
  static func accuracy(_ a: [Int], _ b: [Int]) -> Double {
    precondition(a.count == b.count, "the lists differ in length")
    return a.isEmpty ? 0 : Double(zip(a, b).count { $0 == $1 }) / Double(a.count)
  }

  public static func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }

  /// The sample standard deviation; 0 for one value.
  public static func deviation(_ values: [Double]) -> Double {
    guard values.count > 1 else { return 0 }
    let mean = mean(values)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
  }
}
