import Glibc

/// A linear classifier of texts by their n-grams of characters.
///
/// A feature that occurs n times has the value `(1 + ln(1 + ln n)) · scale`; the values of each part of a text are scaled so
/// that their squares sum to the part's share, and the margin is their sum by weight, plus the steps of the traits, plus
/// the bias.
public struct LinearClassifier: Sendable {
  public let shape: GramShape
  /// By feature; 0 for those that do not count.
  public let scales: [Float]
  /// By feature.
  public let weights: [Float]
  public let bias: Double
  public let steps: TraitSteps
  /// Scales and weights side by side, so that a feature costs one access to memory.
  private let table: [SIMD2<Float>]

  public init(
    shape: GramShape, scales: [Float], weights: [Float], bias: Double,
    steps: TraitSteps = TraitSteps(cuts: [], steps: [])
  ) {
    self.steps = steps
    precondition(scales.count == shape.features && weights.count == shape.features)
    self.shape = shape
    self.scales = scales
    self.weights = weights
    self.bias = bias
    table = zip(scales, weights).map { SIMD2($0, $1) }
  }

  /// The value of a feature by how often a text has it, before its scale; more often than 255 times counts as 255.
  public static let frequencies: [Double] = [0] + (1...255).map { 1 + log(1 + log(Double($0))) }

  /// How much a text looks like the positive ones: the logarithm of the odds before calibration.
  /// - Parameter counter: one of the same shape, for its memory.
  public func margin(of text: UnsafeBufferPointer<UInt8>, by counter: GramCounter) -> Double {
    precondition(counter.shape == shape)
    counter.count(text)
    var margin = steps.isEmpty ? bias : steps(counter.traits) + bias
    var start = 0
    for (part, end) in zip(shape.parts, counter.ends) {
      let (sum, squares) = sums(of: counter.found[start..<end], counter)
      if squares > 0 { margin += sum * (part.share(in: shape) / squares).squareRoot() }
      start = end
    }
    return margin
  }

  /// The sum by weight and the sum of the squares of features' values.
  private func sums(of features: ArraySlice<UInt32>, _ counter: GramCounter) -> (Double, Double) {
    var sum = 0.0, squares = 0.0
    table.withUnsafeBufferPointer { table in
      Self.frequencies.withUnsafeBufferPointer { frequencies in
        for feature in features {
          let entry = table[Int(feature)]
          guard entry.x != 0 else { continue }
          let value = frequencies[Int(min(counter.occurrences(feature), 255))] * Double(entry.x)
          squares += value * value
          sum += value * Double(entry.y)
        }
      }
    }
    return (sum, squares)
  }
}

/// What traits of a text add to its margin: of each, by the step that its value is on.
public struct TraitSteps: Sendable {
  /// Values at which the next step begins, ascending, `cutsPerTrait` for each trait.
  public let cuts: [Float]
  /// What is added, one more than the cuts for each trait.
  public let steps: [Float]

  public static let cutsPerTrait = 31

  public init(cuts: [Float], steps: [Float]) {
    precondition(cuts.count % Self.cutsPerTrait == 0)
    precondition(steps.isEmpty || steps.count == cuts.count / Self.cutsPerTrait * (Self.cutsPerTrait + 1))
    self.cuts = cuts
    self.steps = steps
  }

  public var isEmpty: Bool { cuts.isEmpty }

  /// The step that a trait's value is on: how many of its cuts are not above it.
  public func step(_ trait: Int, _ value: Float) -> Int {
    var step = 0
    for cut in (trait * Self.cutsPerTrait)..<((trait + 1) * Self.cutsPerTrait) where cuts[cut] <= value { step += 1 }
    return step
  }

  /// - Parameter traits: the values, one per trait.
  public func callAsFunction(_ traits: [Float]) -> Double {
    var sum = 0.0
    for (trait, value) in traits.enumerated() {
      sum += Double(steps[trait * (Self.cutsPerTrait + 1) + step(trait, value)])
    }
    return sum
  }
}
