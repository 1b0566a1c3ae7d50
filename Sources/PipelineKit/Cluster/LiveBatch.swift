import Glibc
import ShardKit

/// A task that a driver has handed to a cluster, or is about to.
final class LiveTask {
  var record: JobTask
  let directory: String
  let phase: String
  /// Nil for a task of an earlier run's jobs that this run has not asked for.
  var submission: ClusterExecutor.Submission?
  /// What its next job asks for.
  var request: JobRequest
  var isSettled = false
  var hasBegun = false
  /// When it began, by the clock of its machine.
  var begunTime: Int?
  /// What its job reported when it stopped it at a safe point.
  var stop: JobReport?
  private var documents = 0, bytes = 0

  init(_ record: JobTask, directory: String, phase: String, request: JobRequest) {
    self.record = record
    self.directory = directory
    self.phase = phase
    self.request = request
  }

  /// Equal for the same work.
  var identity: String { Self.identity(directory, phase, record.key, record.fingerprint) }

  static func identity(_ directory: String, _ phase: String, _ key: String, _ fingerprint: Digest) -> String {
    "\(directory)\u{0}\(phase)\u{0}\(key)\u{0}\(fingerprint.hex)"
  }

  /// Whether it was stopped further than where an earlier job left it.
  var hasAdvanced: Bool {
    guard let stop else { return false }
    if let fraction = stop.fraction { return fraction > record.fraction ?? 0 }
    // Nothing is known but the time.
    return stop.documents ?? 0 > 0 || stop.time - (begunTime ?? stop.time) >= 30_000
  }

  func settle(_ outcome: TaskOutcome) {
    guard !isSettled else { return }
    isSettled = true
    submission?.report(outcome)
    submission = nil
  }

  func show(_ beat: Heartbeat) {
    guard let control = submission?.attempt.run.control else { return }
    control.isQueued = false
    control.advance(documents: beat.documents - documents, bytes: beat.bytes - bytes)
    (documents, bytes) = (beat.documents, beat.bytes)
    if let text = beat.text, let fraction = beat.fraction {
      control.report(
        TaskStatus(
          fraction: fraction, text: text, remainingSeconds: beat.remainingSeconds, metricsFile: beat.metricsFile))
    }
  }
}

/// The tasks of one job of a batch.
final class LiveGroup {
  let number: Int
  let tasks: [LiveTask]
  private let places: [ExactText: Int]
  /// How much of its file has been read.
  var offset = 0
  /// The task that it has begun last.
  var current: LiveTask?
  /// The scheduler's number of the job that has claimed it.
  var owner: String?
  var refusal: String?
  /// Another node may not refuse.
  var refusalMayPass = false
  /// The machine as it names itself, and as the scheduler does.
  var host = ""
  var node = ""
  var state: JobState?
  /// When it was first known to have ended, and to be completing, in monotonic nanoseconds.
  var endedAt: Int?
  var completingSince: Int?
  /// The last heartbeat that was seen, and when another one was seen last.
  var beat: Heartbeat?
  var beatenAt: Int?
  var isSettled = false
  /// Its job has left tasks behind.
  var isLost = false
  var lookedAt = 0
  /// Tasks that are said to be finished, whose manifests this machine does not see yet.
  var awaited: [(task: LiveTask, report: JobReport, since: Int)] = []

  init(_ number: Int, _ tasks: [LiveTask]) {
    self.number = number
    self.tasks = tasks
    places = Dictionary(
      tasks.enumerated().map { (ExactText($1.record.key), $0) }, uniquingKeysWith: { first, _ in first })
  }

  func task(_ key: String) -> LiveTask? { places[ExactText(key)].map { tasks[$0] } }

  var open: [LiveTask] { tasks.filter { !$0.isSettled } }
}

/// A batch whose jobs may be alive.
final class LiveBatch {
  let batch: JobBatch
  let folder: BatchFolder
  let groups: [LiveGroup]
  /// The scheduler's numbers, once the submission is known to have succeeded: several if its answer was lost and it was
  /// repeated. Of each group, the first that arrives claims it.
  private(set) var jobs: [String] = []
  /// When the answer to a submission was first missed, in monotonic nanoseconds.
  var lostAt: Int?
  /// When to try again to submit it.
  var submitAt = 0
  var refusals = 0
  /// Whether an earlier attempt to submit it may have succeeded.
  var mayBeSubmitted = false
  /// Whether the scheduler is being asked to take it.
  var isAsking = false
  /// Cancelled, by this driver or an earlier one: no task waits for its jobs.
  var isCancelled = false

  init(_ batch: JobBatch, _ folder: BatchFolder, tasks: [LiveTask]) {
    self.batch = batch
    self.folder = folder
    groups = batch.groups.enumerated().map { LiveGroup($0, $1.map { tasks[$0] }) }
  }

  var isSettled: Bool { groups.allSatisfy(\.isSettled) }
  /// Nobody waits for its tasks.
  var isOrphan: Bool { groups.allSatisfy { $0.tasks.allSatisfy { $0.submission == nil } } }

  /// The first of its numbers.
  var job: String? { jobs.first }

  /// Takes a number for one of its jobs. Returns whether it is new.
  @discardableResult
  func adopt(_ number: String) -> Bool {
    guard !number.isEmpty, !jobs.contains(number) else { return false }
    jobs.append(number)
    return true
  }

  /// What the scheduler is asked for.
  var clusterJobs: [ClusterJob] {
    let open = Set(groups.filter { !$0.isSettled }.map(\.number))
    return jobs.map { ClusterJob(number: $0, batch: batch, folder: folder, open: open) }
  }

  /// Keeps what its job printed outside of tasks beside the logs of tasks, unless that is nothing.
  func keepOutput(_ group: LiveGroup) {
    let output = folder.output(group.number)
    guard let bytes = FileSystem.status(output)?.bytes, bytes > 0 else { return }
    let path = TaskLog(batch, job: name(group)).path
    try? FileSystem.makeDirectory(ArchivePath.folder(of: path))
    rename(output, path)
  }

  /// "17_3"
  func name(_ group: LiveGroup) -> String { "\(group.owner ?? job ?? "")_\(group.number)" }
}
