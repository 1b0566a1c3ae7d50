import ShardKit

extension HubClient {
  func isGated(_ response: HTTPResponse) -> Bool { response.headers["X-Error-Code"] == "GatedRepo" }

  /// Converts an error response to an error with a hint. Like the Hub's own clients, it uses `X-Error-Code`.
  public func refusal(_ response: HTTPResponse) -> NetError {
    let words = words(of: response)
    let (message, hint) = sentence(response, words)
    var error = NetError(.status, response.url.shown, message, hint: hint)
    error.status = response.status
    error.isTransient = response.status == 409 || response.status == 412
    return error
  }

  /// Explains an error for a file with the Hub's response to a HEAD request for that file.
  public func explain(_ error: NetError, _ file: WebURL) -> NetError {
    guard let response = try? send(request(.head, file)), !response.head.isSuccess else { return error }
    return refusal(response)
  }

  private func sentence(_ response: HTTPResponse, _ words: String) -> (String, String?) {
    let name = "\(repository.kind.rawValue) \(repository.name)"
    switch (response.status, response.headers["X-Error-Code"] ?? "") {
    case (_, "GatedRepo"): return gated(name)
    case (404, "RevisionNotFound"):
      return ("the \(name) has no such revision", "Check \"revision\": a branch, a tag or a commit.")
    case (404, "EntryNotFound"): return ("the \(name) has no such file in this revision", "List it again.")
    case (401, "RepoNotFound"), (404, _):
      return (
        "there is no \(name), or \(token.map { "\($0) may not see it" } ?? "it is private")",
        token == nil
          ? "Check the name and the kind, or set a token." : "Check the name, the kind and the token's permissions."
      )
    case (401, _):
      guard let token else {
        return ("a token is required\(words)", "Create one at \(tokensPage) and put it into the environment.")
      }
      return (
        "the Hub does not accept \(token)\(words)",
        "Create a new one at \(tokensPage); it may have expired or been revoked."
      )
    case (403, _):
      return (
        "\(token.map(\.description) ?? "a request without a token") is not authorized\(words)",
        "Create one with write access to \(repository.owner) at \(tokensPage)."
      )
    case (409, _): return ("another operation on the \(name) is in progress\(words)", "Run again.")
    case (412, _):
      return (
        "somebody else has committed to the \(name) in the meantime",
        "Run again: it starts from their commit, and uploaded large files are kept."
      )
    case (413, _):
      return (
        "the request exceeds the Hub's limit\(words)", "Upload fewer or larger files, for example larger shards."
      )
    default: return ("the Hub responded with \(response.head.described)\(words)", nil)
    }
  }

  private func gated(_ name: String) -> (String, String?) {
    guard let token else {
      return (
        "access to the \(name) requires accepting its terms",
        "Accept them at \(repository.page), create a token at \(tokensPage) and put it into the environment."
      )
    }
    return (
      "access to the \(name) requires accepting its terms, which the owner of \(token) has not done",
      "Accept them at \(repository.page) with the token's account."
    )
  }

  private var tokensPage: String { "\(repository.endpoint)/settings/tokens" }

  /// The server's own message: shortened, on one line, and without the token if it repeats it.
  private func words(of response: HTTPResponse) -> String {
    let own = response.headers["X-Error-Message"] ?? (try? JSONValue.parse(response.body).value)?["error"]?.string
    return own.map { $0.isEmpty ? "" : " (\"\(shown($0))\")" } ?? ""
  }

  /// A server's text, for a message.
  func shown(_ text: String) -> String {
    let own = token.map { text.replacing($0.value, with: "…") } ?? text
    let plain = own.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : $0 }.prefix(200)
    return String(String.UnicodeScalarView(plain))
  }

  func tooManyRequests(_ error: NetError) -> NetError {
    var error = error
    error.message = "the Hub accepts no more requests for now (429)"
    let wait = error.retryAfterSeconds.map { "It asks clients to wait \(Int($0.rounded(.up))) seconds. " } ?? ""
    error.hint = wait + "Run again later, with a token if there was none. Uploaded files are not sent again."
    return error
  }
}
