import NetKit
public import PipelineKit
import ShardKit

/// How an endpoint is reached.
public struct EndpointOptions: StageOptions {
  @Option(
    "The name of the environment variable that contains the key. Empty: none. The key is never stored.",
    affectsOutput: false)
  public var keyVariable = ""
  @Option("A file that contains the key, as an absolute path. Empty: none.", affectsOutput: false)
  public var keyFile = ""
  @Option("The header that the key is sent in; Authorization sends \"Bearer KEY\".", affectsOutput: false)
  public var keyHeader = "Authorization"
  @Option("Allows an endpoint on this machine or in a private network.", affectsOutput: false)
  public var allowPrivateAddresses = false

  public init() {}

  func validate(endpoint: String) throws {
    let url = try statedURL(
      endpoint, "endpoint", hint: "Put the key into an environment variable, and name it in \"keyVariable\".")
    try validateKeyVariable()
    guard keyFile.isEmpty || keyFile.hasPrefix("/") else {
      throw StageError(
        .options, "keyFile", "is not an absolute path", hint: "Name a file that contains the key, not the key itself.")
    }
    guard keyVariable.isEmpty || keyFile.isEmpty else {
      throw StageError(.options, "keyFile", "stands beside keyVariable", hint: "Remove one of them.")
    }
    let isHeader = !keyHeader.isEmpty && keyHeader.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: ":") }
    guard isHeader else { throw StageError(.options, "keyHeader", "is not the name of a header") }
    guard url.scheme == "https" || keyVariable.isEmpty && keyFile.isEmpty || allowPrivateAddresses else {
      throw StageError(
        .options, "endpoint", "\(url) is unencrypted http, which would expose the key",
        hint: "Use https, or set \"allowPrivateAddresses\" if the server is in your own network.")
    }
  }

  /// Refuses a key in place of a variable's name, since it would be stored with the run. The error does not repeat it.
  private func validateKeyVariable() throws {
    let letters = keyVariable.utf8
    let isName =
      letters.allSatisfy { $0 == 0x5F || $0 >= 48 && $0 <= 57 || $0 >= 65 && $0 <= 90 || $0 >= 97 && $0 <= 122 }
      && !(letters.first.map { $0 >= 48 && $0 <= 57 } ?? false)
    guard isName, letters.count <= 64, !["sk_", "gsk_", "hf_", "xai_"].contains(where: keyVariable.hasPrefix) else {
      throw StageError(
        .options, "keyVariable", "must name an environment variable, not contain the key itself",
        hint:
          "Put the key into a variable such as LLM_KEY and write \"LLM_KEY\". Revoke a key that was written to a file.")
    }
  }

  /// - Throws: `StageError` if the key is not where the options say.
  func key() throws -> EndpointKey? {
    if !keyVariable.isEmpty {
      guard let value = environmentValue(keyVariable) else {
        throw StageError(
          .environment, "keyVariable", "the environment variable \(keyVariable) is not set",
          hint: "Set it to the endpoint's key where the run is started.")
      }
      return try checked(EndpointKey(value, described: "the key in \(keyVariable)"), value)
    }
    guard !keyFile.isEmpty else { return nil }
    let text = String(decoding: try FileSystem.read(keyFile, limit: 1 << 16), as: UTF8.self)
    let value = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    return try checked(EndpointKey(value, described: "the key in \(keyFile)"), value)
  }

  private func checked(_ key: EndpointKey, _ value: String) throws -> EndpointKey {
    guard value.utf8.count >= 4, value.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
      throw StageError(
        .environment, keyVariable.isEmpty ? "keyFile" : "keyVariable", "\(key) is not a key: a word of ASCII characters"
      )
    }
    return key
  }

  func chatEndpoint(_ endpoint: String, _ limits: InferLimitOptions) throws -> ChatEndpoint {
    try ChatEndpoint(
      base: try WebURL(endpoint), key: try key(), header: keyHeader, maximumBytes: limits.maximumResponse.bytes,
      seconds: limits.answerSeconds)
  }

  /// A client for one of a task's threads.
  func client(_ limits: InferLimitOptions, _ control: TaskControl) throws(NetError) -> HTTPClient {
    var options = HTTPClient.Options()
    options.allowsSpecialAddresses = allowPrivateAddresses
    options.wholeSeconds = Double(limits.answerSeconds)
    options.retrying.attempts = limits.attempts
    return try HTTPClient(
      options, politeness: Politeness(Politeness.Rules(delaySeconds: 0, requestsAtOnce: 1)),
      isCancelled: {
        do { try control.check() } catch { return true }; return false
      })
  }
}
