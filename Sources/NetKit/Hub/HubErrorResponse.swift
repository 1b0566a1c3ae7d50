import ShardKit

extension HubClient {
  func isGated(_ response: HTTPResponse) -> Bool { response.headers["X-Error-Code"] == "GatedRepo" }

  /// An answer that says no, as a sentence that says what to do. `X-Error-Code` is what the Hub's own clients go by.
  public func refusal(_ response: HTTPResponse) -> NetError {
    let words = words(of: response)
    let (message, hint) = sentence(response, words)
    var error = NetError(.status, response.url.shown, message, hint: hint)
    error.status = response.status
    error.isTransient = response.status == 409 || response.status == 412
    return error
  }

  /// A refusal to give a file, with what the Hub says of it when it is asked about the file alone.
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
          ? "Check the name and the kind, or set a token." : "Check the name, the kind and the token's rights."
      )
    case (401, _):
      guard let token else {
        return ("it asks for a token\(words)", "Make one at \(tokensPage) and put it into the environment.")
      }
      return (
        "the Hub does not accept \(token)\(words)",
        "Make a new one at \(tokensPage); it may have lapsed or been revoked."
      )
    case (403, _):
      return (
        "\(token.map(\.description) ?? "a reader without a token") may not do this\(words)",
        "Make one with write access to \(repository.owner) at \(tokensPage)."
      )
    case (409, _): return ("something else is being done to the \(name) at this moment\(words)", "Run again.")
    case (412, _):
      return (
        "somebody else has committed to the \(name) meanwhile",
        "Run again: it begins from their commit, and large files that were sent stay sent."
      )
    case (413, _):
      return (
        "this is more than the Hub takes at once\(words)", "Upload fewer or larger files; shards may be joined."
      )
    default: return ("the Hub answered \(response.head.described)\(words)", nil)
    }
  }

  private func gated(_ name: String) -> (String, String?) {
    guard let token else {
      return (
        "the \(name) is open only to those who have accepted its terms",
        "Accept them at \(repository.page), make a token at \(tokensPage) and put it into the environment."
      )
    }
    return (
      "the \(name) is open only to those who have accepted its terms, and the owner of \(token) has not",
      "Accept them at \(repository.page) with the account that the token is of."
    )
  }

  private var tokensPage: String { "\(repository.endpoint)/settings/tokens" }

  /// What the server says itself: bounded, on one line, without the token should it be repeated.
  private func words(of response: HTTPResponse) -> String {
    let own = response.headers["X-Error-Message"] ?? (try? JSONValue.parse(response.body).value)?["error"]?.string
    return own.map { $0.isEmpty ? "" : " (\"\(shown($0))\")" } ?? ""
  }

  /// A server's text for a message.
  func shown(_ text: String) -> String {
    let own = token.map { text.replacing($0.value, with: "…") } ?? text
    let plain = own.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : $0 }.prefix(200)
    return String(String.UnicodeScalarView(plain))
  }

  func tooManyRequests(_ error: NetError) -> NetError {
    var error = error
    error.message = "the Hub takes no more requests for now (429)"
    let wait = error.retryAfterSeconds.map { "It asks to be left alone for \(Int($0.rounded(.up))) seconds. " } ?? ""
    error.hint = wait + "Run again later, with a token if there was none: what was sent is not sent again."
    return error
  }
}
