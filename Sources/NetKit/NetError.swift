public import ShardKit

/// A network error. `description` says where, what, why and what to do next.
public struct NetError: DescribedError, Equatable {
  public enum Code: String, Sendable {
    /// Requests to the URL are not allowed: a private network, an unsupported scheme, or malformed.
    case address
    /// No response: name resolution, connection, TLS or timeout.
    case connection
    /// A response with an error status.
    case status
    /// A response with an unexpected length, digest or format.
    case content
    /// robots.txt does not allow the request.
    case robots
    /// An error of the disk or of the state on it.
    case storage
    case cancelled
  }

  public var code: Code
  /// The URL, without secrets.
  public var subject: String
  public var message: String
  public var hint: String?
  /// The response's status, if there was one.
  public var status: Int?
  /// A retry may succeed: no connection, or a busy server.
  public var isTransient = false
  /// There was no connection, so the server has not seen the request.
  public var isUnsent = false
  /// Too many redirects.
  var isRedirectLoop = false
  /// Authenticated, but not authorized.
  public var isDenied = false
  /// The keys that signed the request have expired.
  var hasExpired = false
  /// How long the server asked clients to wait.
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

  func unsent() -> NetError {
    var error = self
    error.isUnsent = true
    return error
  }

  static let stopped = NetError(.cancelled, "", "the transfer was stopped")
}
