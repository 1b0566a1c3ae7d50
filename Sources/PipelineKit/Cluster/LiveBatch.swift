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
  /// Its job stopped it at a safe point.
  var hasStopped = false
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
  /// When that was, in monotonic nanoseconds.
  var begunAt = 0
  var refusal: String?
  var host = ""
  var state: JobState?
  /// When it was first known to have ended.
  var endedAt: Int?
  var isSettled = false
  var lastBeat = 0
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
  /// The scheduler's number, once the submission is known to have succeeded.
  var job: String?
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

  /// Nil while the scheduler knows no such job.
  var clusterJob: ClusterJob? {
    guard let job, job != Self.unknownJob else { return nil }
    return ClusterJob(number: job, batch: batch, folder: folder)
  }
  /// Stands for the number of a job that ran, but that the scheduler has forgotten.
  static let unknownJob = "unknown"
}
