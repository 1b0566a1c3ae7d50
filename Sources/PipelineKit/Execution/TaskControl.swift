public import ShardKit
import Synchronization

/// The progress of a long task, in its own words.
public struct TaskStatus: Equatable, Sendable {
  /// 0…1.
  public var fraction: Double
  /// For example, "step 1200 of 70000, loss 2.31, 380k tokens/s".
  public var text: String
  public var remainingSeconds: Double?
  /// A file that the task keeps up to date with its figures, in the text format of Prometheus.
  public var metricsFile: String?

  public init(fraction: Double, text: String, remainingSeconds: Double? = nil, metricsFile: String? = nil) {
    self.fraction = fraction
    self.text = text
    self.remainingSeconds = remainingSeconds
    self.metricsFile = metricsFile
  }
}

/// State shared by the executor and a running task: progress one way, cancellation the other.
public final class TaskControl: Sendable {
  private let cancelled = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  private let queued = Atomic<Bool>(false)
  private let reason = Mutex<String>("")
  private let reported = Mutex<TaskStatus?>(nil)
  private let documentsDone = Atomic<Int>(0)
  private let bytesDone = Atomic<Int>(0)
  private let passed = Atomic<Int>(0)
  private let timeoutSeconds: Double?
  /// Monotonic deadline in nanoseconds; `Int.max`: none, or the task has not started.
  private let until = Atomic<Int>(.max)
  private var deadline: Int { until.load(ordering: .relaxed) }

  /// The longest timeout, in seconds: more than thirty years.
  static let longest = 1e9

  public init(timeoutSeconds: Double? = nil) { self.timeoutSeconds = timeoutSeconds }

  /// Starts the task's timeout; time spent waiting for a thread does not count.
  func begin() {
    guard let timeoutSeconds else { return }
    until.store(
      monotonicNanoseconds() + Int(max(0, min(timeoutSeconds, Self.longest)) * 1e9), ordering: .relaxed)
  }

  /// What other stages took of the task's time; see `Workspace.passNanoseconds`.
  var passNanoseconds: Int {
    get { passed.load(ordering: .relaxed) }
    set { passed.store(newValue, ordering: .relaxed) }
  }

  public func cancel() { cancelled.store(true, ordering: .relaxed) }
  /// Set by the first Ctrl-C: short tasks run to completion; a long task that keeps its state may stop at its next safe
  /// point by throwing `StageError(.cancelled, …)`.
  public var shouldStop: Bool { stopping.load(ordering: .relaxed) || isCancelled }
  func requestStop() { stopping.store(true, ordering: .relaxed) }

  /// Whether it waits for a machine.
  var isQueued: Bool {
    get { queued.load(ordering: .relaxed) }
    set { queued.store(newValue, ordering: .relaxed) }
  }
  /// Why it waits, in the scheduler's word; empty if that is not known.
  var queueReason: String {
    get { reason.withLock { $0 } }
    set { reason.withLock { $0 = newValue } }
  }

  private static let saving = Atomic<Int>(0)
  /// A stopping task is writing its state, so the shutdown after SIGTERM is extended.
  public static var isAnySaving: Bool { saving.load(ordering: .relaxed) > 0 }
  public static func beginSaving() { saving.add(1, ordering: .relaxed) }
  public static func endSaving() { saving.subtract(1, ordering: .relaxed) }

  /// Shown instead of document counts.
  public var status: TaskStatus? { reported.withLock { $0 } }
  public func report(_ status: TaskStatus) { reported.withLock { $0 = status } }

  public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
  public var progress: (documents: Int, bytes: Int) {
    (documentsDone.load(ordering: .relaxed), bytesDone.load(ordering: .relaxed))
  }

  /// How far the task is past its deadline, in nanoseconds; negative before the deadline.
  var overtime: Int {
    let deadline = self.deadline
    return deadline == .max ? .min : monotonicNanoseconds() - deadline
  }

  public func advance(documents: Int = 0, bytes: Int = 0) {
    documentsDone.add(documents, ordering: .relaxed)
    bytesDone.add(bytes, ordering: .relaxed)
  }

  /// For safe points of a task that keeps its state: also throws at the first Ctrl-C.
  /// - Throws: `StageError` (`.cancelled`, `.timedOut`).
  public func checkStop() throws(StageError) {
    try check()
    if shouldStop { throw StageError(.cancelled, "", "the task was stopped; it resumes where it ended") }
  }

  /// Throws if the task must stop: at a second Ctrl-C, or at its timeout.
  /// - Throws: `StageError` (`.cancelled`, `.timedOut`).
  public func check() throws(StageError) {
    FaultPoint.reach("task.checked")
    if isCancelled { throw StageError(.cancelled, "", "the task was stopped") }
    if overtime > 0 {
      throw StageError(
        .timedOut, "", "the task exceeded its timeout", hint: "Increase \"timeoutSeconds\" of the stage.")
    }
  }
}
