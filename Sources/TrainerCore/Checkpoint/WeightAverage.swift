import ShardKit
import Synchronization

/// The weighted average of the same tensors of several models.
///
/// Sums are formed in double precision, in the order of the models, and rounded once to float32: the result does not
/// depend on the machine.
public final class WeightAverage: Sendable {
  /// One of the models.
  public struct Part: Sendable {
    public var weights: SafetensorsFile
    /// Of the sum; the shares of all parts sum to 1.
    public var share: Double

    public init(weights: SafetensorsFile, share: Double) {
      self.weights = weights
      self.share = share
    }
  }

  public let parts: [Part]
  /// Values that are held at a time, per model.
  private static let block = 1 << 18
  private let squares: Mutex<[Double]>

  public init(_ parts: [Part]) {
    self.parts = parts
    squares = Mutex([Double](repeating: 0, count: parts.count))
  }

  /// The Euclidean distance of each model from the average, over the tensors that were written.
  public var distances: [Double] { squares.withLock { $0.map { $0.squareRoot() } } }

  /// The averages, to be written once. Every part must have a tensor of the name and shape of each.
  public func tensors(_ parameters: [ParameterShape]) -> [TensorSource] {
    parameters.map { parameter in
      TensorSource(parameter.name, .float32, shape: parameter.shape) { [self] (sink) throws(ShardError) in
        for start in stride(from: 0, to: parameter.count, by: Self.block) {
          let average = try average(parameter.name, start..<min(start + Self.block, parameter.count))
          try average.withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
        }
        for part in parts { part.weights.release() }
      }
    }
  }

  private func average(_ name: String, _ elements: Range<Int>) throws(ShardError) -> [Float] {
    var values: [[Float]] = []
    for part in parts { values.append(try part.weights.floats(of: name, elements: elements)) }
    let average = (0..<elements.count).map { i in
      Float(zip(parts, values).reduce(0.0) { $0 + $1.0.share * Double($1.1[i]) })
    }
    squares.withLock { squares in
      for (part, own) in values.enumerated() {
        for (mine, common) in zip(own, average) {
          let difference = Double(mine) - Double(common)
          squares[part] += difference * difference
        }
      }
    }
    return average
  }
}
