public import ShardKit

/// Why a stage could not do its work. `description` gives where, what, why and what to do next.
public typealias StageError = Fault<StageErrorCode>

public enum StageErrorCode: FaultCode {
  /// Options contradict each other or the data.
  case options
  /// The input is not in the form that the stage reads.
  case input
  /// A check of the stage itself failed, such as an out-of-vocabulary limit.
  case check
  /// A program, library or folder that the stage needs is missing.
  case environment
  /// Signal 9 ended a process of the stage: as a rule, the machine or the job ran out of memory.
  case killed
  case cancelled
  case timedOut
  case ledger

  public var isTransient: Bool { self == .timedOut || self == .environment || self == .killed }
}
