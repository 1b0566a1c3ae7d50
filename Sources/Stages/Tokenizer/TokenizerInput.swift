import PipelineKit
import ShardKit
import TextKit

/// A tokenizer artifact as stages read it.
enum TokenizerInput {
  static let port = Input<TokenizerFiles>("tokenizer", "The tokenizer, from tokenizer.train.")

  /// The files that a task needs of the artifact: the tokenizer, and its configuration, which names MeCab's dictionary.
  static func files(_ context: PlanningContext) throws -> [ArtifactFile] {
    let files = context.files(port)
    let tokenizers = files.filter { $0.name == HuggingFaceTokenizerFiles.tokenizerName }
    guard tokenizers.count == 1 else {
      throw StageError(.input, "inputs.tokenizer", "has no \(HuggingFaceTokenizerFiles.tokenizerName)")
    }
    return tokenizers + files.filter { $0.name == HuggingFaceTokenizerFiles.configurationName }
  }

  /// For a task's note, and so its fingerprint: which MeCab and dictionary cut the words, if that does.
  /// - Parameter files: the tokenizer first, as `files` gives them.
  static func wordsIdentity(_ files: [ArtifactFile], dictionary: String?) throws -> String {
    try WordReader.identity(WordPieceTokenizer(path: files[0].path).words, dictionary: dictionary)
  }

  static func load(_ workspace: Workspace) throws -> WordPieceTokenizer {
    try WordPieceTokenizer(path: file(workspace).path)
  }

  /// The task's other files.
  static func documents(_ workspace: Workspace) -> [ArtifactFile] {
    let files = workspace.task.files
    let isConfigured = files.dropFirst().first?.name == HuggingFaceTokenizerFiles.configurationName
    return Array(files.dropFirst(isConfigured ? 2 : 1))
  }

  // Tasks name the tokenizer first.
  private static func file(_ workspace: Workspace) -> ArtifactFile { workspace.task.files[0] }
}

extension TaskPlan {
  /// The same task, reading `files` before its own.
  func reading(first files: [ArtifactFile], note: String = "") -> TaskPlan {
    var copy = self
    copy.files = files + copy.files
    copy.note += note
    return copy
  }
}
