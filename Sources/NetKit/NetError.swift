import ShardKit

/// What went wrong between here and a server. `description` says where, what, why and what next.
public struct NetError: Error, Equatable, Sendable {
  public enum Code: String, Sendable {
    /// The address is not one that may be asked: a private network, another scheme, malformed.
    case address
    /// No answer: name, connection, TLS, time.
    case connection
    /// An answer that says no.
    case status
    /// An answer that does not hold what it promised: its length, its digest, its form.
    case content
  }

  public var code: Code
  /// The URL, without any secret in it.
  public var subject: String
  public var message: String
  public var hint: String?

  public init(_ code: Code, _ subject: String, _ message: String, hint: String? = nil) {
    self.code = code
    self.subject = subject
    self.message = message
    self.hint = hint
  }
}

extension NetError: CustomStringConvertible {
  public var description: String { sentence(subject.isEmpty ? message : "\(subject): \(message)", hint: hint) }
}
