import Synchronization

/// What the executor and a running task share: progress one way, cancellation the other.
public final class TaskControl: Sendable {
  private let cancelled = Atomic<Bool>(false)
  private let documentsDone = Atomic<Int>(0)
  private let bytesDone = Atomic<Int>(0)
  /// Monotonic deadline in nanoseconds; `Int.max` for none.
  private let deadline: Int

  public init(timeoutSeconds: Double? = nil) {
    deadline = timeoutSeconds.map { monotonicNanoseconds() + Int($0 * 1e9) } ?? .max
  }

  public func cancel() { cancelled.store(true, ordering: .relaxed) }
  public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
  public var progress: (documents: Int, bytes: Int) {
    (documentsDone.load(ordering: .relaxed), bytesDone.load(ordering: .relaxed))
  }

  /// How long the task is over its time, in nanoseconds; negative before.
  var overtime: Int { deadline == .max ? .min : monotonicNanoseconds() - deadline }

  public func advance(documents: Int = 0, bytes: Int = 0) {
    documentsDone.add(documents, ordering: .relaxed)
    bytesDone.add(bytes, ordering: .relaxed)
  }

  /// Throws when the task must stop: at a second Ctrl-C, at its timeout.
  public func check() throws(StageError) {
    if isCancelled { throw StageError(.cancelled, "", "the task was stopped") }
    if deadline != .max, monotonicNanoseconds() > deadline {
      throw StageError(
        .timedOut, "", "the task took longer than its timeout", hint: "Raise \"timeoutSeconds\" of the stage.")
    }
  }
}
