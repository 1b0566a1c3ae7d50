public import ShardKit

/// What stops a run as a whole: the store, the lock, a selection, failed stages.
public typealias RunError = Fault<RunErrorCode>

public enum RunErrorCode: FaultCode {
  case store, locked, newerStore, selection, notFound, damaged, environment
}
