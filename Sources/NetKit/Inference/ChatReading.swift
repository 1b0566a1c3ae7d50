import ShardKit

/// What one response of an endpoint means: an answer, a reason to ask again, or a reason not to.
enum ChatReading {
  case answer(ChatAnswer, usage: ChatUsage?)
  /// Too many requests: all of them wait.
  case busy(String, seconds: Double?)
  /// A fault of the server, which may be gone at the next request.
  case fault(String, isPaid: Bool)
  /// The endpoint does not take this request, and would not take it again.
  case rejected(String, isPaid: Bool)
  /// The request does not fit into the model's context. That is up to the server, which may be set up for a longer one
  /// tomorrow: nothing of it is kept.
  case tooLong(String)
  /// No request will succeed: the key, the model, the URL or the account is wrong.
  case hopeless(NetError)

  /// - Parameter body: without the key.
  init(_ response: HTTPResponse, body: [UInt8]) {
    guard response.status != 200 else {
      self = Self.completion(body)
      return
    }
    self = Self.refusal(response, EndpointMessage(body))
  }

  /// The same with other texts.
  func mapped(_ change: (String) -> String) -> ChatReading {
    switch self {
    case .answer(var answer, let usage):
      answer.content = change(answer.content)
      answer.detail = change(answer.detail)
      return .answer(answer, usage: usage)
    case .busy(let why, let seconds): return .busy(change(why), seconds: seconds)
    case .fault(let why, let isPaid): return .fault(change(why), isPaid: isPaid)
    case .rejected(let why, let isPaid): return .rejected(change(why), isPaid: isPaid)
    case .tooLong(let why): return .tooLong(change(why))
    case .hopeless(var error):
      error.message = change(error.message)
      return .hopeless(error)
    }
  }

  // MARK: Success

  private static func completion(_ body: [UInt8]) -> ChatReading {
    guard isUTF8(body), let json = try? JSONValue.parse(body).value else {
      return .fault("the response is not valid JSON", isPaid: true)
    }
    guard let choice = json["choices"]?.array?.first, let message = choice["message"] else {
      let said = EndpointMessage(body).text
      return .fault("the response has no choices" + (said.isEmpty ? "" : ": \(said)"), isPaid: true)
    }
    let usage = ChatUsage(json["usage"])
    let content = message["content"]?.string ?? ""
    if let refusal = message["refusal"]?.string, !refusal.isEmpty {
      return .answer(ChatAnswer(.refused, detail: EndpointMessage.shortened(refusal)), usage: usage)
    }
    let ending: ChatAnswer.Ending =
      switch choice["finish_reason"]?.string {
      case "length": .cut
      case "content_filter": .filtered
      default: .complete
      }
    return .answer(ChatAnswer(ending, content: content), usage: usage)
  }

  // MARK: Refusals

  private static func refusal(_ response: HTTPResponse, _ message: EndpointMessage) -> ChatReading {
    let status = response.status
    let said = message.text.isEmpty ? response.head.described : "\(response.head.described): \(message.text)"
    if [400, 413, 422].contains(status), message.isAboutContext { return .tooLong(message.text) }
    switch status {
    case 429 where message.isAboutQuota, 402: return .hopeless(quotaUsed(response, message))
    case 429:
      return .busy(said, seconds: Retrying.seconds(asked: response.head, now: SystemClock().wallSeconds))
    case 401, 403: return .hopeless(keyRefused(response, message))
    case 404, 405: return .hopeless(notFound(response, message))
    case 300..<400: return .hopeless(redirected(response))
    case 408, 425, 500...599: return .fault("the server responded with \(said)", isPaid: false)
    case 400..<500 where message.isAboutFilter:
      return .answer(ChatAnswer(.filtered, detail: message.text), usage: .nothing)
    case 400..<500 where message.isAboutModel: return .hopeless(notFound(response, message))
    default: return .rejected("the server responded with \(said)", isPaid: false)
    }
  }

  static func keyRefused(_ response: HTTPResponse, _ message: EndpointMessage? = nil) -> NetError {
    problem(
      response, message, "the endpoint does not accept the key",
      "Check the variable or file that holds it (\"keyVariable\", \"keyFile\"), and what it may be used for.")
  }

  private static func quotaUsed(_ response: HTTPResponse, _ message: EndpointMessage) -> NetError {
    problem(
      response, message, "the account's quota is used up",
      "Raise it with the endpoint's owner and run again: kept answers are not asked for again.")
  }

  private static func notFound(_ response: HTTPResponse, _ message: EndpointMessage) -> NetError {
    problem(
      response, message, "the endpoint has no such model or path",
      "Check \"model\" and \"endpoint\", which usually ends in /v1.")
  }

  private static func redirected(_ response: HTTPResponse) -> NetError {
    let place = response.headers["Location"].flatMap { try? WebURL($0).shown } ?? "another place"
    return problem(
      response, nil, "the endpoint redirects to \(place)", "Set \"endpoint\" to the URL that answers itself.")
  }

  private static func problem(
    _ response: HTTPResponse, _ message: EndpointMessage?, _ what: String, _ hint: String
  ) -> NetError {
    let said = message.map(\.text) ?? ""
    let detail = said.isEmpty ? response.head.described : "\(response.head.described): \(said)"
    var error = NetError(.status, response.url.shown, "\(what) (\(detail))", hint: hint)
    error.status = response.status
    return error
  }
}

/// The tokens that an endpoint says it has counted.
struct ChatUsage: Equatable {
  var input: Int
  var output: Int

  init(input: Int, output: Int) {
    self.input = input
    self.output = output
  }

  /// nil unless both numbers are there and plausible.
  init?(_ json: JSONValue?) {
    guard let input = json?["prompt_tokens"]?.integer, let output = json?["completion_tokens"]?.integer,
      (0..<Self.most).contains(input), (0..<Self.most).contains(output)
    else { return nil }
    self.init(input: input, output: output)
  }

  /// A request that was turned away.
  static let nothing = ChatUsage(input: 0, output: 0)
  private static let most = 1 << 40
}

/// What an endpoint says in an error response.
struct EndpointMessage {
  /// At most some hundred characters, on one line.
  let text: String
  /// The error's codes and types as OpenAI's API names them, and those within it, in lower case.
  private let codes: Set<String>
  /// The sentences of the server in lower case. Not the response as a whole: it may repeat the prompt.
  private let sentences: String

  init(_ body: [UInt8]) {
    let json = try? JSONValue.parse(body).value
    let error = json?["error"]
    let said =
      error?["message"]?.string ?? error?.string ?? json?["message"]?.string ?? json?["detail"].flatMap(Self.detail)
    text = Self.shortened(said ?? String(decoding: body.prefix(2000), as: UTF8.self))
    sentences = (said ?? "").prefix(4000).lowercased()
    let named = [
      error?["code"], error?["type"], error?["innererror"]?["code"], json?["code"], json?["type"], json?["error_type"],
    ]
    codes = Set(named.compactMap { $0?.string?.lowercased() })
  }

  /// FastAPI's: a text, or a list of what is wrong where. Its members `input` repeat the request.
  private static func detail(_ json: JSONValue) -> String? {
    guard let list = json.array else { return json.string }
    let problems = list.prefix(10).compactMap { problem -> String? in
      guard let message = problem["msg"]?.string else { return nil }
      let place = (problem["loc"]?.array ?? []).map { $0.string ?? $0.text() }.joined(separator: ".")
      return place.isEmpty ? message : "\(place): \(message)"
    }
    return problems.isEmpty ? nil : problems.joined(separator: "; ")
  }

  static func shortened(_ text: String) -> String {
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(300) {
      out.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
    }
    return String(out) + (text.unicodeScalars.count > 300 ? "…" : "")
  }

  private func mentions(_ words: [String]) -> Bool { words.contains { sentences.contains($0) } }

  /// Whether one of the codes says what the error is about.
  private var isNamed: Bool {
    !codes.isDisjoint(with: Self.filterCodes.union(Self.quotaCodes).union(Self.rateCodes).union([Self.modelCode]))
  }

  private static let contextCodes: Set = ["context_length_exceeded", "exceed_context_size_error"]
  private static let filterCodes: Set = ["content_filter", "responsibleaipolicyviolation", "content_policy_violation"]
  private static let quotaCodes: Set = ["insufficient_quota", "billing_not_active", "billing_hard_limit_reached"]
  private static let rateCodes: Set = ["rate_limit_exceeded", "rate_limit_error", "tokens", "requests"]
  private static let modelCode = "model_not_found"

  /// Only some servers have a code for it; vLLM, SGLang, TGI and Gemini say it in a sentence.
  var isAboutContext: Bool {
    !codes.isDisjoint(with: Self.contextCodes)
      || !isNamed
        && mentions([
          "context length", "context size", "context window", "must have less than", "maximum model length",
          "prompt is too long", "exceeds the maximum number of tokens",
        ])
  }

  /// By the code alone, since the verdict is kept.
  var isAboutFilter: Bool { !codes.isDisjoint(with: Self.filterCodes) }

  var isAboutQuota: Bool {
    !codes.isDisjoint(with: Self.quotaCodes)
      || !isNamed && mentions(["insufficient_quota", "exceeded your current quota"])
  }

  var isAboutModel: Bool { codes.contains(Self.modelCode) }
}
