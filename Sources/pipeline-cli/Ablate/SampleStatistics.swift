/// Mean, spread and 95 % interval of a few numbers.
struct SampleStatistics {
  let count: Int
  let mean: Double
  /// With one degree of freedom less than numbers; nil for fewer than two.
  let deviation: Double?

  /// nil if there are no numbers.
  init?(_ numbers: [Double]) {
    guard !numbers.isEmpty else { return nil }
    count = numbers.count
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    self.mean = mean
    deviation =
      numbers.count > 1
      ? (numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(numbers.count - 1)).squareRoot() : nil
  }

  /// Half the width of the interval that holds the true mean in 95 of 100 cases, by Student's distribution.
  var halfInterval: Double? {
    deviation.map { Self.quantile(degrees: count - 1) * $0 / Double(count).squareRoot() }
  }

  private static let quantiles = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086,
  ]

  /// The 97.5 % quantile of Student's distribution. Above 20 degrees to two decimals.
  static func quantile(degrees: Int) -> Double {
    degrees <= quantiles.count ? quantiles[degrees - 1] : 1.96 + 2.5 / Double(degrees)
  }
}
