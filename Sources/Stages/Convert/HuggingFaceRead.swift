import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// Reads a model that transformers saved, such as a published Japanese BERT, into a checkpoint and its tokenizer.
public struct HuggingFaceRead: Stage {
  public struct Options: StageOptions {
    public var folder = InputFiles()
    public init() {}
    public static let fields = [
      OptionField(
        "folder", \Self.folder,
        "The model's folder: config.json, model.safetensors (or parts with an index), and the tokenizer's files; needed "
          + "where none is wired.")
    ]
  }

  public static let name = "huggingface.read"
  public static let revision = 1
  public static let summary = "Reads a BERT, MosaicBERT or NomicBERT that transformers saved, with its tokenizer."
  static let fetched = Input<Files>("files", "The model's files, fetched by another stage.", required: false)
  public static let inputs = [fetched.port]
  static let checkpoint = Output<Checkpoint>("checkpoint", "The model: model.json and weights.safetensors.")
  static let tokenizer = Output<TokenizerFiles>(
    "tokenizer", "Its tokenizer; without files where it has none that can be read.")
  public static let outputs = [checkpoint.port, tokenizer.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(phase: String, in context: PlanningContext) throws -> [TaskPlan] {
    let names = [
      HuggingFaceConfiguration.fileName, HuggingFaceTokenizerFiles.tokenizerName,
      HuggingFaceTokenizerFiles.vocabularyName, HuggingFaceTokenizerFiles.configurationName,
    ]
    let files = try context.files(Self.fetched, and: options.folder, named: "folder").filter {
      names.contains($0.name) || $0.name.hasSuffix(".safetensors") || $0.name.hasSuffix(".safetensors.index.json")
    }
    guard files.contains(where: { $0.name == HuggingFaceConfiguration.fileName }) else {
      throw StageError(
        .input, "options.folder", "has no \(HuggingFaceConfiguration.fileName)",
        hint: "Give the folder as `save_pretrained` of transformers writes it.")
    }
    return [TaskPlan(key: "model", files: files, memoryBytes: 512 << 20)]
  }

  public func run(_ workspace: Workspace) throws {
    let path = Self.path(HuggingFaceConfiguration.fileName, workspace)!
    let shape = try HuggingFaceConfiguration.shape(try Self.json(path), path: path)
    let folder = String(path.dropLast(HuggingFaceConfiguration.fileName.count + 1))
    let model = try SafetensorsModel(folder.isEmpty ? "/" : folder)
    try workspace.write(Self.checkpoint, name: ModelShape.fileName, Array(shape.json.prettyText().utf8))
    let file = try workspace.file(Self.checkpoint, ModelShape.weightsName)
    let names = HuggingFaceTensorNames(model)
    let tensors = try shape.huggingFaceParameters.map { try names.source($0) }
    try Safetensors.write(tensors, to: file, name: ModelShape.weightsName)
    try workspace.publish(Self.checkpoint, file, name: ModelShape.weightsName)
    workspace.metric("parameters", Double(shape.parameterCount))
    try writeTokenizer(workspace, shape)
  }

  private func writeTokenizer(_ workspace: Workspace, _ shape: ModelShape) throws {
    let tokenizer: WordPieceTokenizer
    do {
      guard let read = try Self.tokenizer(workspace) else { return }
      tokenizer = read
    } catch let error as TokenizerError {
      return workspace.warn("tokenizer-not-read", "\(error.message); no tokenizer is passed on")
    }
    var files = HuggingFaceTokenizerFiles(tokenizer)
    files.maximumLength = shape.maximumLength
    for (name, bytes) in files.contents { try workspace.write(Self.tokenizer, name: name, bytes) }
  }

  /// From tokenizer.json, or from vocab.txt where the words are MeCab's (BertJapaneseTokenizer).
  private static func tokenizer(_ workspace: Workspace) throws -> WordPieceTokenizer? {
    if let path = path(HuggingFaceTokenizerFiles.tokenizerName, workspace) { return try WordPieceTokenizer(path: path) }
    guard let path = path(HuggingFaceTokenizerFiles.vocabularyName, workspace) else { return nil }
    let settings = try Self.path(HuggingFaceTokenizerFiles.configurationName, workspace).map { try json($0) } ?? .null
    guard settings["word_tokenizer_type"]?.string == "mecab",
      settings["subword_tokenizer_type"]?.string ?? "wordpiece" == "wordpiece",
      settings["do_lower_case"]?.bool ?? false == false
    else {
      throw TokenizerError("\(path): only a BertJapaneseTokenizer of MeCab and WordPiece is read from a vocabulary")
    }
    var tokens: [[UInt8]] = []
    let lines = LineReader(try openSource(path))
    while let line = try lines.next() { tokens.append(Array(line)) }
    let special = WordPieceTrainer.bertTokens.filter { tokens.contains(Array($0.utf8)) }
    return try WordPieceTokenizer(tokens: tokens, specialTokens: special, words: .mecab)
  }

  private static func path(_ name: String, _ workspace: Workspace) -> String? {
    workspace.task.files.first { $0.name == name }?.path
  }

  private static func json(_ path: String) throws -> JSONValue {
    let text = try FileSystem.read(path, limit: 16 << 20)
    do { return try JSONValue.parse(text).value } catch {
      throw StageError(.input, path, "is no JSON at byte \(error.offset): \(error.message)")
    }
  }
}

/// Finds tensors under the names that models have been saved with over the years.
struct HuggingFaceTensorNames {
  private let model: SafetensorsModel
  private let names: Set<String>

  init(_ model: SafetensorsModel) {
    self.model = model
    names = Set(model.names)
  }

  /// A parameter of ours, read from its parts in a row.
  func source(_ parameter: HuggingFaceParameter) throws -> TensorSource {
    let parts = try parameter.theirs.map { part in
      guard let name = candidates(part.name).first(where: names.contains) else {
        throw StageError(
          .input, "model.safetensors", "has no tensor '\(part.name)'",
          hint: "The model must have been saved with its masked-language head (AutoModelForMaskedLM).")
      }
      let shape = model[name]!.shape
      guard shape == part.shape else {
        throw StageError(
          .input, "model.safetensors", "'\(name)' is of shape \(shape), config.json asks for \(part.shape)")
      }
      return name
    }
    let ours = parameter.ours
    return TensorSource(ours.name, .float32, shape: ours.shape) { [model] (sink) throws(ShardError) in
      for name in parts {
        let floats = try model.floats(of: name)
        try floats.withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
        try model.file(of: name).release()
      }
    }
  }

  /// As it is; with TensorFlow's names of a norm; behind Composer's `model.`; with the bias at the decoder.
  private func candidates(_ name: String) -> [String] {
    var all = [name]
    if name.contains("LayerNorm.") {
      let isWeight = name.hasSuffix(".weight")
      all.append(name.dropLast(isWeight ? 6 : 4) + (isWeight ? "gamma" : "beta"))
    }
    if name == "cls.predictions.bias" { all.append("cls.predictions.decoder.bias") }
    return all + all.map { "model.\($0)" }
  }
}
