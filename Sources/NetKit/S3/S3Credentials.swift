/// Keys of an account, permanent or temporary. Descriptions never contain them.
public struct S3Credentials: Equatable, Sendable {
  public var accessKey: String
  public var secretKey: String
  public var sessionToken: String?
  /// Seconds since 1970.
  public var expires: Int?

  public init(accessKey: String, secretKey: String, sessionToken: String? = nil, expires: Int? = nil) {
    self.accessKey = accessKey
    self.secretKey = secretKey
    self.sessionToken = sessionToken
    self.expires = expires
  }

  /// A text without the keys, for server messages that may repeat them.
  func hidden(in text: String) -> String {
    [secretKey, sessionToken ?? "", accessKey].filter { !$0.isEmpty }.reduce(text) { $0.replacing($1, with: "…") }
  }
}

extension S3Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "keys (hidden)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Environment variables; absent and empty ones are nil.
public typealias EnvironmentReading = @Sendable (String) -> String?
