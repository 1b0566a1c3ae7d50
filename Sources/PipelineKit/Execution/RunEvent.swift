/// The events of a run, in order; the CLI prints them, tests read them. Sent from one thread.
public enum RunEvent: Sendable {
  case began(run: Int64, stages: [String])
  case judged(stage: String, Verdict)
  /// `kept` tasks were already done; `tasks` counts all tasks of the phase.
  case phaseBegan(stage: String, phase: String, tasks: Int, kept: Int)
  case taskFinished(stage: String, TaskManifest, milliseconds: Int)
  case taskRetried(stage: String, phase: String, key: String, attempt: Int, message: String, delaySeconds: Double)
  case taskFailed(stage: String, phase: String, key: String, message: String)
  case stageFailed(stage: String, message: String)
  /// The output of a stage that a lock names was fetched from elsewhere: its new files and their bytes.
  case fetched(stage: String, NodeManifest, bytes: Int64, from: String)
  case sealed(stage: String, NodeManifest, milliseconds: Int)
  case blocked(stage: String, by: String)
  /// About five times per second while tasks run.
  case progress([StageProgress])
  /// A sentence about jobs of a cluster.
  case notice(String)
  case interrupted(now: Bool)
  case ended(RunOutcome)
}

/// The progress of a running stage.
public struct StageProgress: Sendable, Equatable {
  public var stage: String
  public var phase: String
  public var tasksDone: Int
  public var tasks: Int
  public var running: Int
  /// Tasks that wait for a machine of the cluster.
  public var queued = 0
  /// Why the first of them waits, in the scheduler's word, such as "Priority"; empty if that is not known.
  public var queueReason = ""
  /// Documents and text bytes that the tasks of this run have processed in the phase so far.
  public var documents: Int
  public var bytes: Int
  /// Total bytes of the phase's tasks, if the files state them; 0 if unknown.
  public var totalBytes: Int
  public var milliseconds: Int
  /// The status that running tasks report, if any.
  public var statuses: [TaskStatus] = []
}

public enum RunOutcome: String, Sendable {
  case done, failed, interrupted
}
