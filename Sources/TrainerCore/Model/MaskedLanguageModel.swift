/// An encoder with BERT's masked-language head.
public struct MaskedLanguageModel: Sendable {
  public let encoder: any TextEncoder
  public let parameters: Parameters
  private let transform, transformBias, decoder, decoderBias: Tensor
  private let norm: LayerNorm

  public init(_ encoder: any TextEncoder, _ parameters: Parameters) {
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

  /// Logits at places of the padded batch (flat, batch·length): [places, vocabulary]. The last layer and the head
  /// compute nothing elsewhere.
  /// - Throws: `TorchError` (`operation`) if the sequences are too long for the model, or memory runs out.
  public func logits(_ input: EncoderInput, at places: [Int64], training: Bool) throws(TorchError) -> Tensor {
    let rows = try parameters.engine.tensor(input.rows(at: places), on: parameters.device)
    let hidden = try encoder.encode(input, training: training, only: rows)
    return try hidden.linear(transform, transformBias).gelu().layerNorm(norm).linear(decoder, decoderBias)
  }

  /// The cross-entropy in nats over the masked places, one number: the mean, or the sum.
  /// - Parameters:
  ///   - places: among the batch·length places of the padded batch.
  ///   - labels: the ids of the masked tokens.
  /// - Throws: `TorchError` (`operation`) if the sequences are too long for the model, or memory runs out.
  public func loss(
    _ input: EncoderInput, at places: [Int64], labels: [Int64], training: Bool, sum: Bool = false
  ) throws(TorchError) -> Tensor {
    let labels = try parameters.engine.tensor(labels, on: parameters.device)
    return try logits(input, at: places, training: training).crossEntropy(labels, sum: sum)
  }
}
