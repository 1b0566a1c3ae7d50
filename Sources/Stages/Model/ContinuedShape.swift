import PipelineKit
import ShardKit
import TextKit
import TrainerCore

extension ModelPretrain.Options {
  /// The shape of a new model.
  func shape(vocabulary: Int, padding: Int = 0) -> ModelShape {
    var shape = ModelShape(model)
    shape.vocabularySize = (vocabulary + 63) / 64 * 64
    shape.hiddenSize = hiddenSize
    shape.layers = layers
    shape.heads = heads
    shape.intermediateSize = intermediateSize
    shape.maximumLength = maximumLength
    shape.padding = padding
    shape.dropout = dropout
    shape.attentionDropout = model == .bert ? dropout : 0
    if model == .modernBERT {
      shape.modern.localAttention = localAttention
      shape.modern.globalAttentionEvery = globalAttentionEvery
    }
    if rotaryBase > 0 { shape.rotaryBase = rotaryBase }
    return shape
  }

  /// Refuses options that a model of this kind has no use for.
  func checkSettings(of kind: ModelShape.Kind) throws {
    let usual = Self()
    func refuse(_ name: String, _ message: String, _ hint: String) -> StageError {
      StageError(.options, name, message, hint: hint)
    }
    for (name, isSet) in [
      ("localAttention", localAttention != usual.localAttention),
      ("globalAttentionEvery", globalAttentionEvery != usual.globalAttentionEvery),
    ] where isSet && kind != .modernBERT {
      throw refuse(
        name, "'\(kind.rawValue)' has no local layers", "Remove it, or train a model of \"model\": \"modernbert\".")
    }
    guard rotaryBase == 0 || kind == .modernBERT || kind == .ropeBERT else {
      throw refuse(
        "rotaryBase", "'\(kind.rawValue)' has no rotary positions",
        "Remove it, or train a model of \"model\": \"modernbert\".")
    }
    guard rotaryBase == 0 || rotaryBase > 1 else {
      throw refuse("rotaryBase", "is \(rotaryBase), not above 1", "Use 10000 or more.")
    }
  }

  /// The shape of a model that starts from another one: the other's, including vocabulary, padding id, epsilon and
  /// rotary base, with the dropout of these options, at least their length, and their rotary base if it is set.
  ///
  /// Sizes come from the model unless their options are set. An option that is set to a different size is an error.
  func shape(continuing model: ModelShape, _ tokenizer: Tokenizer) throws -> ModelShape {
    try refuseOthers(than: model)
    try model.check(tokenizer)
    var shape = model
    shape.dropout = dropout
    shape.attentionDropout = model.kind == .bert ? dropout : 0
    if rotaryBase > 0 { shape.rotaryBase = rotaryBase }
    guard model.kind == .bert else {
      shape.maximumLength = max(model.maximumLength, maximumLength)
      return shape
    }
    guard sequenceLength <= model.maximumLength else {
      throw StageError(
        .options, "sequenceLength",
        "\(sequenceLength) tokens exceed the \(model.maximumLength) positions of the initial model",
        hint: "Tokenize to at most \(model.maximumLength) tokens.")
    }
    return shape
  }

  private func refuseOthers(than shape: ModelShape) throws {
    let usual = Self()
    func check<Value: Equatable>(
      _ name: String, _ option: KeyPath<Self, Value>, _ field: KeyPath<ModelShape, Value>
    ) throws {
      let asked = self[keyPath: option], held = shape[keyPath: field]
      guard asked == usual[keyPath: option] || asked == held else {
        throw StageError(
          .options, name, "is \(asked); the initial model has \(held)",
          hint: "Leave it out: the sizes of the initial model are kept.")
      }
    }
    try check("model", \.model.rawValue, \.kind.rawValue)
    try check("hiddenSize", \.hiddenSize, \.hiddenSize)
    try check("layers", \.layers, \.layers)
    try check("heads", \.heads, \.heads)
    try check("intermediateSize", \.intermediateSize, \.intermediateSize)
    guard shape.kind == .modernBERT else { return }
    try check("localAttention", \.localAttention, \.modern.localAttention)
    try check("globalAttentionEvery", \.globalAttentionEvery, \.modern.globalAttentionEvery)
  }
}
