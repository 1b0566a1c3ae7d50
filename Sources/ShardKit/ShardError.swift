/// An error of reading or writing bytes: a file, a stream, a record.
///
/// `description` is one sentence: *where* (`subject`), *what and why* (`message`), *what to do next* (`hint`).
public struct ShardError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    case notFound, permission, diskFull, io
    /// The input ends before its format says so.
    case truncated
    /// The input contradicts its format.
    case malformed
    /// A bound (line, record, depth) is exceeded.
    case tooLarge
    case unsupported
  }

  public var code: Code
  public var subject: String
  public var message: String
  public var hint: String?

  public init(_ code: Code, _ subject: String, _ message: String, hint: String? = nil) {
    self.code = code
    self.subject = subject
    self.message = message
    self.hint = hint
  }

  public var description: String {
    sentence("\(subject): \(message)", hint: hint)
  }
}

/// A message with a period, unless it ends in a question mark, followed by the hint.
public func sentence(_ message: String, hint: String?) -> String {
  let closed = message.hasSuffix("?") || message.hasSuffix(".") ? message : message + "."
  return hint.map { "\(closed) \($0)" } ?? closed
}
