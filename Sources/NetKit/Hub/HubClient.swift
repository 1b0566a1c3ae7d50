import ShardKit

/// A token and its name for messages. The value is only sent to the Hub's origin.
public struct HubToken: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  /// The environment variable that it was read from.
  public let variable: String
  let value: String

  public init(variable: String, value: String) {
    self.variable = variable
    self.value = value
  }

  public var description: String { "the token in \(variable)" }
  public var debugDescription: String { description }
}

extension HTTPRequest {
  /// Adds a token. Redirects to other origins do not receive it.
  public mutating func authorize(_ token: HubToken) { headers["Authorization"] = "Bearer \(token.value)" }
}

/// A client for one repository of a Hub. Used by one thread, like its `HTTPClient`.
///
/// The API is described at https://huggingface.co/docs/hub/api, large files at
/// https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
public final class HubClient {
  public let repository: HubRepository
  public let token: HubToken?
  let http: HTTPClient

  public init(_ repository: HubRepository, token: HubToken?, http: HTTPClient) {
    self.repository = repository
    self.token = token
    self.http = http
  }

  /// A request, with the token if it goes to the Hub's origin.
  public func request(_ method: HTTPRequest.Method = .get, _ url: WebURL) -> HTTPRequest {
    var request = HTTPRequest(method, url)
    if let token, url.origin == repository.origin { request.authorize(token) }
    return request
  }

  /// A POST that may be retried: all POST requests to the Hub that are used here are idempotent.
  func post(_ url: WebURL, _ body: JSONValue, type: String = "application/json") -> HTTPRequest {
    var request = request(.post, url)
    request.isRepeatable = true
    request.headers["Content-Type"] = type
    request.headers["Accept"] = type
    request.body = .bytes(Array(body.text().utf8))
    return request
  }

  /// Returns the response with any status. Persistent errors get messages about the Hub.
  func send(_ request: HTTPRequest) throws(NetError) -> HTTPResponse {
    do throws(NetError) { return try http.send(request) } catch {
      throw error.status == 429 ? tooManyRequests(error) : error
    }
  }

  func json(_ response: HTTPResponse) throws(NetError) -> JSONValue {
    guard let value = try? JSONValue.parse(response.body).value else {
      throw malformed(response.url, "it is not valid JSON")
    }
    return value
  }

  /// The response's JSON; a status other than 2xx is an error.
  func ask(_ request: HTTPRequest) throws(NetError) -> JSONValue {
    let response = try send(request)
    guard response.head.isSuccess else { throw refusal(response) }
    return try json(response)
  }

  func malformed(_ url: WebURL, _ what: String) -> NetError {
    NetError(
      .content, url.shown, "the response does not match the Hub's API: \(what)",
      hint: "Check the endpoint; it may be another kind of server.")
  }

  // MARK: The repository

  /// The commit that a revision resolves to; nil if the repository or the revision does not exist or is not visible.
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`); a missing revision is no error.
  public func commit(of revision: String) throws(NetError) -> String? {
    let response = try send(request(.get, repository.api("revision", revision)))
    // Without a token, private and missing repositories look the same: the Hub returns 401 for both.
    let isAbsent = response.status == 404 || response.status == 401 && token == nil
    return isAbsent && !isGated(response) ? nil : try commit(in: response)
  }

  /// The commit that a revision resolves to; an error if there is none.
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`), also if there is none.
  public func existingCommit(of revision: String) throws(NetError) -> String {
    try commit(in: send(request(.get, repository.api("revision", revision))))
  }

  private func commit(in response: HTTPResponse) throws(NetError) -> String {
    guard response.head.isSuccess else { throw refusal(response) }
    guard let sha = try json(response)["sha"]?.string, HubRepository.isCommit(sha) else {
      throw malformed(response.url, "a revision has no commit")
    }
    return sha
  }

  /// Creates the repository unless it exists.
  /// - Returns: whether it was created.
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`).
  @discardableResult
  public func create(isPrivate: Bool) throws(NetError) -> Bool {
    let url = try WebURL("\(repository.endpoint)/api/repos/create")
    let response = try send(
      post(
        url,
        [
          "name": .string(repository.plainName), "organization": .string(repository.owner),
          "type": .string(repository.kind.rawValue), "private": .bool(isPrivate),
        ]))
    if response.status == 409 { return false }
    guard response.head.isSuccess else { throw refusal(response) }
    return true
  }

  /// Creates a branch from `main` unless it exists.
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`).
  public func create(branch: String) throws(NetError) {
    let response = try send(post(try repository.api("branch", branch), ["startingPoint": "main"]))
    guard response.status == 409 || response.head.isSuccess else { throw refusal(response) }
  }
}
