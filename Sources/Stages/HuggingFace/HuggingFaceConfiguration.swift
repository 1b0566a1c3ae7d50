import PipelineKit
import ShardKit
import TrainerCore

/// A model's `config.json`, as transformers reads and writes it.
enum HuggingFaceConfiguration {
  static let fileName = "config.json"
  static let weightsName = "model.safetensors"

  // MARK: Writing

  static func json(_ shape: ModelShape, _ head: HuggingFaceHead = .maskedLanguage) -> JSONValue {
    guard shape.kind != .modernBERT else { return HuggingFaceModernConfiguration.json(shape, head) }
    var members = start(shape, head)
    members += [
      JSONMember("vocab_size", .integer(shape.vocabularySize)), JSONMember("hidden_size", .integer(shape.hiddenSize)),
      JSONMember("num_hidden_layers", .integer(shape.layers)),
      JSONMember("num_attention_heads", .integer(shape.heads)),
      JSONMember("intermediate_size", .integer(shape.intermediateSize)), JSONMember("hidden_act", "gelu"),
      JSONMember("hidden_dropout_prob", .number(shape.dropout)),
      JSONMember("attention_probs_dropout_prob", .number(shape.attentionDropout)),
      JSONMember("max_position_embeddings", .integer(shape.maximumLength)),
      JSONMember("type_vocab_size", .integer(shape.tokenTypes)),
      JSONMember("initializer_range", .number(shape.initialDeviation)),
      JSONMember("layer_norm_eps", .number(shape.normEpsilon)), JSONMember("pad_token_id", .integer(shape.padding)),
      JSONMember("tie_word_embeddings", .bool(shape.tiesDecoder)),
    ]
    members += head.members
    if shape.kind == .ropeBERT {
      let parameters: JSONValue = ["rope_type": "default", "rope_theta": .number(shape.rotaryBase)]
      members.append(JSONMember("rope_parameters", parameters))
    }
    // transformers 4 and 5 use different keys.
    members += [JSONMember("torch_dtype", "float32"), JSONMember("dtype", "float32")]
    return .object(members)
  }

  private static func start(_ shape: ModelShape, _ head: HuggingFaceHead) -> [JSONMember] {
    let architectures = JSONMember("architectures", .strings([head.className(shape.kind)]))
    switch shape.kind {
    case .bert:
      return [
        architectures, JSONMember("model_type", "bert"), JSONMember("position_embedding_type", "absolute"),
      ]
    case .ropeBERT: return [architectures, JSONMember("model_type", "nomic_bert")]
    case .modernBERT:
      return [architectures, JSONMember("model_type", .string(HuggingFaceModernConfiguration.modelType))]
    case .mosaicBERT:
      return [architectures, JSONMember("model_type", "mosaic_bert"), JSONMember("auto_map", .object(classes))]
    }
  }

  /// What the model takes, if it takes less than tokenizers give: ModernBERT has no token types.
  static func inputNames(_ kind: ModelShape.Kind) -> [String] {
    kind == .modernBERT ? ["input_ids", "attention_mask"] : []
  }

  /// The classes of the modeling file, for transformers.
  private static var classes: [JSONMember] {
    let heads = [
      "MaskedLM", "SequenceClassification", "MultipleChoice", "TokenClassification", "QuestionAnswering",
    ]
    return [
      JSONMember("AutoConfig", "configuration_mosaic_bert.MosaicBertConfig"),
      JSONMember("AutoModel", "modeling_mosaic_bert.MosaicBertModel"),
    ] + heads.map { JSONMember("AutoModelFor\($0)", .string("modeling_mosaic_bert.MosaicBertFor\($0)")) }
  }

  /// The Python files that a model of this kind includes.
  static func code(_ kind: ModelShape.Kind) -> [(name: String, bytes: [UInt8])] {
    guard kind == .mosaicBERT else { return [] }
    return [
      ("configuration_mosaic_bert.py", PackageResources.configuration_mosaic_bert_py),
      ("modeling_mosaic_bert.py", PackageResources.modeling_mosaic_bert_py),
    ]
  }
}
