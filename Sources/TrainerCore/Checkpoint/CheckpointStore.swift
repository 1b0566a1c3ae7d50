public import ShardKit

/// A folder of checkpoints, written while training continues.
///
/// For one thread. At most one write is in flight: a second waits for the first. The next call throws the error of a
/// write; earlier checkpoints stay intact.
public final class CheckpointStore {
  public let folder: String
  public let keep: KeepRule
  /// The newest checkpoint known to be durable.
  public private(set) var lastGood: (step: Int, folder: String)?
  /// The last successful write of this process.
  public private(set) var lastWritten: WrittenCheckpoint?
  private var writing: BackgroundWrite?
  /// Steps of checkpoints that the current training does not continue: the next write removes them.
  private var givenUp: Set<Int> = []

  /// Creates the folder if there is none, and removes what a killed write has left.
  /// - Throws: `ShardError` if the folder cannot be written.
  public init(_ folder: String, keep: KeepRule = KeepRule()) throws(ShardError) {
    self.folder = folder
    self.keep = keep
    try FileSystem.makeDirectory(folder)
    try CheckpointNames.recover(folder)
  }

  deinit { _ = writing?.wait() }

  /// The newest checkpoint that is complete and wanted; damaged ones are passed over and named.
  /// - Throws: `ShardError` if the folder cannot be read, or the last write failed.
  public func latest(
    where isWanted: (CheckpointState) -> Bool = { _ in true }
  ) throws(ShardError) -> CheckpointSearch {
    try waitForWrite()
    let search = try TrainingCheckpoint.latest(in: folder, where: isWanted)
    lastGood = search.found.map { ($0.state.step, $0.folder) }
    return search
  }

  /// The complete checkpoint of a step.
  /// - Throws: `ShardError` if there is none, or it is damaged.
  public func checkpoint(ofStep step: Int) throws(ShardError) -> TrainingCheckpoint {
    try TrainingCheckpoint(folder: "\(folder)/\(CheckpointNames.folder(step: step))")
  }

  /// Training resumes at a step. Later checkpoints, and those of another course, are removed at the next write. Until
  /// then they stay, so that a change of course can be undone.
  /// - Throws: `ShardError` if the folder cannot be read, or the last write failed.
  public func goOn(from step: Int, where isOfCourse: (CheckpointState) -> Bool) throws(ShardError) {
    try waitForWrite()
    for (other, folder) in try TrainingCheckpoint.folders(in: folder) {
      let isKept = other <= step && (TrainingCheckpoint.state(in: folder).map(isOfCourse) ?? false)
      if !isKept { givenUp.insert(other) }
      if isKept, other == step { lastGood = (other, folder) }
    }
  }

  /// Starts a write and returns.
  ///
  /// The contents must not change until the write has ended: callers that reuse buffers call `waitForWrite` before they
  /// fill them.
  /// - Returns: the seconds that it waited for the write before.
  /// - Throws: `ShardError` if that one failed.
  @discardableResult
  public func save(_ contents: CheckpointContents) throws(ShardError) -> Double {
    let waited = try waitForWrite()
    givenUp.remove(contents.state.step)
    writing = BackgroundWrite(CheckpointWriting(root: folder, keep: keep, contents: contents, givenUp: givenUp))
    return waited
  }

  /// Waits until no write is in flight.
  /// - Returns: the seconds that this took.
  /// - Throws: `ShardError` if the write failed.
  @discardableResult
  public func waitForWrite() throws(ShardError) -> Double {
    guard let running = writing else { return 0 }
    let began = monotonicSeconds()
    let outcome = running.wait()
    writing = nil
    let written = try outcome.get()
    lastWritten = written
    if written.problem == nil { givenUp = [] }
    lastGood = (written.step, written.folder)
    return monotonicSeconds() - began
  }

  /// Whether a write has ended, without waiting.
  /// - Returns: its checkpoint, once.
  /// - Throws: `ShardError` if the write failed.
  public func poll() throws(ShardError) -> WrittenCheckpoint? {
    guard let running = writing, running.outcome != nil else { return nil }
    try waitForWrite()
    return lastWritten
  }
}

/// A write on its own thread; if none can be started, it is done before `init` returns.
private final class BackgroundWrite: Sendable {
  private let result = Monitor<Result<WrittenCheckpoint, ShardError>?>(nil)
  private let thread: BackgroundThread?

  init(_ writing: CheckpointWriting) {
    let body: @Sendable () -> Void = { [result] in
      let outcome = Result { () throws(ShardError) in try writing.run() }
      result.with { $0 = outcome }
    }
    thread = BackgroundThread(body)
    if thread == nil { body() }
  }

  /// nil while it runs.
  var outcome: Result<WrittenCheckpoint, ShardError>? { result.with(wake: false) { $0 } }

  func wait() -> Result<WrittenCheckpoint, ShardError> {
    let outcome = result.wait(wake: false) { $0 }
    thread?.join()
    return outcome
  }
}
