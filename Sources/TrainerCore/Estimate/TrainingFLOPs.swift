/// Floating point operations of training per token, forward and backward.
///
/// Embeddings, norms and recomputation do not count.
public struct TrainingFLOPs: Equatable, Sendable {
  /// 6 per weight of the layers' matrices, and 6·(d² + d·V) for the head, which sees only the masked tokens.
  public var matrices: Double
  /// 12·s·d per layer, for attention's scores and sums; s is the window in local layers.
  public var attention: Double

  public var total: Double { matrices + attention }

  /// - Parameter maskFraction: the fraction of tokens that are masked: 0…1.
  public init(_ shape: ModelShape, sequenceLength: Int, maskFraction: Double) {
    let layer = shape.parameters(ofLayer: 0).filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
    let head = Double(shape.hiddenSize * shape.hiddenSize + shape.hiddenSize * shape.vocabularySize)
    matrices = 6 * Double(shape.layers * layer) + 6 * maskFraction * head
    let seen = (0..<shape.layers).reduce(0) { $0 + shape.tokensSeen(inLayer: $1, of: sequenceLength) }
    attention = 12 * Double(seen) * Double(shape.hiddenSize)
  }
}

extension ModelShape {
  /// How many of an input's tokens a token of a layer sees, itself included.
  func tokensSeen(inLayer layer: Int, of length: Int) -> Int {
    let isGlobal = kind != .modernBERT || modern.isGlobal(layer: layer)
    return isGlobal ? length : min(length, 2 * modern.reach + 1)
  }

  /// See `TrainingFLOPs`.
  public func trainingFLOPsPerToken(sequenceLength: Int, maskFraction: Double) -> Double {
    TrainingFLOPs(self, sequenceLength: sequenceLength, maskFraction: maskFraction).total
  }
}
