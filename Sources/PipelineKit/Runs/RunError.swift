public import ShardKit

/// An error that stops a complete run: the store, the lock, the selection, or failed stages.
public typealias RunError = Fault<RunErrorCode>

public enum RunErrorCode: FaultCode {
  case store, locked, newerStore, selection, notFound, damaged, environment
}
