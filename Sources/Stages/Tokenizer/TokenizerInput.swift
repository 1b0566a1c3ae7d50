import PipelineKit
import ShardKit
import TextKit

/// A tokenizer artifact as stages read it.
enum TokenizerInput {
  static let port = Input<TokenizerFiles>("tokenizer", "The tokenizer, from tokenizer.train.")
  /// Of the tokenizer's files among a task's.
  static let role: TaskInputs.Role = "tokenizer"

  /// The files that a task needs of the artifact: the tokenizer, and its configuration, which names MeCab's dictionary.
  static func files(_ context: PlanningContext) throws -> [ArtifactFile] {
    let files = context.files(port)
    let tokenizers = files.filter { $0.name == HuggingFaceTokenizerFiles.tokenizerName }
    guard tokenizers.count == 1 else { throw missing }
    return tokenizers + files.filter { $0.name == HuggingFaceTokenizerFiles.configurationName }
  }

  /// - Parameter files: as `files` gives them.
  static func wordsIdentity(_ files: [ArtifactFile], dictionary: String?) throws -> WordsIdentity {
    let words = try WordPieceTokenizer(path: try path(files)).words
    return WordsIdentity(words: try WordReader.identity(words, dictionary: dictionary))
  }

  static func load(_ workspace: Workspace) throws -> WordPieceTokenizer {
    try WordPieceTokenizer(path: try path(workspace))
  }

  /// Of the task's `tokenizer.json`.
  static func path(_ workspace: Workspace) throws -> String { try path(workspace.files(role)) }

  private static func path(_ files: [ArtifactFile]) throws -> String {
    guard let file = files.first(where: { $0.name == HuggingFaceTokenizerFiles.tokenizerName }) else { throw missing }
    return file.path
  }

  private static var missing: StageError {
    StageError(.input, "inputs.tokenizer", "has no \(HuggingFaceTokenizerFiles.tokenizerName)")
  }
}

/// For a task's payload, and so its fingerprint: which MeCab and dictionary cut the words, if that does.
struct WordsIdentity: Codable, Equatable {
  /// Empty without MeCab.
  var words: String
}

extension TaskPlan {
  /// The same task, reading a tokenizer before what it works on.
  func reading(tokenizer: [ArtifactFile], _ words: WordsIdentity) throws -> TaskPlan {
    var plan = try with(payload: words)
    plan.inputs = [TokenizerInput.role: tokenizer, .main: inputs[.main]]
    return plan
  }
}
