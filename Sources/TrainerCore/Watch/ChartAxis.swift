import Glibc
import ShardKit

/// A range of values with places to mark on it.
struct ChartAxis: Equatable {
  var range: ClosedRange<Double>
  var ticks: [Double]

  /// An axis over values, which need not be finite.
  /// - Parameters:
  ///   - includesZero: whether it starts at 0, for values that are never negative.
  ///   - count: of ticks, about.
  init(_ values: some Sequence<Double>, includesZero: Bool = false, count: Int) {
    var low = Double.infinity
    var high = -Double.infinity
    for value in values where value.isFinite {
      let bounded = min(max(value, -Self.bound), Self.bound)
      low = min(low, bounded)
      high = max(high, bounded)
    }
    if low > high { (low, high) = (0, 1) }
    if includesZero { (low, high) = (min(0, low), max(0, high)) }
    if high - low <= abs(high) * 1e-9 {
      let room = high == 0 ? 1 : abs(high) * 0.1
      (low, high) = (includesZero ? low : low - room, high + room)
    }
    // A little air, so that no curve runs along the edge.
    let step = Self.step(over: high - low, count: count)
    let air = (high - low) * 0.04
    if high > 0 || !includesZero { high += air }
    if low < 0 || !includesZero { low -= air }
    range = low...high
    ticks = Self.places(from: low, to: high, step: step)
  }

  /// Larger values are drawn at the edge.
  private static let bound = 1e30

  /// Steps of training: whole numbers.
  init(steps: ClosedRange<Int>, count: Int) {
    let one = steps.lowerBound == steps.upperBound
    let (low, high) = (Double(steps.lowerBound) - (one ? 1 : 0), Double(steps.upperBound) + (one ? 1 : 0))
    range = low...high
    ticks =
      one
      ? [Double(steps.lowerBound)]
      : Self.places(from: low, to: high, step: max(1, Self.step(over: high - low, count: count)))
  }

  /// 1, 2 or 5 times a power of ten.
  private static func step(over span: Double, count: Int) -> Double {
    let rough = span / Double(max(1, count))
    let power = pow(10, floor(log10(rough)))
    let lead = rough / power
    return power * (lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10)
  }

  private static func places(from low: Double, to high: Double, step: Double) -> [Double] {
    var out: [Double] = []
    var number = ceil(low / step - 1e-6)
    while number * step <= high + step * 1e-6, out.count < 20 {
      out.append(number * step == 0 ? 0 : number * step)
      number += 1
    }
    return out
  }

  /// 0 at the start of the range, 1 at its end.
  func position(_ value: Double) -> Double {
    (value - range.lowerBound) / (range.upperBound - range.lowerBound)
  }
}

/// Numbers of axes: always with a point, whatever the locale.
enum ChartNumber {
  /// `500`, `12.5k`, `1.5M`
  static func short(_ value: Double) -> String {
    let size = abs(value)
    if size >= 1e6 { return trimmed(value / 1e6, 3) + "M" }
    return size >= 1e4 ? trimmed(value / 1e3, 3) + "k" : trimmed(value, 3)
  }

  /// `2.5`, `0.04`, `3e-4`, `1.5e6`: four significant digits.
  static func value(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "not a number" : value < 0 ? "-∞" : "∞" }
    let size = abs(value)
    guard size != 0 else { return "0" }
    var exponent = Int(floor(log10(size) + 1e-9))
    if size < 1e-2 || size >= 1e5 {
      var lead = value / pow(10, Double(exponent))
      // 9.9999 would round to 10.
      if abs(lead) >= 9.9995 { (lead, exponent) = (lead / 10, exponent + 1) }
      return "\(trimmed(lead, 3))e\(exponent)"
    }
    return trimmed(value, max(0, 3 - exponent))
  }
}
