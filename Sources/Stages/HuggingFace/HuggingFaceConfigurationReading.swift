import PipelineKit
import ShardKit
import TrainerCore

extension HuggingFaceConfiguration {
  /// The shape that a `config.json` describes. Settings that our models do not support are errors, never ignored.
  static func shape(_ json: JSONValue, path: String) throws -> ModelShape {
    let values = ConfigurationValues(json, path: path)
    var shape = ModelShape(try kind(json, path: path))
    guard shape.kind != .modernBERT else { return try HuggingFaceModernConfiguration.shape(json, path: path) }
    try readSizes(values, into: &shape)
    shape.tokenTypes = try values.integer("type_vocab_size") ?? 2
    shape.padding = try values.integer("pad_token_id") ?? (RoBERTaForm.isForm(of: json) ? 1 : 0)
    guard 0..<max(1, shape.vocabularySize) ~= shape.padding else {
      throw values.wrong("pad_token_id is \(shape.padding), not one of the \(shape.vocabularySize) tokens")
    }
    guard shape.maximumLength > RoBERTaForm.unreadPositions(json, shape) else {
      throw values.wrong("max_position_embeddings is \(shape.maximumLength): no position is left for tokens")
    }
    shape.maximumLength -= RoBERTaForm.unreadPositions(json, shape)
    shape.initialDeviation = try values.number("initializer_range") ?? shape.initialDeviation
    shape.normEpsilon = try values.number("layer_norm_eps") ?? shape.normEpsilon
    shape.dropout = try values.number("hidden_dropout_prob") ?? (shape.kind == .ropeBERT ? 0 : 0.1)
    shape.attentionDropout = try values.number("attention_probs_dropout_prob") ?? (shape.kind == .bert ? 0.1 : 0)
    shape.tiesDecoder = try values.flag("tie_word_embeddings") ?? true
    let usual = shape.kind == .ropeBERT ? "silu" : "gelu"
    for (key, only) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
      let value = try values.text(key) ?? (key == "hidden_act" ? usual : only)
      guard value == only else { throw values.wrong("\(key) is '\(value)'; only '\(only)' is supported") }
    }
    try refuseOthers(json, shape.kind == .bert ? ["auto_map"] : [], path: path)
    if shape.kind == .ropeBERT { shape.rotaryBase = try rotaryBase(values, shape) }
    do { try shape.validate() } catch { throw values.wrong(error.message, hint: error.hint) }
    return shape
  }

  /// What the head of a `…ForSequenceClassification` says, by its problem type and its labels; nil for other models.
  /// - Parameter outputs: of its last layer.
  static func task(_ json: JSONValue, outputs: Int, path: String) throws -> TextTask? {
    let names = json["architectures"]?.array?.compactMap(\.string) ?? []
    guard names.contains(where: { $0.hasSuffix("ForSequenceClassification") }) else { return nil }
    let values = ConfigurationValues(json, path: path)
    let most = TunedTask.labelCounts.upperBound
    guard outputs <= most else {
      throw values.wrong(
        "describes a head of \(outputs) labels; heads of at most \(most) labels can be used",
        hint: "To read the model without its head, leave 'ForSequenceClassification' out of 'architectures'.")
    }
    // Without a problem type, transformers takes one output for a number.
    let problem = try values.text("problem_type") ?? (outputs == 1 ? "regression" : "single_label_classification")
    // transformers does not write labels that have no names.
    let named = try values.object("id2label")
    let labels = try (0..<outputs).map { try named.text("\($0)") ?? "LABEL_\($0)" }
    let isDistinct = Set(labels.map { ExactText($0) }).count == outputs
    switch problem {
    case "regression" where outputs == 1: return .regression
    case "single_label_classification" where outputs > 1 && isDistinct: return .singleLabel(labels)
    case "multi_label_classification" where isDistinct: return .multiLabel(labels)
    default:
      throw StageError(
        .input, path, "a head of \(outputs) outputs and problem_type '\(problem)' cannot be read",
        hint: isDistinct ? "Check config.json and the weights." : "id2label should name each label once.")
    }
  }

  /// Reads the sizes that all kinds name alike.
  static func readSizes(_ values: ConfigurationValues, into shape: inout ModelShape) throws {
    for (key, field) in sizes {
      guard let value = try values.integer(key) else { throw values.wrong("has no integer '\(key)'") }
      shape[keyPath: field] = value
    }
  }

  private static var sizes: [(String, WritableKeyPath<ModelShape, Int>)] {
    [
      ("vocab_size", \.vocabularySize), ("hidden_size", \.hiddenSize), ("num_hidden_layers", \.layers),
      ("num_attention_heads", \.heads), ("intermediate_size", \.intermediateSize),
      ("max_position_embeddings", \.maximumLength),
    ]
  }

  /// Refuses keys that change what the same weights compute, unless their value is empty (see `isNothing`).
  /// - Parameter more: keys beside those that no kind may have.
  static func refuseOthers(_ json: JSONValue, _ more: [String], path: String) throws {
    let always = [
      "is_decoder", "add_cross_attention", "is_encoder_decoder", "pruned_heads", "quantization_config", "rope_scaling",
    ]
    for key in always + more {
      guard let value = json[key], !isNothing(value) else { continue }
      throw StageError(
        .input, path, "\(key) is \(value.text()): the model computes something other than an encoder of this kind",
        hint: "Such models are not supported: their results would differ.")
    }
  }

  /// Whether a value is null, false, 0 or empty; for an `auto_map`, whether it names no model.
  private static func isNothing(_ value: JSONValue) -> Bool {
    if let items = value.array { return items.isEmpty }
    if let members = value.members { return members.allSatisfy { $0.key.hasPrefix("AutoTokenizer") } }
    return value == .null || value == .bool(false) || value == .integer(0)
  }

  private static func rotaryBase(_ values: ConfigurationValues, _ shape: ModelShape) throws -> Double {
    let rotary = try values.object("rope_parameters")
    if let type = try rotary.text("rope_type"), type != "default" {
      throw values.wrong("rope_type is '\(type)'; only 'default' can be computed")
    }
    if let share = try rotary.number("partial_rotary_factor"), share != 1 {
      throw values.wrong("partial_rotary_factor is \(share); only 1 is supported")
    }
    if let size = try values.integer("head_dim"),
      size.multipliedReportingOverflow(by: shape.heads) != (shape.hiddenSize, false)
    {
      throw values.wrong("head_dim is \(size); only hidden_size / num_attention_heads is supported")
    }
    return try rotary.number("rope_theta") ?? 1000
  }

  private static func kind(_ json: JSONValue, path: String) throws -> ModelShape.Kind {
    switch json["model_type"]?.string {
    case "mosaic_bert": return .mosaicBERT
    case "nomic_bert": return .ropeBERT
    case HuggingFaceModernConfiguration.modelType: return .modernBERT
    // MosaicBERT was published as model type bert, along with its own code.
    case "bert": return json["alibi_starting_size"] == nil ? .bert : .mosaicBERT
    case _ where RoBERTaForm.isForm(of: json): return .bert
    default:
      throw StageError(
        .input, path, "model_type is \((json["model_type"] ?? .null).text())",
        hint: "Supported types: bert, roberta, xlm-roberta, modernbert, mosaic_bert and nomic_bert.")
    }
  }
}
