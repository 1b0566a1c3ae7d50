public import ShardKit

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
    /// robots.txt does not allow the question.
    case robots
    /// The disk or the state on it.
    case storage
    case cancelled
  }

  public var code: Code
  /// The URL, without any secret in it.
  public var subject: String
  public var message: String
  public var hint: String?
  /// The answer's status, where there was one.
  public var status: Int?
  /// Asked again later, it may go well: no connection, a busy server.
  public var isTransient = false
  /// It ended after too many redirects.
  var isRedirectLoop = false
  /// A service that was asked rightly does not permit this to whoever asks.
  public var isDenied = false
  /// The keys that signed the question are no longer good.
  var hasExpired = false
  /// How long the server asked to be left alone.
  public var retryAfterSeconds: Double?

  public init(_ code: Code, _ subject: String, _ message: String, hint: String? = nil) {
    self.code = code
    self.subject = subject
    self.message = message
    self.hint = hint
  }

  public init(_ error: ShardError) {
    self.init(.storage, error.subject, error.message, hint: error.hint)
    isTransient = error.code == .io
  }

  func transient(status: Int? = nil, after seconds: Double? = nil) -> NetError {
    var error = self
    error.isTransient = true
    error.status = status
    error.retryAfterSeconds = seconds
    return error
  }

  static let stopped = NetError(.cancelled, "", "the transfer was stopped")
}

extension NetError: CustomStringConvertible {
  public var description: String { sentence(subject.isEmpty ? message : "\(subject): \(message)", hint: hint) }
}
