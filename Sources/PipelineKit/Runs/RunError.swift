import ShardKit

/// An error that stops a complete run: the store, the lock, the selection, or failed stages.
public struct RunError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    case store, locked, newerStore, selection, stageFailed, interrupted, notFound, damaged, environment
  }

  public var code: Code
  public var message: String
  public var hint: String?

  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  public var description: String { sentence(message, hint: hint) }
}
