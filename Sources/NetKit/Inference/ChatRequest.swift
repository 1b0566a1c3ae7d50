public import ShardKit

/// What is the same in all requests of a stage: the model, its parameters and the form of the answer.
public struct ChatForm: Sendable {
  public var model: String
  /// The most tokens of an answer.
  public var maximumTokens: Int
  /// `max_tokens`, or `max_completion_tokens` for endpoints that want it.
  public var limitName = "max_tokens"
  /// A further answer to the same request is asked for with the next seed.
  public var seed: Int?
  /// Further members of the request, such as `temperature`, in the order in which they are sent.
  public var parameters: [JSONMember] = []
  /// Makes equal requests of different rounds different.
  public var round = ""

  public init(model: String, maximumTokens: Int) {
    self.model = model
    self.maximumTokens = maximumTokens
  }

  /// The request for these messages.
  /// - Parameters:
  ///   - system: UTF-8; none if it is empty.
  ///   - prompt: UTF-8.
  public func request(system: [UInt8], prompt: [UInt8]) -> ChatRequest { ChatRequest(self, system, prompt) }
}

/// One request for a completion.
public struct ChatRequest: Sendable {
  /// Equal for requests whose answers are interchangeable: the URL and the key are not in it.
  public let digest: Digest
  let maximumTokens: Int
  private let head: [UInt8]
  private let seed: Int?

  fileprivate init(_ form: ChatForm, _ system: [UInt8], _ prompt: [UInt8]) {
    var out: [UInt8] = []
    out += #"{"model":"#.utf8
    JSONText.append(string: form.model, to: &out)
    out += #","messages":["#.utf8
    if !system.isEmpty {
      out += #"{"role":"system","content":"#.utf8
      JSONText.append(string: system, to: &out)
      out += "},".utf8
    }
    out += #"{"role":"user","content":"#.utf8
    JSONText.append(string: prompt, to: &out)
    out += #"}],"\#(form.limitName)":\#(form.maximumTokens)"#.utf8
    for member in form.parameters {
      out += ",".utf8
      JSONText.append(string: member.key, to: &out)
      out += ":\(member.value.text())".utf8
    }
    head = out
    seed = form.seed
    maximumTokens = form.maximumTokens
    var digester = Digester()
    digester.update(field: "chat 1")
    digester.update(field: form.round)
    digester.update(field: String(decoding: out, as: UTF8.self))
    digester.update(field: form.seed.map { "\($0)" } ?? "")
    digest = digester.finish()
  }

  /// The body of the nth request for an answer, from 1.
  func body(attempt: Int) -> [UInt8] {
    let seed = seed.map { #","seed":\#($0 &+ attempt - 1)"# } ?? ""
    return head + "\(seed)}".utf8
  }

  /// More tokens than the messages have: a token has one byte at least, and a template adds some of its own.
  var mostInputTokens: Int { head.count + 256 }
}
