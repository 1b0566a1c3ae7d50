/// One tensor of a model, by the name under which checkpoints store it.
public struct ParameterShape: Equatable, Sendable {
  public var name: String
  public var shape: [Int]
  public var count: Int { shape.reduce(1, *) }

  public init(_ name: String, _ shape: [Int]) {
    self.name = name
    self.shape = shape
  }
}

extension ModelShape {
  /// All parameters of the model with its masked-language head, in order from the input to the output. Names are
  /// Composer's, those of stock BERT for layers that MosaicBERT does not have. Query, key and value are one `Wqkv` in
  /// every kind. A decoder that is tied to the word embedding has no weight of its own.
  public var parameters: [ParameterShape] {
    var list = embeddingParameters
    for layer in 0..<layers { list += parameters(ofLayer: layer) }
    return list + finalNorm + headParameters
  }

  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

  public var embeddingParameters: [ParameterShape] {
    let prefix = "bert.embeddings"
    var list = [ParameterShape("\(prefix).word_embeddings.weight", [vocabularySize, hiddenSize])]
    if kind == .bert {
      list.append(ParameterShape("\(prefix).position_embeddings.weight", [maximumLength, hiddenSize]))
    }
    if kind == .modernBERT { return list + norm("\(prefix).LayerNorm", bias: modern.normBias) }
    list.append(ParameterShape("\(prefix).token_type_embeddings.weight", [tokenTypes, hiddenSize]))
    return list + norm("\(prefix).LayerNorm")
  }

  public func parameters(ofLayer layer: Int) -> [ParameterShape] {
    guard kind != .modernBERT else { return modernParameters(ofLayer: layer) }
    let prefix = "bert.encoder.layer.\(layer)"
    let hasBias = kind != .ropeBERT
    let attention =
      linear("\(prefix).attention.self.Wqkv", hiddenSize, 3 * hiddenSize, bias: hasBias)
      + linear("\(prefix).attention.output.dense", hiddenSize, hiddenSize, bias: hasBias)
      + norm("\(prefix).attention.output.LayerNorm")
    switch kind {
    case .mosaicBERT, .ropeBERT:
      return attention + linear("\(prefix).mlp.gated_layers", hiddenSize, 2 * intermediateSize, bias: false)
        + linear("\(prefix).mlp.wo", intermediateSize, hiddenSize, bias: hasBias) + norm("\(prefix).mlp.layernorm")
    case .bert, .modernBERT:
      return attention + linear("\(prefix).intermediate.dense", hiddenSize, intermediateSize, bias: true)
        + linear("\(prefix).output.dense", intermediateSize, hiddenSize, bias: true)
        + norm("\(prefix).output.LayerNorm")
    }
  }

  public var headParameters: [ParameterShape] {
    let isModern = kind == .modernBERT
    let decoder = linear(
      "cls.predictions.decoder", hiddenSize, vocabularySize, bias: !isModern || modern.decoderBias)
    return transformParameters + decoder.dropFirst(tiesDecoder ? 1 : 0)
  }

  /// The masked-language head without its decoder. In `modernbert` the heads of other tasks have it too.
  var transformParameters: [ParameterShape] {
    let isModern = kind == .modernBERT
    return linear(
      "cls.predictions.transform.dense", hiddenSize, hiddenSize, bias: !isModern || modern.classifierBias)
      + norm("cls.predictions.transform.LayerNorm", bias: !isModern || modern.normBias)
  }

  func linear(_ name: String, _ inputs: Int, _ outputs: Int, bias: Bool) -> [ParameterShape] {
    let weight = ParameterShape("\(name).weight", [outputs, inputs])
    return bias ? [weight, ParameterShape("\(name).bias", [outputs])] : [weight]
  }

  func norm(_ name: String, bias: Bool = true) -> [ParameterShape] {
    let weight = ParameterShape("\(name).weight", [hiddenSize])
    return bias ? [weight, ParameterShape("\(name).bias", [hiddenSize])] : [weight]
  }
}
