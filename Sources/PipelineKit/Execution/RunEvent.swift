/// What happens in a run, in order; the CLI prints it, tests read it. Sent from one thread.
public enum RunEvent: Sendable {
  case began(run: Int64, stages: [String])
  case judged(stage: String, Verdict)
  /// `kept` tasks were done before; `tasks` counts all of the phase.
  case phaseBegan(stage: String, phase: String, tasks: Int, kept: Int)
  case taskFinished(stage: String, TaskManifest, milliseconds: Int)
  case taskRetried(stage: String, phase: String, key: String, attempt: Int, message: String, delaySeconds: Double)
  case taskFailed(stage: String, phase: String, key: String, message: String)
  case stageFailed(stage: String, message: String)
  case sealed(stage: String, NodeManifest, milliseconds: Int)
  case blocked(stage: String, by: String)
  /// About five times a second while tasks run.
  case progress([StageProgress])
  case interrupted(now: Bool)
  case ended(RunOutcome)
}

/// A running stage at a moment.
public struct StageProgress: Sendable, Equatable {
  public var stage: String
  public var phase: String
  public var tasksDone: Int
  public var tasks: Int
  public var running: Int
  /// Documents and text bytes that this run's tasks have passed through the phase so far.
  public var documents: Int
  public var bytes: Int
  /// Bytes of the phase's tasks in all, where files say so; 0 if unknown.
  public var totalBytes: Int
  public var milliseconds: Int
  /// What running tasks say of themselves, where they do.
  public var statuses: [TaskStatus] = []
}

public enum RunOutcome: String, Sendable {
  case done, failed, interrupted
}
