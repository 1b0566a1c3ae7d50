import PipelineKit
import ShardKit
import TrainerCore

/// The `config.json` of transformers' `modernbert`, whose keys differ from BERT's.
enum HuggingFaceModernConfiguration {
  static let modelType = "modernbert"
  private static let layerTypes = (global: "full_attention", local: "sliding_attention")

  // MARK: Writing

  /// With the keys of both transformers 4 and 5.
  static func json(_ shape: ModelShape, _ head: HuggingFaceHead) -> JSONValue {
    let modern = shape.modern
    func rotary(_ base: Double) -> JSONValue { ["rope_type": "default", "rope_theta": .number(base)] }
    var members = [
      JSONMember("architectures", .strings([head.className(shape.kind)])), JSONMember("model_type", .string(modelType)),
      JSONMember("vocab_size", .integer(shape.vocabularySize)), JSONMember("hidden_size", .integer(shape.hiddenSize)),
      JSONMember("intermediate_size", .integer(shape.intermediateSize)),
      JSONMember("num_hidden_layers", .integer(shape.layers)),
      JSONMember("num_attention_heads", .integer(shape.heads)), JSONMember("hidden_activation", "gelu"),
      JSONMember("max_position_embeddings", .integer(shape.maximumLength)),
      JSONMember("initializer_range", .number(shape.initialDeviation)),
      JSONMember("norm_eps", .number(shape.normEpsilon)), JSONMember("norm_bias", .bool(modern.normBias)),
      JSONMember("attention_bias", .bool(modern.attentionBias)), JSONMember("mlp_bias", .bool(modern.mlpBias)),
      JSONMember("decoder_bias", .bool(modern.decoderBias)),
      JSONMember("classifier_bias", .bool(modern.classifierBias)),
      JSONMember("classifier_activation", "gelu"),
      JSONMember("classifier_pooling", .string(modern.classifierPooling.rawValue)),
      JSONMember("local_attention", .integer(modern.localAttention)),
      JSONMember("global_attn_every_n_layers", .integer(modern.globalAttentionEvery)),
      JSONMember("global_rope_theta", .number(shape.rotaryBase)),
      JSONMember("local_rope_theta", .number(modern.localRotaryBase)),
      JSONMember(
        "rope_parameters",
        .object([
          JSONMember(layerTypes.global, rotary(shape.rotaryBase)),
          JSONMember(layerTypes.local, rotary(modern.localRotaryBase)),
        ])),
      JSONMember(
        "layer_types",
        .strings((0..<shape.layers).map { modern.isGlobal(layer: $0) ? layerTypes.global : layerTypes.local })),
    ]
    members += [
      JSONMember("embedding_dropout", .number(shape.dropout)), JSONMember("mlp_dropout", .number(shape.dropout)),
      JSONMember("classifier_dropout", .number(shape.dropout)),
      JSONMember("attention_dropout", .number(shape.attentionDropout)),
      JSONMember("pad_token_id", .integer(shape.padding)), JSONMember("tie_word_embeddings", .bool(shape.tiesDecoder)),
    ]
    // Without these, transformers takes the ids of ModernBERT's own tokenizer.
    members += ["bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"].map { JSONMember($0, .null) }
    return .object(members + head.members + [JSONMember("torch_dtype", "float32"), JSONMember("dtype", "float32")])
  }

  // MARK: Reading

  /// The shape that `json` describes, with transformers' defaults for what it leaves out.
  static func shape(_ json: JSONValue, path: String) throws -> ModelShape {
    let values = ConfigurationValues(json, path: path)
    var shape = ModelShape(.modernBERT)
    try HuggingFaceConfiguration.readSizes(values, into: &shape)
    shape.padding = try values.integer("pad_token_id") ?? 50_283
    shape.initialDeviation = try values.number("initializer_range") ?? shape.initialDeviation
    shape.normEpsilon = try values.number("norm_eps") ?? shape.normEpsilon
    shape.dropout = try values.number("mlp_dropout") ?? 0
    shape.attentionDropout = try values.number("attention_dropout") ?? 0
    shape.tiesDecoder = try values.flag("tie_word_embeddings") ?? true
    for key in ["hidden_activation", "classifier_activation"] {
      let value = try values.text(key) ?? "gelu"
      guard value == "gelu" else { throw values.wrong("\(key) is '\(value)'; only 'gelu' is supported") }
    }
    try HuggingFaceConfiguration.refuseOthers(json, ["auto_map"], path: path)
    shape.modern = try settings(values)
    shape.modern.globalAttentionEvery = try globalAttentionEvery(values, layers: shape.layers)
    (shape.rotaryBase, shape.modern.localRotaryBase) = try rotaryBases(values)
    do { try shape.validate() } catch { throw values.wrong(error.message, hint: error.hint) }
    return shape
  }

  private static func settings(_ values: ConfigurationValues) throws -> ModernSettings {
    var modern = ModernSettings()
    modern.localAttention = try values.integer("local_attention") ?? modern.localAttention
    modern.normBias = try values.flag("norm_bias") ?? modern.normBias
    modern.attentionBias = try values.flag("attention_bias") ?? modern.attentionBias
    modern.mlpBias = try values.flag("mlp_bias") ?? modern.mlpBias
    modern.classifierBias = try values.flag("classifier_bias") ?? modern.classifierBias
    modern.decoderBias = try values.flag("decoder_bias") ?? modern.decoderBias
    let pooling = try values.text("classifier_pooling") ?? modern.classifierPooling.rawValue
    guard let known = ModernSettings.Pooling(rawValue: pooling) else {
      throw values.wrong("classifier_pooling is '\(pooling)'; only 'cls' and 'mean' are supported")
    }
    modern.classifierPooling = known
    return modern
  }

  /// From transformers 5's list of layer types, or from the number that older releases have.
  private static func globalAttentionEvery(_ values: ConfigurationValues, layers: Int) throws -> Int {
    guard let types = try values.list("layer_types") else {
      return try values.integer("global_attn_every_n_layers") ?? 3
    }
    let isGlobal = types.map { $0.string == layerTypes.global }
    // If no second layer is global, any number beyond the layers says so.
    let every = isGlobal.indices.dropFirst().first { isGlobal[$0] } ?? max(1, layers)
    let isRegular = isGlobal.indices.allSatisfy { isGlobal[$0] == ($0 % every == 0) }
    let areKnown = types.allSatisfy { [layerTypes.global, layerTypes.local].contains($0.string) }
    guard types.count == layers, isRegular, areKnown else {
      throw values.wrong(
        "layer_types is not a global layer, then a fixed number of local ones, and so on for \(layers) layers")
    }
    return every
  }

  /// The bases of global and local layers, under transformers 5's key or the older ones.
  private static func rotaryBases(_ values: ConfigurationValues) throws -> (Double, Double) {
    let usual = ModelShape(.modernBERT), localKey = "local_rope_theta"
    let global = try values.number("global_rope_theta") ?? usual.rotaryBase
    // An explicit null is the global layers' base.
    let missing = values.json[localKey] == nil ? usual.modern.localRotaryBase : global
    let local = try values.number(localKey) ?? missing
    let parameters = try values.object("rope_parameters")
    func base(_ kind: String, _ older: Double) throws -> Double {
      let rotary = try parameters.object(kind)
      if let type = try rotary.text("rope_type"), type != "default" {
        throw values.wrong("rope_type of \(kind) is '\(type)'; only 'default' can be computed")
      }
      return try rotary.number("rope_theta") ?? older
    }
    return (try base(layerTypes.global, global), try base(layerTypes.local, local))
  }
}
