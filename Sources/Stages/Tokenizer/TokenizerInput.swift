import PipelineKit
import ShardKit
import TextKit

/// A tokenizer artifact as stages read it.
enum TokenizerInput {
  static let port = Input<TokenizerFiles>("tokenizer", "The tokenizer, from tokenizer.train.")

  /// The files that a task needs of the artifact.
  static func files(_ context: PlanningContext) throws -> [ArtifactFile] {
    let files = context.files(port).filter { $0.name == HuggingFaceTokenizerFiles.tokenizerName }
    guard files.count == 1 else {
      throw StageError(.input, "inputs.tokenizer", "has no \(HuggingFaceTokenizerFiles.tokenizerName)")
    }
    return files
  }

  /// For a task's note, and so its fingerprint: which MeCab and dictionary cut the words, if that does.
  static func wordsIdentity(_ files: [ArtifactFile], dictionary: String?) throws -> String {
    try WordReader.identity(WordPieceTokenizer(path: files[0].path).words, dictionary: dictionary)
  }

  static func load(_ workspace: Workspace) throws -> WordPieceTokenizer {
    try WordPieceTokenizer(path: file(workspace).path)
  }

  /// The task's other files.
  static func documents(_ workspace: Workspace) -> [ArtifactFile] {
    let tokenizer = file(workspace)
    return workspace.task.files.filter { $0.path != tokenizer.path }
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
