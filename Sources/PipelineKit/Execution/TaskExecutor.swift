import ShardKit

/// Where tasks run: on threads of this process (`ThreadExecutor`) or as jobs of a cluster (`ClusterExecutor`). What is
/// above it (plan, resume, fingerprints, retries, records) is the same for all.
protocol TaskExecutor: AnyObject, Sendable {
  /// Whether it runs the tasks of a phase.
  func takes(_ node: Graph.Node, phase: Int) -> Bool
  /// Hands a task over; `report` is called once, on any thread.
  func submit(_ attempt: TaskAttempt, _ report: @escaping @Sendable (TaskOutcome) -> Void)
  /// No more tasks can be handed over for now: what was submitted can be grouped and started.
  func flush()
  /// Ends what runs for an older plan of a stage, and waits for it.
  /// - Parameter directory: the node's folder whose tasks go on; nil to end all.
  func release(stage: String, keeping directory: String?) throws
  /// Tasks that have not begun are not begun any more.
  func stop()
}

/// One attempt at a task, as the schedule hands it out.
struct TaskAttempt: Sendable {
  var node: Graph.Node
  var run: TaskRun
  /// From 1.
  var number: Int
}

/// How an attempt ended.
enum TaskOutcome: Sendable {
  /// The time is without that of other stages that worked in the same pass.
  case finished(TaskManifest, milliseconds: Int, TaskUsage?)
  case failed(message: String, mayRetry: Bool)
  /// It did not run, or stopped, because the run is coming to its end.
  case stopped
}

/// Runs tasks on threads of this process.
final class ThreadExecutor: TaskExecutor {
  private let start: @Sendable (@escaping @Sendable () -> Void) -> Void

  /// - Parameter start: runs a closure on a thread.
  init(start: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) { self.start = start }

  func takes(_ node: Graph.Node, phase: Int) -> Bool { true }

  func submit(_ attempt: TaskAttempt, _ report: @escaping @Sendable (TaskOutcome) -> Void) {
    let stage = attempt.node.configured.stage(of: attempt.run.phase)
    start { report(Self.outcome(attempt.run, stage)) }
  }

  private static func outcome(_ run: TaskRun, _ stage: any Stage) -> TaskOutcome {
    run.control.begin()
    let began = monotonicNanoseconds()
    do {
      let manifest = try run.run(stage)
      let own = monotonicNanoseconds() - began - run.control.passNanoseconds
      return .finished(manifest, milliseconds: (own + 999_999) / 1_000_000, nil)
    } catch let error as StageError where error.code == .cancelled && run.control.shouldStop {
      return .stopped
    } catch {
      return .failed(message: "\(error)", mayRetry: RetryPolicy.mayRetry(error))
    }
  }

  func flush() {}
  func release(stage: String, keeping directory: String?) {}
  func stop() {}
}
