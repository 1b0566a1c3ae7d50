import ShardKit

/// The files `~/.aws/credentials` and `~/.aws/config`: sections of `key = value` lines.
/// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
struct ProfileFiles {
  let profile: String
  /// Whether the profile was named explicitly, so that it must exist.
  let isNamed: Bool
  private let environment: EnvironmentReading

  init(profile: String?, environment: @escaping EnvironmentReading) {
    self.environment = environment
    let named = profile ?? environment("AWS_PROFILE") ?? environment("AWS_DEFAULT_PROFILE")
    self.profile = named ?? "default"
    isNamed = named != nil
  }

  private func path(_ variable: String, _ name: String) -> String? {
    if let path = environment(variable) {
      guard path.hasPrefix("~/"), let home = environment("HOME") else { return path }
      return home + path.dropFirst()
    }
    return environment("HOME").map { "\($0)/.aws/\(name)" }
  }

  var credentialsPath: String { path("AWS_SHARED_CREDENTIALS_FILE", "credentials") ?? "~/.aws/credentials" }

  /// The profile's settings in both files; the credentials file takes precedence.
  func settings() throws(NetError) -> [String: String]? {
    let config = try section(
      path("AWS_CONFIG_FILE", "config"), profile == "default" ? ["default", "profile default"] : ["profile \(profile)"])
    let keys = try section(credentialsPath, [profile])
    guard keys != nil || config != nil else { return nil }
    return (config ?? [:]).merging(keys ?? [:]) { $1 }
  }

  /// The keys of the profile; nil if it has none.
  func credentials() throws(NetError) -> S3Credentials? {
    guard let settings = try settings() else {
      guard isNamed else { return nil }
      throw NetError(
        .storage, credentialsPath, "there is no profile '\(profile)'",
        hint: "Check AWS_PROFILE or the option \"profile\".")
    }
    if let access = settings["aws_access_key_id"], let secret = settings["aws_secret_access_key"] {
      return S3Credentials(accessKey: access, secretKey: secret, sessionToken: settings["aws_session_token"])
    }
    let indirect = ["credential_process", "sso_session", "sso_start_url", "role_arn", "login_session"]
    if let way = indirect.first(where: { settings[$0] != nil }) {
      throw NetError(
        .storage, credentialsPath, "the profile '\(profile)' gets its keys by \(way), which is not supported",
        hint: "Put them into the environment: eval \"$(aws configure export-credentials --format env)\".")
    }
    guard isNamed else { return nil }
    throw NetError(.storage, credentialsPath, "the profile '\(profile)' has no aws_access_key_id and secret")
  }

  private func section(_ path: String?, _ names: Set<String>) throws(NetError) -> [String: String]? {
    guard let path, FileSystem.exists(path) else { return nil }
    let bytes: [UInt8]
    do throws(ShardError) { bytes = try FileSystem.read(path, limit: 1 << 20) } catch { throw NetError(error) }
    return Self.section(names, of: String(decoding: bytes, as: UTF8.self))
  }

  static func section(_ names: Set<String>, of text: String) -> [String: String]? {
    var found: [String: String]?
    var isInside = false
    for line in text.split(whereSeparator: \.isNewline) {
      let content = line.trimmed
      if content.isEmpty || content.hasPrefix("#") || content.hasPrefix(";") { continue }
      if content.hasPrefix("["), let end = content.firstIndex(of: "]") {
        let name = content[content.index(after: content.startIndex)..<end]
        isInside = names.contains(name.split(whereSeparator: \.isWhitespace).joined(separator: " "))
        if isInside { found = found ?? [:] }
      } else if isInside, !line.first!.isWhitespace, let equals = content.firstIndex(of: "=") {
        let key = content[..<equals].trimmed.lowercased()
        let value = content[content.index(after: equals)...].trimmed
        if !value.isEmpty { found![key] = String(value) }
      }
    }
    return found
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var part = drop(while: \.isWhitespace)
    while part.last?.isWhitespace == true { part.removeLast() }
    return part
  }
}
