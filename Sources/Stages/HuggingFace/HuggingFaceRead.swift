public import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// Reads a model that transformers saved, such as a published Japanese BERT, into a checkpoint and its tokenizer.
public struct HuggingFaceRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "The model's folder: config.json, model.safetensors (or shards with an index), and the tokenizer files. Required "
        + "unless an input is wired.")
    public var folder = InputFiles()
    @Option(
      "Folder of the MeCab dictionary that the model tokenizes with, for models that do not name ipadic or "
        + "unidic_lite. A dictionary other than the named one is an error.")
    public var mecabDictionary: String? = nil

    public init() {}
  }

  public static let name = "huggingface.read"
  // 6: the length that a model of sentence-transformers, or a classification model, cuts texts at.
  public static let revision = 6
  public static let summary =
    "Reads a BERT, RoBERTa, ModernBERT, MosaicBERT or NomicBERT saved by transformers, with its tokenizer."
  static let fetched = Input<Files>("files", "The model's files, fetched by another stage.", required: false)
  public static let inputs = [fetched.port]
  static let checkpoint = Output<Checkpoint>(
    "checkpoint",
    "The model: model.json and weights.safetensors; of a classification model also task.json, for score.encoder and "
      + "classifier.predict; of one of sentence-transformers embedding.json, its pooling, prompts and length.")
  static let tokenizer = Output<TokenizerFiles>(
    "tokenizer", "The model's tokenizer; no files if it has none or its format is not supported.")
  public static let outputs = [checkpoint.port, tokenizer.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.mecabDictionary) }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let names =
      [
        HuggingFaceConfiguration.fileName, HuggingFaceTokenizerFiles.tokenizerName,
        HuggingFaceTokenizerFiles.vocabularyName, HuggingFaceTokenizerFiles.configurationName,
        HuggingFaceTokenizerFiles.specialTokensName,
      ] + RoBERTaForm.sentencePieceNames
    let modules =
      [
        SentenceTransformersFiles.modulesName, SentenceTransformersFiles.promptsName,
        SentenceTransformersFiles.configurationName,
      ] + SentenceTransformersFiles.lengthNames
    let files = try context.files(Self.fetched, and: options.folder, named: "folder").filter {
      names.contains($0.name) || modules.contains(ArchivePath.lastPart(of: $0.name))
        || $0.name.hasSuffix(".safetensors") || $0.name.hasSuffix(".safetensors.index.json")
    }
    guard files.contains(where: { $0.name == HuggingFaceConfiguration.fileName }) else { throw Self.noConfiguration }
    return [TaskPlan(key: "model", inputs: [.main: files], memoryBytes: 256 << 20 + Self.tokenizerBytes(files))]
  }

  /// What the tokenizer among files takes while it is read: its JSON as a tree, tokens and tables. Measured: 259 MiB for the
  /// 17.5 MB of 250,000 pieces, 190 MiB for 6.3 MB of as many n-grams over 11,000 characters, 84 MiB for 1.3 MB.
  static func tokenizerBytes(_ files: [ArtifactFile]) -> Int {
    let size = files.first { $0.name == HuggingFaceTokenizerFiles.tokenizerName }?.contentBytes ?? 0
    return 32 * Int(size)
  }

  public func run(_ workspace: Workspace) throws {
    guard let path = Self.path(HuggingFaceConfiguration.fileName, workspace) else { throw Self.noConfiguration }
    let configuration = try Self.json(path)
    let shape = try HuggingFaceConfiguration.shape(configuration, path: path)
    let folder = String(path.dropLast(HuggingFaceConfiguration.fileName.count + 1))
    let model = try SafetensorsModel(folder.isEmpty ? "/" : folder)
    try workspace.write(Self.checkpoint, name: ModelShape.fileName, Array(shape.json.prettyText().utf8))
    let file = try workspace.file(Self.checkpoint, ModelShape.weightsName)
    let task = try (model["classifier.weight"] ?? model["classifier.out_proj.weight"]).flatMap {
      try HuggingFaceConfiguration.task(configuration, outputs: $0.shape.first ?? 0, path: path)
    }
    let tensors = try HuggingFaceTensors(
      model, shape, task, unreadPositions: RoBERTaForm.unreadPositions(configuration, shape))
    let modules = try SentenceTransformersModules { try Self.path($0, workspace).map(Self.json) }
    var sources = try tensors.sources()
    if let folder = modules?.pooler {
      guard shape.hasVectorPooler else {
        throw SentenceTransformersModules.foreign("\(folder): a pooler of a ModernBERT")
      }
      sources =
        try sources.filter { !shape.poolerParameters.map(\.name).contains($0.name) }
        + Self.pooler(folder, shape, workspace)
    }
    try Safetensors.write(sources, to: file, name: ModelShape.weightsName)
    try workspace.publish(Self.checkpoint, file, name: ModelShape.weightsName)
    if let task { try write(task, shape, workspace) }
    if let modules { try write(modules, shape, workspace) }
    workspace.metric("parameters", Double(sources.reduce(0) { $0 + $1.shape.reduce(1, *) }))
    warn(tensors, workspace, isTuned: task != nil)
    try writeTokenizer(workspace, shape, configuration)
  }

  /// BERT's pooler, which sentence-transformers keeps as a module of its own.
  private static func pooler(_ folder: String, _ shape: ModelShape, _ workspace: Workspace) throws -> [TensorSource] {
    let name = "\(folder)/\(HuggingFaceConfiguration.weightsName)"
    guard let path = path(name, workspace) else {
      let base = Self.path(HuggingFaceConfiguration.fileName, workspace).map { ArchivePath.prefix(of: $0) } ?? ""
      if let pickled = SafetensorsModel.pickled(in: base + folder) { throw pickled }
      throw StageError(.input, name, "is missing", hint: "Fetch the complete model again.")
    }
    let file = try SafetensorsFile(path)
    return try zip(["linear.weight", "linear.bias"], shape.poolerParameters).map { name, parameter in
      guard try file.entry(name).shape == parameter.shape else {
        throw StageError(.input, path, "'\(name)' is not of the shape \(parameter.shape) of a pooler")
      }
      return TensorSource(parameter.name, shape: parameter.shape, floats: try file.floats(of: name))
    }
  }

  private func write(
    _ modules: SentenceTransformersModules, _ shape: ModelShape, _ workspace: Workspace
  ) throws {
    var settings = modules.settings
    if let length = settings.maximumLength, length >= shape.maximumLength { settings.maximumLength = nil }
    try workspace.write(Self.checkpoint, name: EmbeddingSettings.fileName, Array(settings.json.prettyText().utf8))
  }

  private func write(_ task: TextTask, _ shape: ModelShape, _ workspace: Workspace) throws {
    let tokenizer = try Self.path(HuggingFaceTokenizerFiles.configurationName, workspace).map(Self.json) ?? .null
    let length = min(SentenceTransformersModules.length(tokenizer: tokenizer) ?? .max, shape.maximumLength)
    let members = TunedTask.texts(task).members + [JSONMember("maximumLength", .integer(length))]
    try workspace.write(
      Self.checkpoint, name: TunedTask.fileName, Array(JSONValue.object(members).prettyText().utf8))
  }

  private func warn(_ tensors: HuggingFaceTensors, _ workspace: Workspace, isTuned: Bool) {
    if !tensors.hasLanguageHead, !isTuned {
      workspace.warn(
        "no-language-head",
        "the model was saved without a masked-language head: it computes vectors and can be fine-tuned, but "
          + "'model.pretrain' and 'evaluate.mlm' cannot use it")
    }
    let others = tensors.leftAside
    workspace.warn(
      "tensors-left-aside", times: others.count,
      "not part of the supported model: " + others.prefix(3).joined(separator: ", ") + (others.count > 3 ? ", …" : "")
    )
  }

  private func writeTokenizer(_ workspace: Workspace, _ shape: ModelShape, _ model: JSONValue) throws {
    var tokenizer: WordPieceTokenizer
    do {
      guard let read = try readTokenizer(workspace, model) else { return }
      guard let own = read.wordPiece else {
        for (name, bytes) in try PublishedTokenizer(read, workspace.files(.main)).files {
          try workspace.write(Self.tokenizer, name: name, bytes)
        }
        return
      }
      tokenizer = own
    } catch let error as TokenizerError {
      let hint = error.hint.map { " (\($0))" } ?? ""
      return workspace.warn("tokenizer-not-read", "\(error.message); no tokenizer is written\(hint)")
    }
    if tokenizer.words == .mecab, let folder = options.mecabDictionary {
      let dictionary = try MeCab(dictionary: folder).dictionary
      try tokenizer.dictionary.check(dictionary)
      tokenizer.dictionary.identity = dictionary.identity
      tokenizer.dictionary.name = tokenizer.dictionary.name ?? dictionary.name
    }
    var files = HuggingFaceTokenizerFiles(tokenizer)
    files.maximumLength = shape.maximumLength
    for (name, bytes) in files.contents { try workspace.write(Self.tokenizer, name: name, bytes) }
  }

  /// From tokenizer.json, or from vocab.txt of a BertTokenizer, or of a BertJapaneseTokenizer with MeCab.
  private func readTokenizer(_ workspace: Workspace, _ model: JSONValue) throws -> Tokenizer? {
    if let path = Self.path(HuggingFaceTokenizerFiles.tokenizerName, workspace) {
      return try Tokenizer(path: path, model: model)
    }
    let configuration = Self.path(HuggingFaceTokenizerFiles.configurationName, workspace)
    guard let path = Self.path(HuggingFaceTokenizerFiles.vocabularyName, workspace) else {
      let names = RoBERTaForm.sentencePieceNames.filter { Self.path($0, workspace) != nil }
      try RoBERTaForm.refuse(sentencePiece: names.first, try configuration.map { try Self.json($0) } ?? .null)
      return nil
    }
    let settings: HuggingFaceTokenizerSettings
    do { settings = try HuggingFaceTokenizerSettings(try configuration.map { try Self.json($0) } ?? .null) } catch let
      error as TokenizerError
    {
      throw TokenizerError(
        "\(error.message); a vocab.txt is only supported for a BertTokenizer, and for a BertJapaneseTokenizer with MeCab "
          + "and WordPiece")
    }
    guard settings.words != .mecab || !settings.leavesDictionaryOpen || options.mecabDictionary != nil else {
      throw StageError(
        .input, configuration ?? path,
        "does not name the MeCab dictionary, and the default of transformers (ipadic or unidic_lite) varies by release",
        hint: "Set mecabDictionary to the folder of the dictionary that the model was trained with.")
    }
    var tokens: [[UInt8]] = []
    let lines = LineReader(try openSource(path))
    while let line = try lines.next() { tokens.append(Array(line)) }
    return Tokenizer(try WordPieceTokenizer(vocabulary: tokens, settings))
  }

  private static func path(_ name: String, _ workspace: Workspace) -> String? {
    workspace.files(.main).first { $0.name == name }?.path
  }

  private static var noConfiguration: StageError {
    StageError(
      .input, "options.folder", "has no \(HuggingFaceConfiguration.fileName)",
      hint: "Name a folder written by `save_pretrained` of transformers.")
  }

  static func json(_ path: String) throws -> JSONValue {
    let text = try FileSystem.read(path, limit: 16 << 20)
    do { return try JSONValue.parse(text).value } catch {
      throw StageError(.input, path, "is not valid JSON at byte \(error.offset): \(error.message)")
    }
  }
}
