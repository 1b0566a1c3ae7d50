import ShardKit

/// What a job asks of a cluster.
public struct JobRequest: Codable, Hashable, Sendable {
  public var memoryBytes: Int
  public var cores = 1
  /// On each node.
  public var gpus = 0
  public var nodes = 1
  /// The time limit.
  public var seconds: Int

  /// "1 core, 512 MiB, 01:00:00"
  public var words: String {
    var parts = [
      cores == 1 ? "1 core" : "\(cores) cores", "\(memoryBytes >> 20) MiB", "\(TimeLimit(seconds: seconds))",
    ]
    if gpus > 0 { parts.insert(gpus == 1 ? "1 GPU" : "\(gpus) GPUs", at: 1) }
    if nodes > 1 { parts.insert("\(nodes) nodes", at: 0) }
    return parts.joined(separator: ", ")
  }
}

/// How a job came to its end, where that is known.
public enum JobEnd: String, Codable, Sendable {
  case completed, failed, outOfMemory, timeLimit, nodeFailure, preempted, cancelled
  /// The scheduler no longer knows the job.
  case forgotten

  /// The machine's or the site's doing, which does not count against a task.
  var isNobodysFault: Bool { self == .nodeFailure || self == .preempted }

  /// "out of memory"
  var words: String {
    switch self {
    case .completed: "ended"
    case .failed: "failed"
    case .outOfMemory: "ran out of memory"
    case .timeLimit: "reached its time limit"
    case .nodeFailure: "lost its node"
    case .preempted: "was preempted"
    case .cancelled: "was cancelled"
    case .forgotten: "is no longer known to the scheduler"
    }
  }
}

/// What a scheduler says of a job.
public enum JobState: Equatable, Sendable {
  case waiting(reason: String)
  case running(node: String)
  /// Its processes have ended or are being ended; it keeps these nodes, perhaps for hours if one of them hangs.
  case completing(node: String)
  /// The scheduler cannot tell now.
  case unknown
  case ended(JobEnd, node: String)
}
