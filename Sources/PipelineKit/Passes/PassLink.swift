import ShardKit

/// The end of a port in a task that hands documents on: begins a task of the reader for each file that would be written,
/// and gives it the documents.
final class PassLink {
  private struct Open {
    let workspace: Workspace
    let pass: DocumentPass
    let staging: String
    /// What its work has taken, with that of the stages after it.
    var nanoseconds = 0
  }

  private let reader: PassReader
  private unowned let workspace: Workspace
  private let port: String
  private var open: Open?
  /// What was read back, with the memory of the one before.
  private var document = Document()
  private lazy var lines = DocumentLine()

  init(_ reader: PassReader, of workspace: Workspace, port: String) {
    self.reader = reader
    self.workspace = workspace
    self.port = port
  }

  /// Begins the reader's task on a file.
  func begin(file name: String) throws {
    let began = monotonicNanoseconds()
    do { open = try beginning(file: name) } catch { throw named(error) }
    take(monotonicNanoseconds() - began)
  }

  /// Does some of the work of the stages after this one, and takes the time.
  private func timed(_ work: (Open) throws -> Void) throws {
    guard let open else { fatalError("a document is handed on before its file has begun") }
    let began = monotonicNanoseconds()
    do { try work(open) } catch { throw named(error) }
    take(monotonicNanoseconds() - began)
  }

  private func take(_ nanoseconds: Int) {
    open?.nanoseconds += nanoseconds
    workspace.passNanoseconds += nanoseconds
  }

  private func beginning(file name: String) throws -> Open {
    let staging = PassRecord.folder(in: workspace.staging, port: port, name: name)
    try FileSystem.makeDirectory(staging)
    let own = Workspace(
      task: reader.task(on: name), phase: reader.phase, staging: staging, state: [:],
      memoryBytes: reader.template.memoryBytes, control: workspace.control, passes: reader.next)
    guard let stage = reader.node.configured.stage(of: reader.phase) as? any PassingStage else {
      fatalError("'\(reader.node.description.name)' takes no documents in memory")
    }
    return Open(workspace: own, pass: try stage.pass(own), staging: staging)
  }

  /// Reads a document back as a reader of the file would get it; `pass` then hands it on.
  /// - Returns: whether a metadata key was repeated.
  /// - Throws: `ShardError` (`.malformed`) if no reader would take it, which is a fault of the stage that writes it.
  func readBack(_ written: borrowing Document) throws(ShardError) -> Bool { try document.take(over: written) }

  /// The same for a document's JSON line.
  func readBack(line: UnsafeRawBufferPointer) throws(ShardError) { try lines.read(line, into: &document) }

  /// Hands on what was read back.
  func pass() throws {
    try timed { open in
      open.workspace.ledger.input.add(bytes: document.text.count)
      try open.pass.take(&document)
    }
  }

  /// Ends the task on the file and records it beside what the workspace stages.
  func end() throws {
    guard open != nil else { return }
    var done: TaskManifest?
    try timed { open in
      try open.pass.end()
      var manifest = try open.workspace.finish(fingerprint: reader.fingerprint)
      manifest.limits = reader.node.configured.limits.deciding(manifest)
      guard manifest.ledger.imbalance == 0 else { throw StageError.imbalance(manifest) }
      try open.workspace.removeTemporaryDirectory()
      done = manifest
    }
    guard let open, let done else { return }
    self.open = nil
    let own = open.nanoseconds - open.workspace.passNanoseconds
    let record = PassRecord(reader: reader.node.name, manifest: done, milliseconds: (own + 999_999) / 1_000_000)
    do { try record.write(to: open.staging) } catch { throw named(error) }
  }

  /// What failed did so in the reader's stage, not in the one whose task runs.
  private func named(_ error: any Error) -> any Error { PassFailure.naming(reader.node.name, error) }
}
