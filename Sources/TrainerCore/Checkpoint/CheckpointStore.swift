import ShardKit

/// A folder of checkpoints, written while training goes on.
///
/// One thread calls it. At most one write is in flight: a second waits for the first. An error of a write surfaces at
/// the next call; the checkpoints before stay intact.
public final class CheckpointStore {
  public let folder: String
  public let keep: KeepRule
  /// The newest checkpoint known to be durable.
  public private(set) var lastGood: (step: Int, folder: String)?
  /// The last write that ended well in this process.
  public private(set) var lastWritten: WrittenCheckpoint?
  private var writing: BackgroundWrite?
  /// Steps of checkpoints that training does not stand on: the next write removes them.
  private var givenUp: Set<Int> = []

  /// Makes the folder where there is none, and clears what a killed write left.
  public init(_ folder: String, keep: KeepRule = KeepRule()) throws(ShardError) {
    self.folder = folder
    self.keep = keep
    try FileSystem.makeDirectory(folder)
    try CheckpointNames.recover(folder)
  }

  deinit { _ = writing?.wait() }

  /// The newest checkpoint that is whole and wanted; damaged ones are passed over and named.
  public func latest(
    where isWanted: (CheckpointState) -> Bool = { _ in true }
  ) throws(ShardError) -> CheckpointSearch {
    try waitForWrite()
    let search = try TrainingCheckpoint.latest(in: folder, where: isWanted)
    lastGood = search.found.map { ($0.state.step, $0.folder) }
    return search
  }

  /// Training goes on from a step: what lies past it, and what is not of this course, goes with the next write. Until then
  /// it stays, so that a course can be taken back.
  public func goOn(from step: Int, where isOfCourse: (CheckpointState) -> Bool) throws(ShardError) {
    try waitForWrite()
    for (other, folder) in try TrainingCheckpoint.folders(in: folder) {
      let isKept = other <= step && (TrainingCheckpoint.state(in: folder).map(isOfCourse) ?? false)
      if !isKept { givenUp.insert(other) }
      if isKept, other == step { lastGood = (other, folder) }
    }
  }

  /// Starts a write and returns; the seconds that it waited for the one before.
  ///
  /// The contents must stay as they are until the write has ended: who reuses buffers calls `waitForWrite` before
  /// filling them.
  @discardableResult
  public func save(_ contents: CheckpointContents) throws(ShardError) -> Double {
    let waited = try waitForWrite()
    givenUp.remove(contents.state.step)
    writing = BackgroundWrite(CheckpointWriting(root: folder, keep: keep, contents: contents, givenUp: givenUp))
    return waited
  }

  /// Waits until no write is in flight and throws its error; the seconds that it took.
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

  /// Takes note of a write that has ended, without waiting: the checkpoint, once, or its error.
  public func poll() throws(ShardError) -> WrittenCheckpoint? {
    guard let running = writing, running.outcome != nil else { return nil }
    try waitForWrite()
    return lastWritten
  }
}

/// A write on a thread of its own; where no thread can be had, it is done before `init` returns.
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
