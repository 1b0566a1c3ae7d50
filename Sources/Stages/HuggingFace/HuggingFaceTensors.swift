import PipelineKit
import ShardKit
import TrainerCore

/// The tensors of a model saved by transformers, under the names that its releases have used over the years.
///
/// The encoder, the masked-language head, the pooler and the head of a classification model are read. Each of them is either
/// complete or absent; missing tensors are never made up.
struct HuggingFaceTensors {
  private let model: SafetensorsModel
  private let shape: ModelShape
  private let names: Set<String>
  private let parameters: [HuggingFaceParameter]
  private let unreadPositions: Int
  let hasLanguageHead: Bool

  /// - Parameters:
  ///   - task: of a classification model; nil: the model has another head, or none.
  ///   - unreadPositions: first rows of the position table that are not part of `shape` (see `RoBERTaForm`).
  init(
    _ model: SafetensorsModel, _ shape: ModelShape, _ task: TextTask? = nil, unreadPositions: Int = 0
  ) throws {
    self.model = model
    self.shape = shape
    self.unreadPositions = unreadPositions
    names = Set(model.names)
    let finder = TensorNames(names: names, tiesDecoder: shape.tiesDecoder)
    func missing(_ part: [ParameterShape]) -> [String] {
      shape.huggingFaceParameters(part).flatMap(\.theirs).map(\.name).filter { finder.name(of: $0) == nil }
    }
    var lost = missing(shape.encoderParameters)
    var parts = shape.encoderParameters
    let pooler = missing(shape.poolerParameters), language = shape.languageParameters
    let hasAny = missing(language).count < shape.huggingFaceParameters(language).count
    // What a head of `modernbert` without decoder has, the head of a task has too.
    hasLanguageHead = hasAny && (task == nil || shape.kind != .modernBERT)
    if hasLanguageHead {
      lost += missing(shape.headParameters)
      parts += shape.headParameters
    }
    if let task {
      let answers = task.head.answerParameters(shape)
      lost += missing(answers)
      parts += answers
    }
    let isRead = parts.contains { shape.poolerParameters.contains($0) }
    if !isRead, task != nil || pooler.count < shape.poolerParameters.count {
      lost += pooler
      parts += shape.poolerParameters
    }
    guard lost.isEmpty else { throw Self.lacking(lost) }
    parameters = shape.huggingFaceParameters(parts)
  }

  private static func lacking(_ names: [String]) -> StageError {
    let told = names.prefix(3).map { "'\($0)'" }.joined(separator: ", ")
    let others = names.count > 3 ? " and \(names.count - 3) others" : ""
    return StageError(
      .input, "model.safetensors", "has no tensor \(told)\(others)",
      hint: "config.json requires it. Fetch the complete model again, as transformers saved it.")
  }

  /// Our tensors, each the concatenation of its parts in the file.
  func sources() throws -> [TensorSource] { try parameters.map(source) }

  private func source(_ parameter: HuggingFaceParameter) throws -> TensorSource {
    let finder = TensorNames(names: names, tiesDecoder: shape.tiesDecoder)
    let ours = parameter.ours
    let unread = ours.name.hasSuffix("embeddings.position_embeddings.weight") ? unreadPositions : 0
    let parts = try parameter.theirs.map { part in
      guard let name = finder.name(of: part.name), let shape = model[name]?.shape else {
        throw Self.lacking([part.name])
      }
      var required = part.shape
      required[0] += unread
      guard shape == required else {
        throw StageError(
          .input, "model.safetensors", "'\(name)' has the shape \(shape); config.json requires \(required)")
      }
      return name
    }
    let start = unread * ours.shape.dropFirst().reduce(1, *)
    return TensorSource(ours.name, .float32, shape: ours.shape) { [model] (sink) throws(ShardError) in
      for name in parts {
        let file = try model.file(of: name)
        try file.floats(of: name, elements: start..<file.entry(name).count, to: sink)
      }
    }
  }

  /// Tensors that are not read: heads of other tasks, and layers beyond the number in config.json.
  var leftAside: [String] {
    let finder = TensorNames(names: names, tiesDecoder: shape.tiesDecoder)
    let used = Set(parameters.flatMap(\.theirs).compactMap { finder.name(of: $0.name) })
    return model.names.filter { !used.contains($0) && !TensorNames.saysNothing($0, hasLanguageHead) }
  }
}

/// Finds a tensor under any of its possible names.
private struct TensorNames {
  let names: Set<String>
  let tiesDecoder: Bool

  func name(of theirs: String) -> String? { candidates(theirs).first(where: names.contains) }

  /// The name itself, TensorFlow's name of a norm, and the other name of a tied tensor. Each of these also with
  /// Composer's prefix `model.`, or without the model's prefix, as in a model that was saved without a head.
  private func candidates(_ name: String) -> [String] {
    var all = [name]
    if name.contains("LayerNorm.") {
      let isWeight = name.hasSuffix(".weight")
      all.append(name.dropLast(isWeight ? 6 : 4) + (isWeight ? "gamma" : "beta"))
    }
    let decoderBias = "cls.predictions.decoder.bias"
    if name == "cls.predictions.bias" { all = tiesDecoder ? [name, decoderBias] : [decoderBias, name] }
    if tiesDecoder, name.hasSuffix("bert.embeddings.word_embeddings.weight") {
      all.append("cls.predictions.decoder.weight")
    }
    if tiesDecoder, name == "model.embeddings.tok_embeddings.weight" { all.append("decoder.weight") }
    all += all.flatMap { RoBERTaForm.names(of: $0, tiesDecoder: tiesDecoder) }
    let bare = all.compactMap { name in
      ["bert.", "nomic_bert.", "roberta.", "model."].first(where: name.hasPrefix)
        .map { String(name.dropFirst($0.count)) }
    }
    return all + all.map { "model.\($0)" } + bare
  }

  /// Whether a tensor is redundant: a constant that old releases stored, or the decoder under another name.
  static func saysNothing(_ name: String, _ hasLanguageHead: Bool) -> Bool {
    if name.hasSuffix("embeddings.position_ids") || name.hasSuffix("embeddings.token_type_ids") { return true }
    let tied = [
      "cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "cls.predictions.bias", "decoder.weight",
    ]
    return hasLanguageHead && (tied + RoBERTaForm.redundant).contains { name == $0 || name == "model.\($0)" }
  }
}
