public import ShardKit

/// Reads the documents of several files in order; counts them in the ledger and checks for cancellation.
public final class DocumentStream {
  private let files: [ArtifactFile]
  private let counted: Bool
  private unowned let workspace: Workspace
  private var index = 0
  private var reader: DocumentReader?
  private var sinceCheck = 0
  /// The file that the last document came from.
  public private(set) var file: ArtifactFile?

  init(_ files: [ArtifactFile], counted: Bool, workspace: Workspace) {
    self.files = files
    self.counted = counted
    self.workspace = workspace
  }

  /// The next document, nil at the end. `next(_:)` spares the copy.
  /// - Throws: as `next(_:)` does.
  public func next() throws -> Document? {
    var document = Document()
    return try next(&document) ? document : nil
  }

  /// Reads into a document, reusing its arrays. False at the end.
  /// - Throws: `ShardError` when a file cannot be read or a line is not a document; `StageError` with the code
  ///   `.cancelled` or `.timedOut` when the task must stop. Let both pass.
  public func next(_ document: inout Document) throws -> Bool {
    while true {
      if reader == nil {
        guard index < files.count else { return false }
        file = files[index]
        reader = try DocumentReader(path: files[index].path)
        index += 1
      }
      if try reader!.next(&document) { break }
      reader = nil
    }
    if counted { workspace.ledger.input.add(bytes: document.text.count) }
    workspace.control.advance(documents: 1, bytes: document.text.count)
    sinceCheck += 1
    if sinceCheck == 64 {
      sinceCheck = 0
      try workspace.control.check()
    }
    return true
  }
}
