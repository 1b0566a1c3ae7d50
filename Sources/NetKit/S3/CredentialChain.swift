import Synchronization

/// Finds the keys to sign with: from the environment, a profile, a container, or the machine's role.
///
/// They are renewed some minutes before they expire, and after a server reports that they have expired. They are never
/// stored. https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
public final class CredentialChain: Sendable {
  private let environment: EnvironmentReading
  private let profile: String?
  private let clock: any NetClock
  private let known = Mutex<S3Credentials?>(nil)

  /// - Parameter profile: takes precedence over the environment's keys.
  public init(
    profile: String? = nil, environment: @escaping EnvironmentReading, clock: any NetClock = SystemClock()
  ) {
    self.profile = profile
    self.environment = environment
    self.clock = clock
  }

  /// Keys with less remaining time are renewed.
  private static let renewalSeconds = 300

  /// Other threads wait while one fetches keys.
  func credentials(isCancelled: @escaping () -> Bool) throws(NetError) -> S3Credentials {
    let now = clock.wallSeconds
    return try known.withLock { (known) throws(NetError) in
      if let keys = known, keys.expires.map({ $0 - now > Self.renewalSeconds }) ?? true { return keys }
      do throws(NetError) {
        let keys = try find(isCancelled)
        known = keys
        return keys
      } catch {
        // The old keys can be used until they expire.
        guard let keys = known, let expires = keys.expires, expires > now, error.isTransient else { throw error }
        return keys
      }
    }
  }

  /// These keys were refused as expired: the next request looks for new ones.
  func forget(_ credentials: S3Credentials) {
    known.withLock { if $0 == credentials { $0 = nil } }
  }

  private func find(_ isCancelled: @escaping () -> Bool) throws(NetError) -> S3Credentials {
    let files = ProfileFiles(profile: profile, environment: environment)
    if profile == nil, let keys = try fromEnvironment() { return keys }
    if let keys = try files.credentials() { return keys }
    // Before the machine's role, which would be another identity.
    guard environment("AWS_WEB_IDENTITY_TOKEN_FILE") == nil else {
      throw NetError(
        .storage, "AWS_WEB_IDENTITY_TOKEN_FILE", "web identity tokens are not supported",
        hint: "Put keys into the environment: eval \"$(aws configure export-credentials --format env)\".")
    }
    let service = CredentialService(environment: environment, isCancelled: isCancelled)
    if let keys = try service.containerCredentials() { return keys }
    if let keys = try service.roleCredentials() { return keys }
    throw NetError(
      .storage, "S3", "no keys were found",
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with a profile in "
        + "\(files.credentialsPath), or \"anonymous\" for a public bucket.")
  }

  private func fromEnvironment() throws(NetError) -> S3Credentials? {
    let (access, secret) = (environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"))
    if let access, let secret {
      return S3Credentials(accessKey: access, secretKey: secret, sessionToken: environment("AWS_SESSION_TOKEN"))
    }
    guard access == nil, secret == nil else {
      let (there, absent) =
        access == nil ? ("SECRET_ACCESS_KEY", "ACCESS_KEY_ID") : ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
      throw NetError(
        .storage, "environment", "AWS_\(there) is set, but AWS_\(absent) is not", hint: "Set both, or neither.")
    }
    return nil
  }
}
