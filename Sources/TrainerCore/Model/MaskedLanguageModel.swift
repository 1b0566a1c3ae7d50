/// An encoder with BERT's masked-language head.
public struct MaskedLanguageModel: Sendable {
  public let encoder: any TextEncoder
  public let parameters: Parameters
  private let transform, decoder: Tensor
  private let transformBias, decoderBias: Tensor?
  private let norm: LayerNorm
  /// Whether a training's loss computes rows that do not count, up to a number that many batches share. A GPU loads
  /// kernels for sizes that it has not seen, which takes as long as a step; nearly every batch has another number of
  /// masked tokens.
  var fillsRows: Bool

  public init(_ encoder: any TextEncoder, _ parameters: Parameters) {
    self.encoder = encoder
    self.parameters = parameters
    fillsRows = !parameters.device.isCPU
    let prefix = "cls.predictions"
    transform = parameters["\(prefix).transform.dense.weight"]
    transformBias = parameters.bias("\(prefix).transform.dense")
    norm = parameters.norm("\(prefix).transform.LayerNorm", epsilon: encoder.shape.normEpsilon)
    decoderBias = parameters.bias("\(prefix).decoder")
    decoder =
      parameters[
        encoder.shape.tiesDecoder ? "bert.embeddings.word_embeddings.weight" : "\(prefix).decoder.weight"]
  }

  /// Logits at places of the padded batch (flat, batch·length): [places, vocabulary]. The last layer and the head
  /// compute nothing elsewhere.
  /// - Throws: `TorchError` (`operation`) if the sequences are too long for the model, or memory runs out.
  public func logits(_ input: EncoderInput, at places: [Int64], training: Bool) throws(TorchError) -> Tensor {
    try logits(input, rows: input.rows(at: places), training: training)
  }

  private func logits(_ input: EncoderInput, rows: [Int64], training: Bool) throws(TorchError) -> Tensor {
    let rows = try parameters.engine.tensor(rows, on: parameters.device)
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
    var rows = input.rows(at: places), labels = labels
    if training, fillsRows { Self.fill(&rows, &labels, tokens: input.tokens) }
    let logits = try logits(input, rows: rows, training: training)
    return try logits.crossEntropy(try parameters.engine.tensor(labels, on: parameters.device), sum: sum)
  }

  /// Adds rows whose labels do not count, up to a multiple.
  static func fill(_ rows: inout [Int64], _ labels: inout [Int64], tokens: Int) {
    let multiple = rowMultiple(tokens: tokens)
    let missing = (multiple - rows.count % multiple) % multiple
    // The first rows: each comes once or twice, and its gradient from here is 0.
    rows += (0..<missing).map { Int64($0 % tokens) }
    labels += [Int64](repeating: Int64(Tensor.ignoredLabel), count: missing)
  }

  /// A power of two, about a 128th of the tokens: at 16,384 of them twice the standard deviation of the masked ones'
  /// number, and 3 % of it.
  static func rowMultiple(tokens: Int) -> Int {
    var multiple = 8
    while multiple * 256 <= tokens { multiple *= 2 }
    return multiple
  }
}
