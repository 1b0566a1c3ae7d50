import ShardKit

/// A token and the name by which sentences speak of it. The value is sent to the Hub's origin and nowhere else.
public struct HubToken: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  /// The variable of the environment that it was read from.
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
  /// Shows a token. Redirects to other origins do not carry it on.
  public mutating func authorize(_ token: HubToken) { headers["Authorization"] = "Bearer \(token.value)" }
}

/// Asks a Hub about one repository. Used by one thread, as its `HTTPClient` is.
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

  /// A question, with the token if it goes to the Hub's own origin.
  public func request(_ method: HTTPRequest.Method = .get, _ url: WebURL) -> HTTPRequest {
    var request = HTTPRequest(method, url)
    if let token, url.origin == repository.origin { request.authorize(token) }
    return request
  }

  /// A POST that may be put again: every one of the Hub's that is asked here does no more the second time.
  func post(_ url: WebURL, _ body: JSONValue, type: String = "application/json") -> HTTPRequest {
    var request = request(.post, url)
    request.isRepeatable = true
    request.headers["Content-Type"] = type
    request.headers["Accept"] = type
    request.body = .bytes(Array(body.text().utf8))
    return request
  }

  /// The answer, whatever its status, with the failures that do not pass as sentences about the Hub.
  func send(_ request: HTTPRequest) throws(NetError) -> HTTPResponse {
    do throws(NetError) { return try http.send(request) } catch {
      throw error.status == 429 ? tooManyRequests(error) : error
    }
  }

  func json(_ response: HTTPResponse) throws(NetError) -> JSONValue {
    guard let value = try? JSONValue.parse(response.body).value else {
      throw malformed(response.url, "its answer is no JSON")
    }
    return value
  }

  /// The answer's JSON; any status but 2xx is an error.
  func ask(_ request: HTTPRequest) throws(NetError) -> JSONValue {
    let response = try send(request)
    guard response.head.isSuccess else { throw refusal(response) }
    return try json(response)
  }

  func malformed(_ url: WebURL, _ what: String) -> NetError {
    NetError(
      .content, url.shown, "the Hub does not answer as its API says: \(what)",
      hint: "Check the endpoint; it may be another kind of server.")
  }

  // MARK: The repository

  /// The commit that a revision stands for; nil where the repository or the revision is not there, or not to be seen.
  public func commit(of revision: String) throws(NetError) -> String? {
    let response = try send(request(.get, repository.api("revision", revision)))
    // To a reader without a token a private repository looks like none, and the Hub says 401 for both.
    let isAbsent = response.status == 404 || response.status == 401 && token == nil
    return isAbsent && !isGated(response) ? nil : try commit(in: response)
  }

  /// The commit that a revision stands for; an error where there is none.
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

  /// Makes the repository, unless it is there.
  /// - Returns: whether it was made.
  @discardableResult
  public func create(isPrivate: Bool) throws(NetError) -> Bool {
    let url = try WebURL("\(repository.endpoint)/api/repos/create")
    let response = try send(
      post(
        url,
        [
          "name": .string(String(repository.plainName)), "organization": .string(String(repository.owner)),
          "type": .string(repository.kind.rawValue), "private": .bool(isPrivate),
        ]))
    if response.status == 409 { return false }
    guard response.head.isSuccess else { throw refusal(response) }
    return true
  }

  /// Makes a branch that begins where `main` is, unless it is there.
  public func create(branch: String) throws(NetError) {
    let response = try send(post(try repository.api("branch", branch), ["startingPoint": "main"]))
    guard response.status == 409 || response.head.isSuccess else { throw refusal(response) }
  }
}
