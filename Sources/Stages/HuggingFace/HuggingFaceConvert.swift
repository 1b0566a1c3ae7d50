public import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// Writes a checkpoint as a folder that Hugging Face's transformers loads: configuration, weights, tokenizer, and
/// for MosaicBERT the modeling file. `rope-bert`, `bert` and `modernbert` become models that transformers itself
/// implements.
///
/// A fine-tuned model is written as its task's class, with the task head; one that `model.contrast` trained also with the
/// modules that make it a model of sentence-transformers.
public struct HuggingFaceConvert: SinglePhaseStage {
  public struct Options: StageOptions {

    public init() {}
  }

  public static let name = "huggingface.convert"
  public static let formerNames = ["convert.huggingface"]
  public static let revision = 3
  public static let summary = "Writes a checkpoint as a model that Hugging Face's transformers loads."
  static let model = Output<HuggingFaceModel>(
    "model",
    "config.json, model.safetensors, the tokenizer files, and modeling code where transformers has none; the modules of "
      + "sentence-transformers where the model was trained for vectors.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [model.port]

  public init(options: Options) {}

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let inputs: TaskInputs = [
      TokenizerInput.role: try TokenizerInput.files(context), CheckpointInput.role: try CheckpointInput.files(context),
    ]
    let memoryBytes = 256 << 20 + HuggingFaceRead.tokenizerBytes(inputs[TokenizerInput.role])
    return [TaskPlan(key: "model", inputs: inputs, memoryBytes: memoryBytes)]
  }

  public func run(_ workspace: Workspace) throws {
    let parts = try CheckpointInput.parts(workspace)
    let shape = parts.shape
    let tokenizer = try TokenizerInput.load(workspace)
    try shape.check(tokenizer)
    let configuration = HuggingFaceConfiguration.json(shape, try HuggingFaceHead(parts))
    try workspace.write(
      Self.model, name: HuggingFaceConfiguration.fileName, Array(configuration.prettyText().utf8))
    for (name, bytes) in HuggingFaceConfiguration.code(shape.kind) {
      try workspace.write(Self.model, name: name, bytes)
    }
    for (name, bytes) in try files(of: tokenizer, shape, workspace) {
      try workspace.write(Self.model, name: name, bytes)
    }
    try write(parts, workspace)
    if let settings = try CheckpointInput.embedding(workspace) {
      try CheckpointInput.check(settings.pooling, workspace)
      try write(settings, parts, workspace)
    }
    workspace.metric("parameters", Double(parts.parameters.reduce(0) { $0 + $1.count }))
  }

  private func write(_ settings: EmbeddingSettings, _ parts: CheckpointParts, _ workspace: Workspace) throws {
    let files = SentenceTransformersFiles(settings: settings, shape: parts.shape)
    for (name, bytes) in files.contents { try workspace.write(Self.model, name: name, bytes) }
    guard let (name, tensors) = files.pooler(parts.weights) else { return }
    let file = try workspace.file(Self.model, name)
    try Safetensors.write(tensors, metadata: ["format": "pt"], to: file, name: name)
    try workspace.publish(Self.model, file, name: name)
  }

  private func files(
    of tokenizer: Tokenizer, _ shape: ModelShape, _ workspace: Workspace
  ) throws -> [(name: String, bytes: [UInt8])] {
    guard let own = tokenizer.wordPiece else {
      return try PublishedTokenizer(
        tokenizer, workspace.files(TokenizerInput.role), maximumLength: shape.maximumLength,
        inputNames: HuggingFaceConfiguration.inputNames(shape.kind)
      ).files
    }
    var files = HuggingFaceTokenizerFiles(own)
    files.maximumLength = shape.maximumLength
    files.inputNames = HuggingFaceConfiguration.inputNames(shape.kind)
    return files.contents + [
      (HuggingFaceTokenizerFiles.specialTokensName, Array(Self.specialTokens.prettyText().utf8))
    ]
  }

  private func write(_ parts: CheckpointParts, _ workspace: Workspace) throws {
    let name = HuggingFaceConfiguration.weightsName
    let file = try workspace.file(Self.model, name)
    let weights = parts.weights
    let tensors = Self.parameters(parts).flatMap { parameter in
      parameter.theirs.enumerated().map { place, theirs in
        TensorSource(theirs.name, .float32, shape: theirs.shape) { (sink) throws(ShardError) in
          try Self.values(of: parameter, share: place, in: weights, sink)
        }
      }
    }
    try Safetensors.write(tensors, metadata: ["format": "pt"], to: file, name: name)
    try workspace.publish(Self.model, file, name: name)
  }

  /// transformers stores the decoder's bias under two names. If the decoder is not tied, transformers reads both.
  private static func parameters(_ parts: CheckpointParts) -> [HuggingFaceParameter] {
    let all = parts.shape.huggingFaceParameters(parts.parameters)
    guard !parts.shape.tiesDecoder, ![.mosaicBERT, .modernBERT].contains(parts.shape.kind),
      var bias = all.first(where: { $0.ours.name == "cls.predictions.decoder.bias" })
    else { return all }
    bias.theirs = [bias.ours]
    return all + [bias]
  }

  /// One of the equal slices that a parameter's rows are split into.
  private static func values(
    of parameter: HuggingFaceParameter, share: Int, in weights: SafetensorsFile, _ sink: TensorSource.Sink
  ) throws(ShardError) {
    let count = parameter.ours.count / parameter.theirs.count
    if weights[parameter.ours.name]?.type == .float32 {
      try weights.withBytes(of: parameter.ours.name) { (_, bytes) throws(ShardError) in
        try sink(UnsafeRawBufferPointer(rebasing: bytes[(share * count * 4)..<((share + 1) * count * 4)]))
      }
    } else {
      try weights.floats(of: parameter.ours.name, elements: (share * count)..<((share + 1) * count), to: sink)
    }
    weights.release()
  }

  private static let specialTokens: JSONValue = [
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
  ]
}
