import PipelineKit
import ShardKit
import Synchronization
import TextKit

/// A tokenizer artifact as stages read it.
enum TokenizerInput {
  static let port = Input<TokenizerFiles>("tokenizer", "The tokenizer, from tokenizer.train.")
  /// The role of the tokenizer's files among a task's inputs.
  static let role: TaskInputs.Role = "tokenizer"

  /// The files of the artifact that a task needs: the tokenizer, and its configuration with the MeCab dictionary.
  static func files(_ context: PlanningContext) throws -> [ArtifactFile] {
    let files = context.files(port)
    let tokenizers = files.filter { $0.name == HuggingFaceTokenizerFiles.tokenizerName }
    guard tokenizers.count == 1 else { throw missing }
    let settings = [HuggingFaceTokenizerFiles.configurationName, HuggingFaceTokenizerFiles.specialTokensName]
    return tokenizers + settings.flatMap { name in files.filter { $0.name == name } }
  }

  /// - Parameter files: as returned by `files`.
  static func wordsIdentity(_ files: [ArtifactFile], dictionary: String?) throws -> WordsIdentity {
    let tokenizer = try Tokenizer(path: try path(files))
    let words = try WordReader.identity(tokenizer.words, dictionary: dictionary)
    return WordsIdentity(words: tokenizer.isConfigured ? words + configured : words)
  }

  /// Former releases passed over what a `tokenizer_config.json` changes.
  private static let configured = " configured"

  /// The number of ids that are never masked beside the special tokens, which former releases masked; nil: none, or the
  /// tokenizer cannot be read, which the task reports.
  /// - Parameter files: as returned by `files`.
  static func furtherUnmasked(_ files: [ArtifactFile]) -> Int? {
    guard let tokenizer = try? Tokenizer(path: try path(files)) else { return nil }
    let further = Set(tokenizer.idsWithoutText).subtracting(tokenizer.specialTokens.map(\.id)).count
    return further > 0 || tokenizer.isConfigured ? further : nil
  }

  /// The task's tokenizer. The last one is kept, since tables of a large vocabulary take a tenth of a second and most tasks
  /// have the same.
  static func load(_ workspace: Workspace) throws -> Tokenizer {
    let contents = workspace.files(role).map { "\($0.name) \($0.digest.hex)" }
    if let known = last.withLock({ $0?.contents == contents ? $0?.tokenizer : nil }) { return known }
    let tokenizer = try Tokenizer(path: try path(workspace))
    last.withLock { $0 = (contents, tokenizer) }
    return tokenizer
  }

  private static let last = Mutex<(contents: [String], tokenizer: Tokenizer)?>(nil)

  /// The path of the task's `tokenizer.json`.
  static func path(_ workspace: Workspace) throws -> String { try path(workspace.files(role)) }

  private static func path(_ files: [ArtifactFile]) throws -> String {
    guard let file = files.first(where: { $0.name == HuggingFaceTokenizerFiles.tokenizerName }) else { throw missing }
    return file.path
  }

  private static var missing: StageError {
    StageError(.input, "inputs.tokenizer", "has no \(HuggingFaceTokenizerFiles.tokenizerName)")
  }
}

/// For a task's payload, and thus its fingerprint: the MeCab release and dictionary, if MeCab tokenizes the words, and
/// whether a `tokenizer_config.json` changes the tokenizer.
struct WordsIdentity: Codable, Equatable {
  /// Empty without either.
  var words: String
}

extension TaskPlan {
  /// The same task with the tokenizer's files before its other inputs.
  func reading(tokenizer: [ArtifactFile], _ words: WordsIdentity) throws -> TaskPlan {
    var plan = try with(payload: words)
    plan.inputs = [TokenizerInput.role: tokenizer, .main: inputs[.main]]
    return plan
  }
}
