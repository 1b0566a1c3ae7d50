import Glibc

/// A linear classifier of texts by their n-grams of characters.
///
/// A feature that occurs n times has the value `(1 + ln n) · scale`; the values of a text are divided by the root of the
/// sum of their squares, and the margin is their sum by weight plus the bias. A text without any known n-gram has the bias.
public struct LinearClassifier: Sendable {
  public let shape: GramShape
  /// By feature; 0 for those that do not count.
  public let scales: [Float]
  /// By feature.
  public let weights: [Float]
  public let bias: Double

  public init(shape: GramShape, scales: [Float], weights: [Float], bias: Double) {
    precondition(scales.count == shape.features && weights.count == shape.features)
    self.shape = shape
    self.scales = scales
    self.weights = weights
    self.bias = bias
  }

  /// The value of a feature by how often a text has it, before its scale; more often than 255 times counts as 255.
  public static let frequencies: [Double] = [0] + (1...255).map { 1 + log(Double($0)) }

  /// How much a text looks like the positive ones: the logarithm of the odds before calibration.
  /// - Parameter counter: one of the same shape, for its memory.
  public func margin(of text: UnsafeBufferPointer<UInt8>, by counter: GramCounter) -> Double {
    precondition(counter.shape == shape)
    counter.count(text)
    var sum = 0.0, squares = 0.0
    for feature in counter.found {
      let scale = scales[Int(feature)]
      guard scale != 0 else { continue }
      let value = Self.frequencies[Int(min(counter.occurrences(feature), 255))] * Double(scale)
      squares += value * value
      sum += value * Double(weights[Int(feature)])
    }
    return squares > 0 ? sum / squares.squareRoot() + bias : bias
  }
}
