import ShardKit

/// A key of an endpoint and where it came from. The value is only sent to the endpoint, never shown or stored.
public struct EndpointKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  /// For messages: "the key in the variable LLM_KEY".
  public let description: String
  let value: String

  public init(_ value: String, described description: String) {
    self.value = value
    self.description = description
  }

  public var debugDescription: String { description }

  func removed(from text: String) -> String {
    text.contains(value) ? String(decoding: removed(from: Array(text.utf8)), as: UTF8.self) : text
  }

  /// The bytes with an ellipsis in place of the key: an endpoint may repeat what it was sent.
  func removed(from bytes: [UInt8]) -> [UInt8] {
    let key = Array(value.utf8)
    guard !key.isEmpty, bytes.count >= key.count else { return bytes }
    var out: [UInt8] = []
    var at = 0
    while let found = bytes[at...].firstIndex(of: key[0]) {
      out += bytes[at..<found]
      let isKey = bytes[found...].starts(with: key)
      out += isKey ? Array("…".utf8) : [key[0]]
      at = found + (isKey ? key.count : 1)
    }
    return out + bytes[at...]
  }
}

/// An endpoint for chat completions as OpenAI defines them, which vLLM, SGLang, llama.cpp, Ollama and others offer.
///
/// API: https://platform.openai.com/docs/api-reference/chat
public struct ChatEndpoint: Sendable {
  /// `https://host/v1/chat/completions`
  public let url: WebURL
  private let key: EndpointKey?
  private let header: String
  private let maximumBytes: Int
  private let seconds: Int

  /// - Parameters:
  ///   - base: `https://host/v1`, or the whole URL up to `/chat/completions`; a query is kept.
  ///   - header: the field that the key is sent in; `Authorization` sends it as a bearer token.
  ///   - maximumBytes: larger responses are errors.
  ///   - seconds: how long a response may take.
  /// - Throws: `NetError` (`.address`) if the URL is malformed.
  public init(
    base: WebURL, key: EndpointKey?, header: String = "Authorization", maximumBytes: Int, seconds: Int
  ) throws(NetError) {
    let parts = base.text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var path = String(parts[0])
    while path.hasSuffix("/") { path.removeLast() }
    if !path.hasSuffix(Self.path) { path += Self.path }
    url = try WebURL(parts.count > 1 ? "\(path)?\(parts[1])" : path)
    self.key = key
    self.header = header
    self.maximumBytes = maximumBytes
    self.seconds = seconds
  }

  private static let path = "/chat/completions"

  /// The request for one completion. It is sent once; repetition is up to the caller, who counts what it may cost.
  func request(_ body: [UInt8]) -> HTTPRequest {
    var request = HTTPRequest(.post, url)
    request.headers["Content-Type"] = "application/json"
    request.headers["Accept"] = "application/json"
    authorize(&request)
    request.body = .bytes(body)
    request.maximumBytes = maximumBytes
    request.acceptsCompressed = true
    request.isRepeatable = false
    request.followsRedirects = false
    request.returnsEveryStatus = true
    // Nothing arrives while the model computes.
    request.stallSeconds = seconds
    return request
  }

  private func authorize(_ request: inout HTTPRequest) {
    guard let key else { return }
    let isBearer = header.lowercased() == "authorization"
    request.headers[header] = isBearer ? "Bearer \(key.value)" : key.value
  }

  /// What a response means, without the key.
  func reading(_ response: HTTPResponse) -> ChatReading {
    guard let key else { return ChatReading(response, body: response.body) }
    // Within JSON, a key may also be written with escapes.
    return ChatReading(response, body: key.removed(from: response.body)).mapped { key.removed(from: $0) }
  }

  /// The models that the endpoint names; nil if it has no list of them.
  /// - Throws: `NetError` if it cannot be reached, or refuses the key.
  public func models(_ client: HTTPClient) throws(NetError) -> [String]? {
    let list = try WebURL(url.text.replacing(Self.path, with: "/models"))
    var request = HTTPRequest(.get, list)
    authorize(&request)
    request.followsRedirects = false
    request.maximumBytes = 16 << 20
    let response = try client.send(request)
    if response.status == 401 || response.status == 403 { throw ChatReading.keyRefused(response) }
    guard response.head.isSuccess, let json = try? JSONValue.parse(response.body).value else { return nil }
    return json["data"]?.array?.compactMap { $0["id"]?.string }
  }
}
