public import ShardKit

/// A system that starts jobs on other machines: all that an executor needs to know of it.
public protocol Cluster: Sendable {
  /// For messages: "Slurm".
  var name: String { get }
  /// The most jobs of one batch.
  var mostGroups: Int { get }
  /// Seconds between two queries.
  var pollSeconds: Int { get }
  /// The shell script of a batch's jobs.
  func script(_ batch: JobBatch, in folder: BatchFolder) -> String
  /// Hands over the jobs of a batch whose script has been written. Returns the scheduler's number.
  func submit(_ batch: JobBatch, in folder: BatchFolder) throws(ClusterError) -> String
  /// Whether a job that waits for this reason will never start.
  func isHopeless(_ reason: String) -> Bool
  /// What else is to be said about jobs that wait for this reason.
  func remark(on reason: String) -> String?
  /// The numbers of jobs with this name: several if a submission was repeated.
  func find(jobName: String) throws(ClusterError) -> [String]
  /// What is known of the open groups of these jobs. Groups that are missing have ended, and are forgotten.
  func states(of jobs: [ClusterJob]) throws(ClusterError) -> [String: [Int: JobState]]
  /// What did not answer when states were last asked for, although the rest is known; nil if all did.
  var complaint: String? { get }
  /// Those of some nodes, in the scheduler's notation, that cannot be used.
  func broken(_ nodes: String) throws(ClusterError) -> [String]
  /// Ends jobs.
  /// - Parameter waitingOnly: only those that do not run yet.
  func cancel(_ jobs: [ClusterJob], waitingOnly: Bool) throws(ClusterError)
  /// What the profile asks for, against what there is.
  func checks() -> [ClusterCheck]
}

extension Cluster {
  public var complaint: String? { nil }
  public func remark(on reason: String) -> String? { nil }
  public func broken(_ nodes: String) throws(ClusterError) -> [String] { [] }
}

/// A submitted batch.
public struct ClusterJob: Sendable {
  public var number: String
  public var batch: JobBatch
  public var folder: BatchFolder
  /// The groups that are waited for; nil for all.
  public var open: Set<Int>?

  /// Whether a group is waited for.
  func isOpen(_ group: Int) -> Bool { open?.contains(group) ?? true }
}

/// Why a scheduler did not do as it was asked.
public typealias ClusterError = Fault<ClusterErrorCode>

public enum ClusterErrorCode: FaultCode {
  /// It refuses the jobs for good.
  case refused
  /// It refuses them while the user has as many jobs as now.
  case limited
  /// It did not answer, or is busy: nothing is known. Never taken for a failed job.
  case silent

  public var isTransient: Bool { self != .refused }
}
