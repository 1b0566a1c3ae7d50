/// An error of reading or writing bytes: a file, a stream, a record.
///
/// `description` is one sentence: *where* (`subject`), *what and why* (`message`), *what to do next* (`hint`).
public typealias ShardError = Fault<ShardErrorCode>

public enum ShardErrorCode: FaultCode {
  case notFound, permission, diskFull, io
  /// The input ends before its format says so.
  case truncated
  /// The input contradicts its format.
  case malformed
  /// A bound (line, record, depth) is exceeded.
  case tooLarge
  case unsupported

  public var isTransient: Bool { self == .io }
}
