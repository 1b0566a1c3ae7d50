import Glibc

/// Logistic regression on vectors, with any number of labels and an L2 penalty: `LogisticRegression` of scikit-learn.
///
/// Minimizes the mean cross-entropy plus ‖w‖² / (2 · cost · texts); offsets are not penalized. Two labels have one row of
/// weights, more have one each. The minimum is found by L-BFGS (Liu and Nocedal 1989) on one thread: the same vectors give
/// the same bits.
struct VectorRegression {
  private let width: Int
  private let labels: Int
  /// Rows of weights, each followed by its offset.
  private(set) var weights: [Double]
  private(set) var iterations = 0

  private var rows: Int { labels == 2 ? 1 : labels }

  /// - Parameters:
  ///   - wanted: the place of each text's label, below `labels`.
  ///   - cost: scikit-learn's C.
  ///   - check: called between iterations; may throw to stop.
  init(
    _ vectors: TextVectors, _ wanted: [Int], labels: Int, cost: Double = 1, check: () throws -> Void = {}
  ) rethrows {
    width = vectors.width
    self.labels = labels
    weights = []
    weights = [Double](repeating: 0, count: rows * (width + 1))
    guard labels > 1 else { return }
    let objective = Objective(vectors, wanted, rows: rows, penalty: 1 / (cost * Double(max(1, vectors.count))))
    (weights, iterations) = try LBFGS.minimum(from: weights, check: check, objective.callAsFunction)
  }

  func labels(of texts: TextVectors) -> [Int] {
    guard labels > 1 else { return [Int](repeating: 0, count: texts.count) }
    return (0..<texts.count).map { text in
      let scores = Self.scores(texts[text], weights, rows: rows)
      if rows == 1 { return scores[0] > 0 ? 1 : 0 }
      return scores.indices.max { (scores[$0], $1) < (scores[$1], $0) } ?? 0
    }
  }

  fileprivate static func scores(_ vector: ArraySlice<Float>, _ weights: [Double], rows: Int) -> [Double] {
    weights.withUnsafeBufferPointer { weights in
      vector.withUnsafeBufferPointer { vector in
        (0..<rows).map { row in
          let own = weights.baseAddress! + row * (vector.count + 1)
          var sum = own[vector.count]
          for i in 0..<vector.count { sum += own[i] * Double(vector[i]) }
          return sum
        }
      }
    }
  }

  private struct Objective {
    let vectors: TextVectors
    let wanted: [Int]
    let rows: Int
    let penalty: Double

    init(_ vectors: TextVectors, _ wanted: [Int], rows: Int, penalty: Double) {
      (self.vectors, self.wanted, self.rows, self.penalty) = (vectors, wanted, rows, penalty)
    }

    /// The value, and its gradient.
    func callAsFunction(_ weights: [Double]) -> (value: Double, gradient: [Double]) {
      let width = vectors.width, share = 1 / Double(vectors.count)
      var value = 0.0
      var gradient = [Double](repeating: 0, count: weights.count)
      for text in 0..<vectors.count {
        let vector = vectors[text]
        var slopes = scores(vector, weights, rows: rows)
        value += share * Self.loss(&slopes, wanted[text])
        gradient.withUnsafeMutableBufferPointer { gradient in
          vector.withUnsafeBufferPointer { vector in
            for row in 0..<rows {
              let slope = slopes[row] * share
              let own = gradient.baseAddress! + row * (width + 1)
              for i in 0..<width { own[i] += slope * Double(vector[i]) }
              own[width] += slope
            }
          }
        }
      }
      for place in weights.indices where place % (width + 1) != width {
        value += penalty / 2 * weights[place] * weights[place]
        gradient[place] += penalty * weights[place]
      }
      return (value, gradient)
    }

    /// The cross-entropy, whose slopes take the place of the scores.
    private static func loss(_ scores: inout [Double], _ label: Int) -> Double {
      guard scores.count > 1 else {
        let score = label == 1 ? scores[0] : -scores[0]
        let loss = score > 0 ? log1p(exp(-score)) : log1p(exp(score)) - score
        let slope = -1 / (1 + exp(score))
        scores[0] = label == 1 ? slope : -slope
        return loss
      }
      let highest = scores.max() ?? 0
      let sum = scores.reduce(0) { $0 + exp($1 - highest) }
      let loss = log(sum) + highest - scores[label]
      for row in scores.indices { scores[row] = exp(scores[row] - highest) / sum - (row == label ? 1 : 0) }
      return loss
    }
  }
}

/// The minimum of a smooth convex function, by L-BFGS with a backtracking line search.
enum LBFGS {
  private static let memory = 10

  /// - Parameters:
  ///   - tolerance: of the largest part of the gradient.
  ///   - function: the value and the gradient at a place.
  static func minimum(
    from start: [Double], tolerance: Double = 1e-7, maximumIterations: Int = 1000, check: () throws -> Void,
    _ function: ([Double]) -> (value: Double, gradient: [Double])
  ) rethrows -> (place: [Double], iterations: Int) {
    var place = start
    var (value, gradient) = function(place)
    var pairs: [(step: [Double], change: [Double], product: Double)] = []
    for iteration in 0..<maximumIterations {
      try check()
      guard gradient.contains(where: { abs($0) > tolerance }) else { return (place, iteration) }
      let direction = direction(gradient, pairs)
      let slope = dot(direction, gradient)
      var length = pairs.isEmpty ? 1 / max(1, dot(gradient, gradient).squareRoot()) : 1
      var next = place, found = function(place)
      var isBetter = false
      for _ in 0..<40 {
        for i in place.indices { next[i] = place[i] + length * direction[i] }
        found = function(next)
        isBetter = found.value <= value + 1e-4 * length * slope
        if isBetter { break }
        length /= 2
      }
      // Not even a small step lowers the value: it is exact up to rounding.
      guard isBetter else { return (place, iteration) }
      let step = zip(next, place).map { $0 - $1 }, change = zip(found.gradient, gradient).map { $0 - $1 }
      let product = dot(step, change)
      if product > 1e-300 { pairs.append((step, change, product)) }
      if pairs.count > memory { pairs.removeFirst() }
      (place, value, gradient) = (next, found.value, found.gradient)
    }
    return (place, maximumIterations)
  }

  private static func direction(
    _ gradient: [Double], _ pairs: [(step: [Double], change: [Double], product: Double)]
  ) -> [Double] {
    var direction = gradient.map { -$0 }
    var shares: [Double] = []
    for pair in pairs.reversed() {
      let share = dot(pair.step, direction) / pair.product
      shares.append(share)
      for i in direction.indices { direction[i] -= share * pair.change[i] }
    }
    if let last = pairs.last {
      let scale = last.product / dot(last.change, last.change)
      for i in direction.indices { direction[i] *= scale }
    }
    for (pair, share) in zip(pairs, shares.reversed()) {
      let factor = share - dot(pair.change, direction) / pair.product
      for i in direction.indices { direction[i] += factor * pair.step[i] }
    }
    return direction
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        var sum = 0.0
        for i in 0..<a.count { sum += a[i] * b[i] }
        return sum
      }
    }
  }
}
