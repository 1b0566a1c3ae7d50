/// One parameter under its names in a Hugging Face model: parts of those tensors, concatenated, are ours.
public struct HuggingFaceParameter: Equatable, Sendable {
  public var ours: ParameterShape
  /// Names of equal parts of our rows, in order: query, key and value, or the gate and what it gates; mostly one.
  public var theirs: [ParameterShape]
}

extension ModelShape {
  /// Parameters with their names in the model that transformers knows: `mosaic_bert` (the modeling file that converted
  /// models bring, with our own names), `nomic_bert` for `rope-bert`, `bert`, `modernbert`.
  public func huggingFaceParameters(_ parameters: [ParameterShape]) -> [HuggingFaceParameter] {
    parameters.map { parameter in
      let names = huggingFaceNames(of: parameter.name)
      var share = parameter.shape
      share[0] /= names.count
      return HuggingFaceParameter(ours: parameter, theirs: names.map { ParameterShape($0, share) })
    }
  }

  private func huggingFaceNames(of name: String) -> [String] {
    switch kind {
    case .mosaicBERT: [name]
    case .bert: Self.stockNames(of: name)
    case .ropeBERT: Self.nomicNames(of: name)
    case .modernBERT: [Self.modernName(of: name)]
    }
  }

  private static func stockNames(of name: String) -> [String] {
    if name == "cls.predictions.decoder.bias" { return ["cls.predictions.bias"] }
    return split(name, at: "Wqkv", into: ["query", "key", "value"])
  }

  private static func nomicNames(of name: String) -> [String] {
    switch name {
    case "cls.predictions.decoder.bias": return ["cls.predictions.bias"]
    case "cls.predictions.transform.LayerNorm.weight": return ["cls.predictions.transform.layer_norm.weight"]
    case "cls.predictions.transform.LayerNorm.bias": return ["cls.predictions.transform.layer_norm.bias"]
    case _ where name.hasPrefix("bert.embeddings.") || name.hasPrefix("bert.pooler."): return ["nomic_" + name]
    case _ where name.hasPrefix(layerPrefix): break
    default: return [name]
    }
    let parts = name.dropFirst(layerPrefix.count).split(separator: ".", maxSplits: 1)
    let layer = "nomic_bert.layers.\(parts[0])."
    let rest = String(parts[1])
    for (ours, theirs) in nomicParts where rest.hasPrefix(ours) {
      return theirs.map { layer + $0 + rest.dropFirst(ours.count) }
    }
    return [name]
  }

  private static func modernName(of name: String) -> String {
    guard name.hasPrefix(layerPrefix) else {
      for (ours, theirs) in modernOuterParts where name.hasPrefix(ours) { return theirs + name.dropFirst(ours.count) }
      return name
    }
    let parts = name.dropFirst(layerPrefix.count).split(separator: ".", maxSplits: 1)
    let rest = String(parts[1])
    for (ours, theirs) in modernParts where rest.hasPrefix(ours) {
      return "model.layers.\(parts[0])." + theirs + rest.dropFirst(ours.count)
    }
    return name
  }

  private static let modernOuterParts = [
    ("bert.embeddings.word_embeddings", "model.embeddings.tok_embeddings"),
    ("bert.embeddings.LayerNorm", "model.embeddings.norm"), ("bert.encoder.LayerNorm", "model.final_norm"),
    ("cls.predictions.transform.dense", "head.dense"), ("cls.predictions.transform.LayerNorm", "head.norm"),
    ("cls.predictions.decoder", "decoder"),
  ]
  private static let modernParts = [
    ("attention.LayerNorm", "attn_norm"), ("attention.self.Wqkv", "attn.Wqkv"),
    ("attention.output.dense", "attn.Wo"), ("mlp.layernorm", "mlp_norm"), ("mlp.gated_layers", "mlp.Wi"),
    ("mlp.wo", "mlp.Wo"),
  ]

  private static let layerPrefix = "bert.encoder.layer."
  private static let nomicParts = [
    ("attention.self.Wqkv", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    ("attention.output.dense", ["self_attn.o_proj"]), ("attention.output.LayerNorm", ["post_attention_layernorm"]),
    ("mlp.gated_layers", ["mlp.gate_proj", "mlp.up_proj"]), ("mlp.wo", ["mlp.down_proj"]),
    ("mlp.layernorm", ["post_mlp_layernorm"]),
  ]

  private static func split(_ name: String, at part: String, into names: [String]) -> [String] {
    let pieces = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = pieces.firstIndex(of: part[...]) else { return [name] }
    return names.map { (pieces[..<place] + [$0[...]] + pieces[(place + 1)...]).joined(separator: ".") }
  }
}
