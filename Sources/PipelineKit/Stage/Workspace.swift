public import ShardKit

/// The lifetime of a state folder.
public enum StateLifetime: Sendable {
  /// Belongs to the task: kept across failures, kills and interruptions, and removed when the task has been published.
  /// `--force` starts without it.
  case untilPublished
  /// Belongs to the stage, in the store's `state/STAGE`: shared by its tasks and by its nodes of every fingerprint.
  /// Pipeline never removes it, not even with `prune`, since the network may not provide its contents again.
  case kept
}

/// The interface of a running task: what it reads, writes, drops and counts.
///
///     let stream = workspace.documents()
///     let output = try workspace.documents(to: Self.kept)
///     var document = Document()
///     while try stream.next(&document) {
///       if document.text.isEmpty { try workspace.drop(document, .empty) } else { try output.write(document) }
///     }
///
/// Not thread-safe. Nothing written is visible until the task has succeeded; then everything is.
public final class Workspace {
  public let task: TaskPlan
  public let phase: String
  /// The memory that this task may use for buffers, from the run's budget.
  public let memoryBytes: Int
  public let control: TaskControl
  /// Whether the task runs here for another machine, which publishes it: the stage takes part in its work and writes no
  /// output, nor into the state folders, which belong to that machine. Only for tasks of several machines.
  public let isFollower: Bool
  /// The file for what the task's programs print, which `pipeline logs` shows; nil: nowhere. Made when something is.
  public let logPath: String?
  let staging: String
  private let scratch: String
  private let state: [StateLifetime: String]
  public internal(set) var ledger = Ledger()
  /// What stages took that worked on what the task handed on.
  var passNanoseconds = 0
  private(set) var files: [PublishedFile] = []
  private var warnings: [String: TaskManifest.Warning] = [:]
  private var metrics: [String: Double] = [:]
  private var open: [() throws -> Void] = []
  private var drops: DropWriter?
  private var notes: DropWriter?
  private let earlier: [String: [ArtifactFile]]
  private let removals: RemovalList
  private let passes: PassPlan

  /// - Parameters:
  ///   - staging: the task's own folder, empty and on the store's file system.
  ///   - scratch: the folder for temporary data; by default within `staging`.
  init(
    task: TaskPlan, phase: String, staging: String, scratch: String? = nil, state: [StateLifetime: String],
    memoryBytes: Int,
    control: TaskControl, earlier: [String: [ArtifactFile]] = [:], isFollower: Bool = false,
    logPath: String? = nil, removals: RemovalList = RemovalList(), passes: PassPlan = PassPlan()
  ) {
    self.removals = removals
    self.passes = passes
    self.logPath = logPath
    self.isFollower = isFollower
    self.task = task
    self.phase = phase
    self.staging = staging
    self.scratch = scratch ?? staging + "/.temporary"
    self.state = state
    self.memoryBytes = memoryBytes
    self.control = control
    self.earlier = earlier
  }

  /// A folder for temporary data; removed when the task ends.
  /// - Throws: `ShardError` when it cannot be made.
  public func temporaryDirectory() throws -> String {
    try FileSystem.makeDirectory(scratch)
    return scratch
  }

  /// Removes the folder for temporary data, if there is one.
  func removeTemporaryDirectory() throws { try FileSystem.removeTree(scratch) }

  /// A folder that survives this attempt, so that a task that takes hours resumes where it was killed.
  ///
  /// Its contents are neither published nor digested. They may determine how much work a later attempt does, but never
  /// the result for these inputs and options: training writes checkpoints, a crawl the requests it has sent.
  /// - Throws: `ShardError` when the folder cannot be made.
  public func stateDirectory(_ lifetime: StateLifetime = .untilPublished) throws -> String {
    try FileSystem.makeDirectory(state[lifetime]!)
    return state[lifetime]!
  }

  // MARK: Reading

  /// The documents of the given files, one after another.
  /// - Parameter counted: whether they enter the ledger. In a stage with several phases, exactly one phase counts.
  public func documents(_ files: [ArtifactFile], counted: Bool = true) -> DocumentStream {
    DocumentStream(files, counted: counted, workspace: self)
  }

  /// The documents of the files that the task works on.
  public func documents(counted: Bool = true) -> DocumentStream { documents(files(.main), counted: counted) }

  /// The task's input files of a role, in the order in which they were planned.
  public func files(_ role: TaskInputs.Role) -> [ArtifactFile] { task.inputs[role] }

  /// The one input file of a role.
  /// - Throws: `StageError` if the task was planned with none or with several.
  public func file(_ role: TaskInputs.Role = .main) throws(StageError) -> ArtifactFile {
    let files = files(role)
    guard files.count == 1, let file = files.first else {
      throw StageError(
        .ledger, "task \(task.key)", "it was planned with \(files.count) '\(role.name)' files, not one")
    }
    return file
  }

  /// The payload that the task was planned with.
  /// - Throws: `JSONCodingError` if it was planned with a value of another type.
  public func payload<Payload: Decodable>(_ type: Payload.Type = Payload.self) throws(JSONCodingError) -> Payload {
    try task.payload.decode(type)
  }

  /// Files that earlier phases wrote to an output and that the task reads.
  public func files<K>(_ output: Output<K>) -> [ArtifactFile] {
    let read = Set(task.files.map { ExactText($0.path) })
    return (earlier[output.port.name] ?? []).filter { read.contains(ExactText($0.path)) }
  }

  /// Files of earlier phases that give the location of data, not its content: not part of the task's fingerprint.
  public func locations<K>(_ output: Output<K>) -> [ArtifactFile] { earlier[output.port.name] ?? [] }

  // MARK: Writing

  /// Writes documents to an output, in files named after the task; starts a new file at `rotateAtBytes` of text.
  ///
  /// Nothing needs to be closed: the workspace commits what is open when the task ends well.
  /// - Throws: nothing now; the returned output's `write` throws `ShardError`.
  public func documents(
    to output: Output<Documents>, rotateAtBytes: Int64 = .max, compressionLevel: Int = 1
  ) throws -> DocumentOutput {
    let port = output.port.name
    let writer = DocumentOutput(
      workspace: self, port: port, link: passes.readers[port].map { PassLink($0, of: self, port: port) },
      hearer: passes.hearers[port],
      rotateAtBytes: rotateAtBytes, compressionLevel: compressionLevel)
    open.append { try writer.finish() }
    return writer
  }

  /// Makes a file of documents part of an output as it is, without reading or copying it, and counts its documents.
  ///
  /// - Parameter ids: `recordHash` of each document's id in order.
  /// - Returns: false, having done nothing, where documents have to be written one by one: the next stage takes them in
  ///   memory, some were removed from the store, or the file is not in the form that `documents(to:)` writes.
  /// - Throws: `ShardError` when the link cannot be made.
  public func share(_ file: ArtifactFile, as output: Output<Documents>, ids: () throws -> [UInt64]) throws -> Bool {
    let port = output.port.name
    guard passes.readers[port] == nil, passes.hearers[port] == nil, removals.isEmpty,
      file.name.hasSuffix(".jsonl.zst")
    else { return false }
    try link(output, name: task.key + ".jsonl.zst", to: file, ids: try ids())
    ledger.output.add(documents: file.documents, bytes: Int(file.textBytes))
    return true
  }

  /// Opens any other file of an output. Pass it to `publish` when it is complete.
  ///
  ///     let file = try workspace.file(Self.index, workspace.task.key + ".index")
  ///     try file.write(bytes)
  ///     try workspace.publish(Self.index, file, name: workspace.task.key + ".index")
  ///
  /// - Parameter name: unique among the stage's tasks: begin it with `task.key`.
  /// - Throws: `ShardError` when the file cannot be created.
  public func file<K>(_ output: Output<K>, _ name: String) throws -> FileSink {
    try FileSink(stagedPath(output.port.name, name))
  }

  /// Commits a file opened with `file`.
  /// - Parameters:
  ///   - sink: the outermost sink, where the file is compressed.
  ///   - ids: `recordHash` of each document's id in file order, so that `trace` finds it.
  /// - Throws: `ShardError` when the file cannot be written or synced.
  public func publish<K>(
    _ output: Output<K>, _ file: FileSink, through sink: (any ByteSink)? = nil, name: String, documents: Int = 0,
    textBytes: Int64 = 0, ids: [UInt64] = []
  ) throws {
    try publish(
      port: output.port.name, file, through: sink, name: name, documents: documents, textBytes: textBytes, ids: ids)
  }

  /// A whole small file of an output: `file`, its bytes and `publish` in one.
  /// - Throws: `ShardError` when the file cannot be written.
  public func write<K>(_ output: Output<K>, name: String, _ bytes: [UInt8]) throws {
    let sink = try file(output, name)
    try sink.write(bytes)
    try publish(output, sink, name: name)
  }

  /// Adds a file of an earlier phase to an output under another name, without copying its bytes.
  /// - Parameter ids: as in `publish`.
  /// - Throws: `ShardError` when the link cannot be made.
  public func link<K>(_ output: Output<K>, name: String, to file: ArtifactFile, ids: [UInt64] = []) throws {
    try FileSystem.link(file.path, to: try stagedPath(output.port.name, name))
    files.append(
      PublishedFile(
        port: output.port.name, name: name, bytes: file.bytes, digest: file.digest, documents: file.documents,
        textBytes: file.textBytes))
    if !ids.isEmpty { try publishIDs(ids, of: "\(output.port.name)/\(name)") }
  }

  func publish(
    port: String, _ file: FileSink, through sink: (any ByteSink)?, name: String, documents: Int, textBytes: Int64,
    ids: [UInt64]
  ) throws {
    try (sink ?? file).commit()
    try publish(
      PublishedFile(
        port: port, name: name, bytes: file.bytes, digest: file.digest, documents: documents, textBytes: textBytes),
      ids: ids)
  }

  /// Adds a file that is complete, or that only stands for documents.
  func publish(_ file: PublishedFile, ids: [UInt64]) throws {
    files.append(file)
    if !ids.isEmpty { try publishIDs(ids, of: "\(file.port)/\(file.name)") }
  }

  private func publishIDs(_ ids: [UInt64], of name: String) throws {
    let sink = try FileSink(stagedPath(Self.idsPort, name + ".ids"))
    try ids.withUnsafeBytes { try sink.write($0) }
    try publish(
      port: Self.idsPort, sink, through: nil, name: name + ".ids", documents: 0, textBytes: 0, ids: [])
  }

  func stagedPath(_ port: String, _ name: String) throws -> String {
    let path = "\(staging)/\(port)/\(name)"
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    return path
  }

  static let idsPort = "ids"
  static let dropsPort = "drops"
  static let notesPort = "notes"

  // MARK: Counting

  /// Counts a record read from outside (a page, a work, a line), before it becomes a document.
  public func countInput(documents: Int = 1, bytes: Int) {
    ledger.input.add(documents: documents, bytes: bytes)
    control.advance(documents: documents, bytes: bytes)
  }

  /// Counts documents read by a stage that writes none.
  public func consume(documents: Int = 1, bytes: Int) { ledger.consumed.add(documents: documents, bytes: bytes) }

  /// Counts documents merged into another one.
  public func merge(_ reason: String, documents: Int = 1, bytes: Int) {
    ledger.merged[reason, default: Count()].add(documents: documents, bytes: bytes)
  }

  /// Counts extra copies made intentionally.
  public func repeatDocument(_ reason: String, bytes: Int) {
    ledger.repeated[reason, default: Count()].add(bytes: bytes)
  }

  /// Records why a document is dropped.
  ///
  ///     try workspace.drop(document, .tooShort(characters, minimum: options.minimumCharacters))
  ///
  /// - Throws: `ShardError` when the record cannot be written.
  public func drop(_ document: Document, _ reason: DropReason) throws {
    try drop(id: document.id, bytes: document.text.count, reason)
  }

  /// The same for a record that is not a document yet.
  /// - Parameter bytes: the record's size, as counted when it was read.
  /// - Throws: `ShardError` when the record cannot be written.
  public func drop(id: [UInt8], bytes: Int, _ reason: DropReason) throws {
    if try id.withUnsafeBytes({ try leavesOut(id: $0, bytes: bytes) }) { return }
    try record(drop: id, hash: recordHash(DropWriter.readable(id)), bytes: bytes, reason)
  }

  private func record(drop id: [UInt8], hash: UInt64, bytes: Int, _ reason: DropReason) throws {
    ledger.dropped[reason.name, default: Count()].add(bytes: bytes)
    let writer = try drops ?? DropWriter(self, port: Self.dropsPort)
    drops = writer
    try writer.write(id: id, hash: hash, bytes: bytes, reason)
  }

  /// Whether documents with this id must not come in: for a stage that writes texts before they become documents. It then
  /// drops the record in place of writing it.
  public func isRemoved(id: [UInt8]) -> Bool { !removals.isEmpty && removals.contains(id: id) }

  /// Whether a document was removed from the store; if so, it is counted as dropped, under another name than its own.
  /// - Throws: `ShardError` when the record of the drop cannot be written.
  func leavesOut(id: UnsafeRawBufferPointer, bytes: Int) throws -> Bool {
    guard !removals.isEmpty, removals.contains(id: id) else { return false }
    try record(drop: Array(RemovalList.alias(id).utf8), hash: recordHash(id), bytes: bytes, .removed)
    return true
  }

  /// Records what was done to a document that stays, which `pipeline trace` shows; any number of times per document.
  /// - Throws: `ShardError` when the record cannot be written.
  public func note(_ id: [UInt8], _ change: DropReason) throws {
    let writer = try notes ?? DropWriter(self, port: Self.notesPort)
    notes = writer
    try writer.write(id: id, hash: recordHash(DropWriter.readable(id)), bytes: 0, change)
  }

  /// Counts a named warning; the first message of a name is kept.
  public func warn(_ name: String, times: Int = 1, _ message: @autoclosure () -> String) {
    guard times > 0 else { return }
    var warning = warnings[name] ?? TaskManifest.Warning(count: 0, example: message())
    warning.count += times
    warnings[name] = warning
  }

  /// Adds a figure for reports; figures of the same name are summed over tasks.
  public func metric(_ name: String, _ value: Double) { metrics[name, default: 0] += value }

  // MARK: Ending

  /// Commits what is open and describes the result.
  func finish(fingerprint: Digest) throws -> TaskManifest {
    for close in open { try close() }
    try drops?.finish(self)
    try notes?.finish(self)
    files.sort { ($0.port, $0.name) < ($1.port, $1.name) }
    return TaskManifest(
      phase: phase, key: task.key, fingerprint: fingerprint, files: files, ledger: ledger, warnings: warnings,
      metrics: metrics)
  }
}
