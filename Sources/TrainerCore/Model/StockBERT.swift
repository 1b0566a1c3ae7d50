public import ShardKit

/// BERT as published (Devlin et al. 2019, arXiv:1810.04805): learned positions and GELU. The baseline, and the
/// architecture of published Japanese BERTs.
public struct StockBERT: TextEncoder {
  public let shape: ModelShape
  private let parameters: Parameters
  private let layers: [Layer]

  public init(_ shape: ModelShape, _ parameters: Parameters) {
    self.shape = shape
    self.parameters = parameters
    layers = (0..<shape.layers).map { Layer(shape, parameters, "bert.encoder.layer.\($0)") }
  }

  /// - Throws: `TorchError` (`operation`) if the sequences are longer than the position table, or memory runs out.
  public func encode(_ input: EncoderInput, training: Bool, only rows: Tensor? = nil) throws(TorchError) -> Tensor {
    guard input.length <= shape.maximumLength else {
      throw TorchError(
        .operation, "sequence", "\(input.length) tokens are more than the model's \(shape.maximumLength) positions",
        hint: "Shorten the sequences, or use a model without a position table.")
    }
    let dtype: DType = parameters.precision == .float32 ? .float32 : .bfloat16
    let padding = try input.padding?.to(dtype, device: parameters.device)
    let names = try DropoutNames(input, shape, training: training)
    var x = try embed(input, training, names)
    for (index, layer) in layers.enumerated() {
      x = try layer(x, input, padding, training, names, only: index == layers.count - 1 ? rows : nil)
    }
    return x
  }

  private func embed(_ input: EncoderInput, _ training: Bool, _ names: DropoutNames) throws(TorchError) -> Tensor {
    let prefix = "bert.embeddings"
    let words = try parameters["\(prefix).word_embeddings.weight"].embedding(input.ids, padding: shape.padding)
    let positions = try parameters["\(prefix).position_embeddings.weight"].embedding(input.positions())
    let table = parameters["\(prefix).token_type_embeddings.weight"]
    // RoBERTa has one type, whatever the tokenizer says of pairs.
    let ids = shape.tokenTypes > 1 ? input.types : nil
    let types = if let ids { try table.embedding(ids) } else { try table.narrow(0, from: 0, count: 1) }
    return try words.plus(types).plus(positions)
      .layerNorm(parameters.norm("\(prefix).LayerNorm", epsilon: shape.normEpsilon))
      .dropout(shape.dropout, training: training, names: names.tokens)
  }

  struct Layer {
    let shape: ModelShape
    let parameters: Parameters
    let name: String

    init(_ shape: ModelShape, _ parameters: Parameters, _ name: String) {
      self.shape = shape
      self.parameters = parameters
      self.name = name
    }

    func callAsFunction(
      _ x: Tensor, _ input: EncoderInput, _ padding: Tensor?, _ training: Bool, _ names: DropoutNames,
      only rows: Tensor?
    ) throws(TorchError) -> Tensor {
      var qkv = try linear(x, "attention.self.Wqkv")
      if let places = input.places { qkv = try qkv.scattered(to: places, of: input.batch * input.length) }
      var context = try qkv.attention(
        batch: input.batch, length: input.length, heads: shape.heads, bias: padding, samples: names.sequences,
        dropout: shape.attentionDropout, training: training)
      if let places = input.places { context = try context.rows(places) }
      var residual = x
      if let rows {
        context = try context.rows(rows)
        residual = try x.rows(rows)
      }
      let left = try names.only(rows)
      let attended = try linear(context, "attention.output.dense")
        .dropoutAddNorm(
          residual, norm("attention.output.LayerNorm"), dropout: shape.dropout, training: training, names: left)
      let hidden = try linear(attended, "intermediate.dense").gelu()
      return try linear(hidden, "output.dense")
        .dropoutAddNorm(
          attended, norm("output.LayerNorm"), dropout: shape.dropout, training: training, names: left)
    }

    private func linear(_ x: Tensor, _ part: String) throws(TorchError) -> Tensor {
      try x.linear(parameters["\(name).\(part).weight"], parameters["\(name).\(part).bias"])
    }

    private func norm(_ part: String) -> LayerNorm { parameters.norm("\(name).\(part)", epsilon: shape.normEpsilon) }
  }
}
