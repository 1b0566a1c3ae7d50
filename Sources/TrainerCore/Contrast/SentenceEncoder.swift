import ShardKit

/// An encoder whose token vectors become one vector per text.
struct SentenceEncoder: Sendable {
  let encoder: any TextEncoder
  let parameters: Parameters
  let pooling: Pooling

  /// Parameters that pooling adds to those of the encoder.
  /// - Throws: `TorchError` (`file`) if the model has no pooler.
  static func poolingParameters(_ shape: ModelShape, _ pooling: Pooling) throws(TorchError) -> [ParameterShape] {
    guard pooling == .pooler else { return [] }
    guard shape.hasVectorPooler else {
      throw TorchError(
        .file, "", "a \(shape.kind.rawValue) has no pooler for vectors of texts: 'mean' or 'cls' are its poolings")
    }
    return shape.poolerParameters
  }

  /// One vector per text in fp32, [texts, hidden], of any length.
  /// - Parameter lengths: tokens of each text.
  /// - Throws: `TorchError` (`operation`) if the texts are too long for the model, or memory runs out.
  func vectors(_ input: EncoderInput, lengths: [Int], training: Bool) throws(TorchError) -> Tensor {
    let engine = parameters.engine, device = parameters.device
    guard pooling == .mean else {
      let first = try engine.tensor(input.starts, on: device)
      var pooled = try encoder.encode(input, training: training, only: first)
      if pooling == .pooler {
        pooled = try pooled.linear(parameters["bert.pooler.dense.weight"], parameters["bert.pooler.dense.bias"]).tanh()
      }
      return try pooled.to(.float32, device: device)
    }
    let tokens = try encoder.encode(input, training: training, only: nil).to(.float32, device: device)
    return try input.mean(of: tokens, on: device)
  }
}

extension Tensor {
  /// Rows of length one: [n, d] → [n, d].
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  func unitRows() throws(TorchError) -> Tensor {
    try divided(by: norm(1, keep: true).scaled(1, plus: 1e-12))
  }
}
