import PipelineKit
import ShardKit
import TrainerCore

/// A model's `config.json`, as transformers reads it and as it writes it.
enum HuggingFaceConfiguration {
  static let fileName = "config.json"
  static let weightsName = "model.safetensors"

  // MARK: Writing

  static func json(_ shape: ModelShape) -> JSONValue {
    var members = head(shape)
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
      JSONMember("tie_word_embeddings", true),
    ]
    if shape.kind == .ropeBERT {
      let parameters: JSONValue = ["rope_type": "default", "rope_theta": .number(shape.rotaryBase)]
      members.append(JSONMember("rope_parameters", parameters))
    }
    // transformers 4 and 5 differ in the key's name.
    members += [JSONMember("torch_dtype", "float32"), JSONMember("dtype", "float32")]
    return .object(members)
  }

  private static func head(_ shape: ModelShape) -> [JSONMember] {
    switch shape.kind {
    case .bert:
      [
        JSONMember("architectures", .strings(["BertForMaskedLM"])), JSONMember("model_type", "bert"),
        JSONMember("position_embedding_type", "absolute"),
      ]
    case .ropeBERT:
      [JSONMember("architectures", .strings(["NomicBertForMaskedLM"])), JSONMember("model_type", "nomic_bert")]
    case .mosaicBERT:
      [
        JSONMember("architectures", .strings(["MosaicBertForMaskedLM"])), JSONMember("model_type", "mosaic_bert"),
        JSONMember("auto_map", .object(classes)),
      ]
    }
  }

  /// Where transformers finds the classes of the modelling file.
  private static var classes: [JSONMember] {
    let heads = [
      "MaskedLM", "SequenceClassification", "MultipleChoice", "TokenClassification", "QuestionAnswering",
    ]
    return [
      JSONMember("AutoConfig", "configuration_mosaic_bert.MosaicBertConfig"),
      JSONMember("AutoModel", "modeling_mosaic_bert.MosaicBertModel"),
    ] + heads.map { JSONMember("AutoModelFor\($0)", .string("modeling_mosaic_bert.MosaicBertFor\($0)")) }
  }

  /// The Python files that a model of this kind brings.
  static func code(_ kind: ModelShape.Kind) -> [(name: String, bytes: [UInt8])] {
    guard kind == .mosaicBERT else { return [] }
    return [
      ("configuration_mosaic_bert.py", PackageResources.configuration_mosaic_bert_py),
      ("modeling_mosaic_bert.py", PackageResources.modeling_mosaic_bert_py),
    ]
  }

  // MARK: Reading

  /// The shape that a `config.json` describes; what our models cannot do is refused, never passed over.
  static func shape(_ json: JSONValue, path: String) throws -> ModelShape {
    func wrong(_ message: String, hint: String? = nil) -> StageError { StageError(.input, path, message, hint: hint) }
    var shape = ModelShape(try kind(json, path: path))
    let sizes: [(String, WritableKeyPath<ModelShape, Int>)] = [
      ("vocab_size", \.vocabularySize), ("hidden_size", \.hiddenSize), ("num_hidden_layers", \.layers),
      ("num_attention_heads", \.heads), ("intermediate_size", \.intermediateSize),
      ("max_position_embeddings", \.maximumLength),
    ]
    for (key, field) in sizes {
      guard let value = json[key]?.integer else { throw wrong("has no integer '\(key)'") }
      shape[keyPath: field] = value
    }
    shape.tokenTypes = json["type_vocab_size"]?.integer ?? 2
    shape.padding = json["pad_token_id"]?.integer ?? 0
    shape.initialDeviation = json["initializer_range"]?.double ?? shape.initialDeviation
    shape.normEpsilon = json["layer_norm_eps"]?.double ?? shape.normEpsilon
    shape.dropout = json["hidden_dropout_prob"]?.double ?? (shape.kind == .ropeBERT ? 0 : 0.1)
    shape.attentionDropout = json["attention_probs_dropout_prob"]?.double ?? (shape.kind == .bert ? 0.1 : 0)
    let activation = json["hidden_act"]?.string ?? (shape.kind == .ropeBERT ? "silu" : "gelu")
    guard activation == "gelu" else { throw wrong("hidden_act is '\(activation)'; only 'gelu' can be computed") }
    if let positions = json["position_embedding_type"]?.string, positions != "absolute" {
      throw wrong("position_embedding_type is '\(positions)'; only 'absolute' can be computed")
    }
    if shape.kind == .ropeBERT {
      let rotary = json["rope_parameters"] ?? .null
      guard rotary["rope_type"]?.string ?? "default" == "default" else {
        throw wrong("rope_type is \(rotary["rope_type"]!.text()); only 'default' can be computed")
      }
      shape.rotaryBase = rotary["rope_theta"]?.double ?? 1000
    }
    do { try shape.validate() } catch { throw wrong(error.message, hint: error.hint) }
    return shape
  }

  private static func kind(_ json: JSONValue, path: String) throws -> ModelShape.Kind {
    switch json["model_type"]?.string {
    case "mosaic_bert": return .mosaicBERT
    case "nomic_bert": return .ropeBERT
    // MosaicBERT was published as model type bert with code beside it.
    case "bert": return json["alibi_starting_size"] == nil ? .bert : .mosaicBERT
    default:
      throw StageError(
        .input, path, "model_type is \((json["model_type"] ?? .null).text())",
        hint: "bert, mosaic_bert and nomic_bert can be read.")
    }
  }
}
