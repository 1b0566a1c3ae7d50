public import PipelineKit
import ShardKit
import TextKit

/// Reads a published tokenizer, whose parts must all be supported, as the tokenizer of a pipeline.
public struct TokenizerRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "The folder with tokenizer.json and, for the roles of special tokens, tokenizer_config.json and "
        + "special_tokens_map.json; also config.json, by whose model the tokenizer's class goes if it is not named. Required "
        + "unless an input is wired.")
    public var folder = InputFiles()

    public init() {}
  }

  public static let name = "tokenizer.read"
  // 2: what tokenizer_config.json changes of tokenizer.json counts.
  public static let revision = 2
  public static let summary =
    "Reads a tokenizer.json of byte pairs, unigrams or word pieces that another program made."
  static let fetched = Input<Files>("files", "The tokenizer's files, fetched by another stage.", required: false)
  public static let inputs = [fetched.port]
  static let tokenizer = Output<TokenizerFiles>("tokenizer", "The tokenizer, as it was, and its configuration.")
  public static let outputs = [tokenizer.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let files = try context.files(Self.fetched, and: options.folder, named: "folder").filter {
      PublishedTokenizer.names.contains($0.name) || $0.name == HuggingFaceConfiguration.fileName
    }
    guard files.contains(where: { $0.name == HuggingFaceTokenizerFiles.tokenizerName }) else {
      throw StageError(
        .input, "options.folder", "has no \(HuggingFaceTokenizerFiles.tokenizerName)",
        hint: "Name a folder written by `save_pretrained` of transformers, or one with a tokenizer.json.")
    }
    return [
      TaskPlan(key: "tokenizer", inputs: [.main: files], memoryBytes: 256 << 20 + HuggingFaceRead.tokenizerBytes(files))
    ]
  }

  public func run(_ workspace: Workspace) throws {
    let files = workspace.files(.main)
    guard let file = files.first(where: { $0.name == HuggingFaceTokenizerFiles.tokenizerName }) else { return }
    let model = try files.first { $0.name == HuggingFaceConfiguration.fileName }.map {
      try HuggingFaceRead.json($0.path)
    }
    let tokenizer = try Tokenizer(path: file.path, model: model ?? .null)
    workspace.metric("tokens", Double(tokenizer.tokens.count))
    for role in [Tokenizer.Role.padding, .mask] where tokenizer.special(role) == nil {
      workspace.warn(
        "no-special-token",
        "the tokenizer names no \(role.rawValue); models cannot be trained or fine-tuned with it")
    }
    let published: [(name: String, bytes: [UInt8])]
    if let own = tokenizer.wordPiece {
      published = HuggingFaceTokenizerFiles(own).contents
    } else {
      published = try PublishedTokenizer(tokenizer, files).files
    }
    for (name, bytes) in published { try workspace.write(Self.tokenizer, name: name, bytes) }
  }
}
