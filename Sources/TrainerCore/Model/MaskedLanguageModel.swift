/// An encoder with BERT's head: what stands at the masked places?
public struct MaskedLanguageModel: Sendable {
  public let encoder: any Encoder
  public let parameters: Parameters
  private let transform, transformBias, decoder, decoderBias: Tensor
  private let norm: LayerNorm

  public init(_ encoder: any Encoder, _ parameters: Parameters) {
    self.encoder = encoder
    self.parameters = parameters
    let prefix = "cls.predictions"
    transform = parameters["\(prefix).transform.dense.weight"]
    transformBias = parameters["\(prefix).transform.dense.bias"]
    norm = parameters.norm("\(prefix).transform.LayerNorm", epsilon: encoder.shape.normEpsilon)
    decoderBias = parameters["\(prefix).decoder.bias"]
    decoder =
      parameters[
        encoder.shape.tiesDecoder ? "bert.embeddings.word_embeddings.weight" : "\(prefix).decoder.weight"]
  }

  /// Logits at places of the padded batch (flat, batch·length): [places, vocabulary]. Nothing is computed elsewhere in
  /// the last layer and the head.
  public func logits(_ input: EncoderInput, at places: [Int64], training: Bool) throws(TorchError) -> Tensor {
    let rows = try parameters.engine.tensor(input.rows(at: places), on: parameters.device)
    let hidden = try encoder.encode(input, training: training, only: rows)
    return try hidden.linear(transform, transformBias).gelu().layerNorm(norm).linear(decoder, decoderBias)
  }

  /// The cross-entropy in nats over the masked places: the mean, or the sum.
  public func loss(
    _ input: EncoderInput, at places: [Int64], labels: [Int64], training: Bool, sum: Bool = false
  ) throws(TorchError) -> Tensor {
    let labels = try parameters.engine.tensor(labels, on: parameters.device)
    return try logits(input, at: places, training: training).crossEntropy(labels, sum: sum)
  }
}
