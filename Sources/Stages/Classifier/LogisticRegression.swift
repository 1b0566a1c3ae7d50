import Glibc
import TextKit

/// Logistic regression with an L2 penalty on counted n-grams, by Newton's method with conjugate gradients.
///
/// Minimizes ½‖w‖² + cost · Σ ln(1 + exp(-y(w·x + b))). Everything is summed in the documents' order on one thread, so
/// the same documents give the same bits. Reads the documents once per step of the conjugate gradients and keeps about 80
/// bytes per feature that occurs, and 80 per document.
struct LogisticRegression {
  /// The features that count: the value of one that occurs n times is `LinearClassifier.frequencies[n]` times its scale.
  struct Features {
    /// By the feature's number: its place among those that count, or -1.
    var places: [Int32]
    var scales: [Double]
    /// Of each part of a text, the sum of its values' squares.
    var shares: [Double]
    /// The steps of the traits that count too.
    var traits = TraitFeatures()

    /// Of all weights: those of the n-grams, then those of the traits.
    var count: Int { scales.count + traits.count }
  }

  struct Solution {
    /// By place; then those of the traits.
    var weights: [Double]
    var bias: Double
    var iterations: Int
    /// Passes over the documents.
    var passes: Int
  }

  private let documents: CountedDocuments
  private let rows: [Int]
  private let features: Features
  private let cost: Double
  /// What each part of each document is multiplied by, so that its squares sum to its share.
  private var lengths: [Double] = []
  private let signs: [Double]
  /// The steps that each document's traits are on.
  private let steps: [UInt8]
  private let check: () throws -> Void
  private var passes = 0

  /// - Parameters:
  ///   - rows: of the documents to learn from.
  ///   - check: called between passes; may throw to stop.
  init(
    _ documents: CountedDocuments, rows: [Int], features: Features, cost: Double, check: @escaping () throws -> Void
  ) {
    self.documents = documents
    self.rows = rows
    self.features = features
    self.cost = cost
    self.check = check
    signs = rows.map { documents.rows[$0].isPositive ? 1 : -1 }
    steps = rows.flatMap { features.traits.steps(documents.traits($0)) }
    lengths = rows.flatMap { row in
      [Double](unsafeUninitializedCapacity: documents.parts) { own, count in
        documents.forEachPart(row) { own[$0] = Self.factor($1, features, $0) }
        count = documents.parts
      }
    }
  }

  /// Features that at least `minimum` documents have, scaled by the root of the logarithm of their rarity.
  static func features(_ documents: CountedDocuments, rows: [Int], _ shape: GramShape, minimum: Int) -> Features {
    var counts = [UInt32](repeating: 0, count: shape.features)
    for row in rows { for packed in documents.features(row) { counts[Int(packed >> 8)] += 1 } }
    var features = Features(
      places: [Int32](repeating: -1, count: shape.features), scales: [], shares: shape.parts.map { $0.share(in: shape) }
    )
    for (number, count) in counts.enumerated() where count >= minimum {
      features.places[number] = Int32(features.scales.count)
      // Rounded as the model's file has it, so that training and scoring agree.
      features.scales.append(Double(Float(rarity(Int(count), of: rows.count))))
    }
    return features
  }

  static func rarity(_ count: Int, of documents: Int) -> Double {
    (log(Double(documents + 1) / Double(count + 1)) + 1).squareRoot()
  }

  /// What the values of a part are multiplied by.
  private static func factor(
    _ found: UnsafeBufferPointer<UInt32>, _ features: Features, _ part: Int
  ) -> Double {
    var sum = 0.0
    for packed in found {
      let place = features.places[Int(packed >> 8)]
      guard place >= 0 else { continue }
      let value = LinearClassifier.frequencies[Int(packed & 0xFF)] * features.scales[Int(place)]
      sum += value * value
    }
    return sum > 0 ? (features.shares[part] / sum).squareRoot() : 0
  }

  // MARK: Passes

  /// - Returns: w·x of a document, for weights that are multiplied by the scales.
  private func product(_ found: UnsafeBufferPointer<UInt32>, _ scaled: UnsafeBufferPointer<Double>) -> Double {
    var sum = 0.0
    LinearClassifier.frequencies.withUnsafeBufferPointer { frequencies in
      features.places.withUnsafeBufferPointer { places in
        for packed in found {
          let place = places[Int(packed >> 8)]
          if place >= 0 { sum += frequencies[Int(packed & 0xFF)] * scaled[Int(place)] }
        }
      }
    }
    return sum
  }

  /// One pass: `slope` takes each document's place and w·x + b, and gives the factor of its vector in the sum.
  /// - Returns: the sum of the vectors by their factors, and that of the factors.
  private mutating func pass(
    _ weights: [Double], _ bias: Double, _ slope: (Int, Double) -> Double
  ) throws -> (sum: [Double], bias: Double) {
    try check()
    passes += 1
    let (grams, traits) = (features.scales.count, features.traits)
    let scaled = zip(weights, features.scales).map { $0 * $1 }
    let heights = traits.heights(weights[grams...])
    var sum = [Double](repeating: 0, count: grams), biases = 0.0
    var tallies = [Double](repeating: 0, count: heights.count)
    for (place, row) in rows.enumerated() {
      let own = steps[(place * traits.traits)..<((place + 1) * traits.traits)]
      let first = place * documents.parts
      var gramSum = 0.0
      scaled.withUnsafeBufferPointer { scaled in
        documents.forEachPart(row) { gramSum += product($1, scaled) * lengths[first + $0] }
      }
      let factor = slope(place, gramSum + traits.sum(heights, own) + bias)
      biases += factor
      documents.forEachPart(row) { add($1, factor * lengths[first + $0], to: &sum) }
      traits.add(factor, own, to: &tallies)
    }
    for place in sum.indices { sum[place] *= features.scales[place] }
    return (sum + traits.slopes(tallies), biases)
  }

  private func add(_ found: UnsafeBufferPointer<UInt32>, _ factor: Double, to sum: inout [Double]) {
    guard factor != 0 else { return }
    sum.withUnsafeMutableBufferPointer { sum in
      LinearClassifier.frequencies.withUnsafeBufferPointer { frequencies in
        features.places.withUnsafeBufferPointer { places in
          for packed in found {
            let place = places[Int(packed >> 8)]
            if place >= 0 { sum[Int(place)] += frequencies[Int(packed & 0xFF)] * factor }
          }
        }
      }
    }
  }

  /// The margins of documents that need not be among those learned from.
  func margins(_ rows: [Int], _ solution: Solution) -> [Double] {
    let scaled = zip(solution.weights, features.scales).map { $0 * $1 }
    let heights = features.traits.heights(solution.weights[features.scales.count...])
    return scaled.withUnsafeBufferPointer { scaled in
      rows.map { row in
        var margin = features.traits.sum(heights, features.traits.steps(documents.traits(row))[...]) + solution.bias
        documents.forEachPart(row) { margin += product($1, scaled) * Self.factor($1, features, $0) }
        return margin
      }
    }
  }

  // MARK: Newton's method

  /// - Parameter tolerance: of the gradient's length, as a fraction of that at zero.
  /// - Throws: what `check` throws.
  mutating func solve(tolerance: Double = 1e-4, maximumIterations: Int = 50) throws -> Solution {
    var solution = Solution(
      weights: [Double](repeating: 0, count: features.count), bias: 0, iterations: 0, passes: 0)
    var margins = [Double](repeating: 0, count: rows.count)
    var first: Double?
    while solution.iterations < maximumIterations {
      let gradient = try gradient(solution, &margins)
      let length = gradient.length
      let start = first ?? length
      first = start
      guard length > tolerance * start else { break }
      let step = try direction(gradient, margins, accuracy: min(0.1, (length / start).squareRoot()))
      guard try move(&solution, along: step, gradient, margins) else { break }
      solution.iterations += 1
    }
    solution.passes = passes
    return solution
  }

  /// A vector with a value per weight, and the bias.
  private struct Point {
    var weights: [Double]
    var bias: Double

    func dot(_ other: Point) -> Double {
      var sum = bias * other.bias
      for place in weights.indices { sum += weights[place] * other.weights[place] }
      return sum
    }

    var length: Double { dot(self).squareRoot() }

    mutating func add(_ factor: Double, _ other: Point) {
      for place in weights.indices { weights[place] += factor * other.weights[place] }
      bias += factor * other.bias
    }
  }

  private mutating func gradient(_ solution: Solution, _ margins: inout [Double]) throws -> Point {
    let (signs, cost) = (signs, cost)
    let (sum, bias) = try pass(solution.weights, solution.bias) { place, margin in
      margins[place] = margin
      return -cost * signs[place] / (1 + exp(signs[place] * margin))
    }
    var gradient = Point(weights: sum, bias: bias)
    for place in solution.weights.indices { gradient.weights[place] += solution.weights[place] }
    return gradient
  }

  /// Conjugate gradients: about -H⁻¹g.
  private mutating func direction(_ gradient: Point, _ margins: [Double], accuracy: Double) throws -> Point {
    let curvatures = margins.map { margin -> Double in
      let p = 1 / (1 + exp(-margin))
      return cost * p * (1 - p)
    }
    var step = Point(weights: [Double](repeating: 0, count: gradient.weights.count), bias: 0)
    var residual = step
    residual.add(-1, gradient)
    var search = residual
    var square = residual.dot(residual)
    let goal = accuracy * square.squareRoot()
    for _ in 0..<200 where square.squareRoot() > goal {
      let (sum, bias) = try pass(search.weights, search.bias) { place, product in curvatures[place] * product }
      var curved = Point(weights: sum, bias: bias)
      for place in sum.indices { curved.weights[place] += search.weights[place] }
      let bend = search.dot(curved)
      guard bend > 0 else { break }
      step.add(square / bend, search)
      residual.add(-square / bend, curved)
      let next = residual.dot(residual)
      for place in search.weights.indices {
        search.weights[place] = residual.weights[place] + next / square * search.weights[place]
      }
      search.bias = residual.bias + next / square * search.bias
      square = next
    }
    return step
  }

  /// Goes along a direction as far as the loss falls enough.
  /// - Returns: false if it does not fall.
  private mutating func move(
    _ solution: inout Solution, along step: Point, _ gradient: Point, _ margins: [Double]
  ) throws -> Bool {
    var changes = [Double](repeating: 0, count: rows.count)
    _ = try pass(step.weights, step.bias) { place, product in
      changes[place] = product
      return 0
    }
    let slope = gradient.dot(step)
    let own = Point(weights: solution.weights, bias: 0)
    let (across, square) = (own.dot(step), step.dot(step) - step.bias * step.bias)
    let before = loss(margins, changes, 0)
    var size = 1.0
    for _ in 0..<30 {
      let penalty = size * across + size * size * square / 2
      if loss(margins, changes, size) - before + penalty <= 1e-4 * size * slope {
        for place in step.weights.indices { solution.weights[place] += size * step.weights[place] }
        solution.bias += size * step.bias
        return true
      }
      size /= 2
    }
    return false
  }

  private func loss(_ margins: [Double], _ changes: [Double], _ size: Double) -> Double {
    var sum = 0.0
    for place in margins.indices {
      let loss = -signs[place] * (margins[place] + size * changes[place])
      sum += loss > 0 ? loss + log1p(exp(-loss)) : log1p(exp(loss))
    }
    return cost * sum
  }
}
