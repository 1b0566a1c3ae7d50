import Glibc
import PipelineKit

/// From a classifier's margin to the probability that a document is positive.
enum Calibration: Equatable, Codable {
  enum Method: String, OptionChoice { case platt, isotonic, none }

  /// 1 / (1 + exp(-(slope · margin + offset))).
  case sigmoid(slope: Double, offset: Double)
  /// Linear between points of ascending margins; constant outside.
  case steps(margins: [Double], probabilities: [Double])

  /// - Parameters: margins that held-out documents were given, and whether they are positive.
  init(_ method: Method, margins: [Double], labels: [Bool]) {
    switch method {
    case .none: self = .sigmoid(slope: 1, offset: 0)
    case .platt: self = Self.platt(margins, labels)
    case .isotonic: self = Self.isotonic(margins, labels)
    }
  }

  func callAsFunction(_ margin: Double) -> Double {
    switch self {
    case .sigmoid(let slope, let offset): return 1 / (1 + exp(-(slope * margin + offset)))
    case .steps(let margins, let probabilities):
      var (low, high) = (0, margins.count)
      while low < high {
        let middle = (low + high) / 2
        if margins[middle] <= margin { low = middle + 1 } else { high = middle }
      }
      if low == 0 { return probabilities[0] }
      if low == margins.count { return probabilities[low - 1] }
      let part = (margin - margins[low - 1]) / (margins[low] - margins[low - 1])
      return probabilities[low - 1] + part * (probabilities[low] - probabilities[low - 1])
    }
  }

  /// Whether it can be computed with.
  var isSane: Bool {
    switch self {
    case .sigmoid(let slope, let offset): slope.isFinite && offset.isFinite
    case .steps(let margins, let probabilities):
      !margins.isEmpty && margins.count == probabilities.count
        && zip(margins, margins.dropFirst()).allSatisfy { $0 < $1 } && probabilities.allSatisfy { (0...1).contains($0) }
    }
  }

  /// Platt's sigmoid by Newton's method with halved steps; targets are (n₊+1)/(n₊+2) and 1/(n₋+2) instead of 1 and 0.
  private static func platt(_ margins: [Double], _ labels: [Bool]) -> Calibration {
    let positives = Double(labels.count { $0 }), negatives = Double(labels.count) - positives
    let targets = labels.map { $0 ? (positives + 1) / (positives + 2) : 1 / (negatives + 2) }
    func loss(_ slope: Double, _ offset: Double) -> Double {
      zip(margins, targets).reduce(0) { sum, one in
        let z = slope * one.0 + offset
        return sum + (z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z) + (1 - one.1) * z
      }
    }
    var (slope, offset) = (0.0, log((positives + 1) / (negatives + 1)))
    for _ in 0..<100 {
      var g = (0.0, 0.0), h = (1e-12, 0.0, 1e-12)
      for (margin, target) in zip(margins, targets) {
        let p = 1 / (1 + exp(-(slope * margin + offset))), bend = p * (1 - p)
        g = (g.0 + (p - target) * margin, g.1 + p - target)
        h = (h.0 + bend * margin * margin, h.1 + bend * margin, h.2 + bend)
      }
      let determinant = h.0 * h.2 - h.1 * h.1
      guard max(abs(g.0), abs(g.1)) > 1e-7, determinant > 0 else { break }
      let step = ((h.2 * g.0 - h.1 * g.1) / determinant, (h.0 * g.1 - h.1 * g.0) / determinant)
      let before = loss(slope, offset)
      var size = 1.0
      while size > 1e-10, !(loss(slope - size * step.0, offset - size * step.1) < before) { size /= 2 }
      guard size > 1e-10 else { break }
      (slope, offset) = (slope - size * step.0, offset - size * step.1)
    }
    return .sigmoid(slope: slope, offset: offset)
  }

  /// The nondecreasing probabilities with the least squared error: neighbors that fall are pooled.
  private static func isotonic(_ margins: [Double], _ labels: [Bool]) -> Calibration {
    var pools: [Pool] = []
    for place in margins.indices.sorted(by: { (margins[$0], $0) < (margins[$1], $1) }) {
      let own = Pool(first: margins[place], last: margins[place], sum: labels[place] ? 1 : 0, count: 1)
      if let last = pools.last, last.last == own.first { pools[pools.count - 1].take(own) } else { pools.append(own) }
    }
    var rising: [Pool] = []
    for pool in pools {
      rising.append(pool)
      while rising.count >= 2, rising[rising.count - 2].mean >= rising[rising.count - 1].mean {
        let upper = rising.removeLast()
        rising[rising.count - 1].take(upper)
      }
    }
    let ends = rising.flatMap { $0.last > $0.first ? [$0.first, $0.last] : [$0.first] }
    let means = rising.flatMap { $0.last > $0.first ? [$0.mean, $0.mean] : [$0.mean] }
    return .steps(margins: ends, probabilities: means)
  }

  /// Documents of neighboring margins that get one probability.
  private struct Pool {
    var first: Double
    var last: Double
    var sum: Double
    var count: Double
    var mean: Double { sum / count }

    mutating func take(_ upper: Pool) {
      last = upper.last
      sum += upper.sum
      count += upper.count
    }
  }
}
