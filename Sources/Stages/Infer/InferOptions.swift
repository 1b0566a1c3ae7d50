import NetKit
public import PipelineKit
public import ShardKit

/// An object as it stands in the pipeline file, for what another program defines: a JSON Schema, parameters of an API.
public struct JSONObjectOption: OptionValue, Equatable {
  public let members: [JSONMember]

  public init(_ members: [JSONMember] = []) { self.members = members }

  public static var typeName: String { "an object" }
  public static var schema: JSONValue { ["type": "object"] }
  /// Reads an object.
  /// - Throws: `OptionProblem` if it is something else.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let members = json.members else {
      throw OptionProblem("should be \(Self.typeName), not \(json.typeName)")
    }
    self.init(members)
  }
  public var json: JSONValue { .object(members) }
}

/// What the model is told.
public struct PromptOptions: StageOptions {
  @Option(
    "What the model is asked about a document: {text}, {id}, {source}, {metadata.KEY} stand for its fields, "
      + "{metadata.KEY|TEXT} for a field or a text where it is missing, {{ and }} for braces. Required unless promptFile "
      + "is given.")
  public var prompt = ""
  @Option("A file with the prompt.", holdsRecords: false) public var promptFile = InputFiles()
  @Option("The system message, with the same fields. Empty: none.") public var system = ""
  @Option("A file with the system message.", holdsRecords: false) public var systemFile = InputFiles()
  @Option("The most bytes of a document's text that the model is sent. 0: no limit.")
  public var maximumText = ByteCount(0)
  @Option("What to do with longer texts: drop the document, or cut the text for the model.")
  public var longTexts = LongTexts.drop

  public enum LongTexts: String, CaseIterable, OptionChoice { case drop, cut }

  public init() {}

  func validate() throws {
    for (inline, file, name) in [(prompt, promptFile, "prompt"), (system, systemFile, "system")] {
      guard inline.isEmpty || file.isEmpty else {
        throw StageError(.options, name, "stands beside \(name)File", hint: "Remove one of them.")
      }
      guard file.paths.count <= 1 else { throw StageError(.options, "\(name)File", "names several files") }
    }
    guard !prompt.isEmpty || !promptFile.isEmpty else {
      throw StageError(.options, "prompt", "is missing", hint: "Write what the model is asked, with {text} in it.")
    }
    let own = try PromptTemplate(prompt, option: "prompt")
    let system = try PromptTemplate(system, option: "system")
    guard !promptFile.isEmpty || !systemFile.isEmpty || own.hasFields || system.hasFields else { throw Self.noFields() }
  }

  private static func noFields() -> StageError {
    StageError(
      .options, "prompt", "has no place for a field of the document, so all documents would be asked the same",
      hint: "Put {text} where the document's text belongs.")
  }

  /// The files with prompts, by role.
  func files(in context: PlanningContext) throws -> TaskInputs {
    ["prompt": try context.files(promptFile), "system": try context.files(systemFile)]
  }

  /// The system message's and the prompt's template.
  func templates(_ files: TaskInputs) throws -> [PromptTemplate] {
    func template(_ inline: String, _ role: TaskInputs.Role) throws -> PromptTemplate {
      guard let file = files[role].first else { return try PromptTemplate(inline, option: role.name) }
      var bytes = try FileSystem.read(file.path, limit: 1 << 20)
      if bytes.last == 10 { bytes.removeLast() }
      guard isUTF8(bytes) else { throw StageError(.options, "\(role.name)File", "\(file.name) is not valid UTF-8") }
      return try PromptTemplate(String(decoding: bytes, as: UTF8.self), option: "\(role.name)File")
    }
    let templates = [try template(system, "system"), try template(prompt, "prompt")]
    guard templates.contains(where: \.hasFields) else { throw Self.noFields() }
    return templates
  }
}

/// How the model generates.
public struct SamplingOptions: StageOptions {
  @Option("The most tokens of an answer.", in: 1...1_000_000) public var maximumTokens = 1024
  @Option("How the endpoint calls this limit.") public var tokenLimit = TokenLimit.maxTokens
  @Option("The sampling temperature. null: the endpoint's.") public var temperature: Double? = 0
  @Option("Nucleus sampling: the probability of the tokens that are considered. null: the endpoint's.")
  public var topP: Double? = nil
  @Option("The seed, for endpoints that have one; further answers to the same request use the next ones.")
  public var seed: Int? = nil
  @Option("Texts at which an answer ends.") public var stop: [String] = []
  @Option("Further members of the request, such as {\"top_k\": 20}.") public var parameters = JSONObjectOption()

  public enum TokenLimit: String, CaseIterable, OptionChoice {
    case maxTokens = "max_tokens"
    case maxCompletionTokens = "max_completion_tokens"
  }

  public init() {}

  private static let own: Set<String> = [
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop",
    "response_format", "n", "stream",
  ]

  func validate() throws {
    for (name, value, range) in [("temperature", temperature, 0.0...10.0), ("topP", topP, 0.0...1.0)] {
      guard let value, !range.contains(value) else { continue }
      throw StageError(.options, name, "\(value) is not between \(range.lowerBound) and \(range.upperBound)")
    }
    for member in parameters.members where Self.own.contains(member.key) {
      throw StageError(
        .options, "parameters", "'\(member.key)' is set by the stage itself",
        hint: "Use the option for it, if there is one.")
    }
  }
}

/// What an answer has to look like.
public struct AnswerOptions: StageOptions {
  @Option("text: the whole answer; code: its longest block between ``` and ```; json: one JSON value.")
  public var answer = InferEndpoint.AnswerForm.text
  @Option("A JSON Schema that JSON answers must follow.") public var schema = JSONObjectOption()
  @Option(
    "How the endpoint is told of JSON answers: schema (response_format json_schema), object (json_object), none (the "
      + "prompt alone).")
  public var responseFormat = ResponseFormat.schema
  @Option("The answer begins behind the last such text, as </think>. Empty: reasoning is not part of answers.")
  public var reasoningEnd = ""
  @Option("How often a document is asked about before an unusable answer drops it.", in: 1...20)
  public var answerAttempts = 3
  @Option("Any new value asks everything again.") public var snapshot = ""

  public enum ResponseFormat: String, CaseIterable, OptionChoice { case schema, object, none }

  public init() {}

  /// - Throws: `StageError` for a schema that answers cannot be checked against.
  func reader() throws(StageError) -> AnswerReader {
    guard !schema.members.isEmpty else { return AnswerReader(form: answer, schema: nil, reasoningEnd: reasoningEnd) }
    guard answer == .json else {
      throw StageError(.options, "schema", "is for JSON answers", hint: "Set \"answer\" to \"json\", or remove it.")
    }
    do throws(JSONSchema.Problem) {
      return AnswerReader(form: answer, schema: try JSONSchema(schema.json), reasoningEnd: reasoningEnd)
    } catch {
      throw StageError(.options, "schema", "\(error.subject): \(error.message)", hint: error.hint)
    }
  }

  /// The member of the request that asks for JSON; nil if none does.
  var requestMember: JSONMember? {
    guard answer == .json else { return nil }
    switch responseFormat {
    case .none: return nil
    case .schema where !schema.members.isEmpty:
      let named: JSONValue = ["name": "answer", "strict": true, "schema": schema.json]
      return JSONMember("response_format", ["type": "json_schema", "json_schema": named])
    case .schema, .object: return JSONMember("response_format", ["type": "json_object"])
    }
  }
}

extension InferEndpoint.Options {
  /// What all requests have in common.
  var form: ChatForm {
    var form = ChatForm(model: model, maximumTokens: sampling.maximumTokens)
    form.limitName = sampling.tokenLimit.rawValue
    form.seed = sampling.seed
    form.round = reading.snapshot
    if let temperature = sampling.temperature {
      form.parameters.append(JSONMember("temperature", .number(temperature)))
    }
    if let topP = sampling.topP { form.parameters.append(JSONMember("top_p", .number(topP))) }
    if !sampling.stop.isEmpty { form.parameters.append(JSONMember("stop", .strings(sampling.stop))) }
    form.parameters += sampling.parameters.members
    if let member = reading.requestMember { form.parameters.append(member) }
    return form
  }
}

/// What an answer does to its document.
public struct AnswerUseOptions: StageOptions {
  @Option(
    "The part of the answer that becomes the text: answer, or answer.KEY of a JSON answer. Empty: the text stays.")
  public var textFrom = ""
  @Option(
    "What goes into the metadata, such as {\"quality\": \"answer.score\"}: answer, answer.KEY of a JSON answer, or model."
  )
  public var metadataFrom: [String: String] = [:]
  @Option("The metadata key that keeps the text that an answer replaces. Empty: it is not kept.")
  public var originalText = ""
  @Option("Documents with a smaller number are dropped, such as {\"answer.score\": 3}.")
  public var minimum: [String: Double] = [:]
  @Option("Documents with a larger number are dropped.") public var maximum: [String: Double] = [:]
  @Option("Documents with another value are dropped, such as {\"answer.label\": [\"good\", \"fair\"]}.")
  public var allowed: [String: [String]] = [:]
  @Option("Documents with one of these values are dropped, such as {\"answer\": [\"NONE\"]}.")
  public var excluded: [String: [String]] = [:]

  public init() {}

  func validate(_ reading: AnswerOptions) throws {
    func check(_ path: String, _ option: String) throws {
      guard let parsed = AnswerPath(path) else {
        throw StageError(.options, option, "'\(path)' is not a part of an answer", hint: "Write answer or answer.KEY.")
      }
      guard !parsed.hasKeys || reading.answer == .json else {
        throw StageError(
          .options, option, "'\(path)' is a part of a JSON answer", hint: "Set \"answer\" to \"json\", or write answer."
        )
      }
    }
    if !textFrom.isEmpty { try check(textFrom, "textFrom") }
    for (_, path) in metadataFrom.sorted(by: { $0.key < $1.key }) where path != "model" {
      try check(path, "metadataFrom")
    }
    for path in minimum.keys.sorted() { try check(path, "minimum") }
    for path in maximum.keys.sorted() { try check(path, "maximum") }
    for path in allowed.keys.sorted() { try check(path, "allowed") }
    for path in excluded.keys.sorted() { try check(path, "excluded") }
    guard originalText.isEmpty || !textFrom.isEmpty else {
      throw StageError(.options, "originalText", "has no effect where \"textFrom\" is not set")
    }
    let judges = !minimum.isEmpty || !maximum.isEmpty || !allowed.isEmpty || !excluded.isEmpty
    guard judges || !textFrom.isEmpty || !metadataFrom.isEmpty else {
      throw StageError(
        .options, "textFrom", "the answers are not used",
        hint: "Set textFrom, metadataFrom, minimum, maximum, allowed or excluded.")
    }
  }
}

/// Budgets, and what may go wrong. None of it affects the result, but for documents that get no answer because of it.
public struct InferLimitOptions: StageOptions {
  @Option(
    "The most tokens, of requests and answers, that the stage may use in this store over all its runs. 0: no limit.",
    in: 0...1 << 50, affectsOutput: false)
  public var budgetTokens = 0
  @Option("The most money, in the currency of the prices. 0: no limit.", in: 0...1e12, affectsOutput: false)
  public var budgetCost = 0.0
  @Option("The price of a million tokens of requests.", in: 0...1e9, affectsOutput: false) public var inputPrice = 0.0
  @Option("The price of a million tokens of answers.", in: 0...1e9, affectsOutput: false) public var outputPrice = 0.0
  @Option(
    "The stage fails if a larger fraction of a file's documents gets no answer at all: timeouts, faults of the server.",
    in: 0...1, affectsOutput: false, losing: [DropReason.unanswered])
  public var maximumUnansweredFraction = 0.0
  @Option(
    "The stage fails if a larger fraction of a file's documents gets an answer of no use: refused, cut, invalid.",
    in: 0...1, affectsOutput: false)
  public var maximumUnusableFraction = 0.05
  @Option("Requests in flight at the same time, over all tasks.", in: 1...512, affectsOutput: false)
  public var requestsAtOnce = 16
  @Option("Requests that begin per minute. 0: no limit.", in: 0...1_000_000, affectsOutput: false)
  public var requestsPerMinute = 0
  @Option(
    "Requests for one answer while the server is at fault.", in: 1...100, affectsOutput: false,
    losing: [DropReason.unanswered])
  public var attempts = 5
  @Option(
    "Seconds before a request is repeated; doubled each time.", in: 0.001...600, affectsOutput: false,
    losing: [DropReason.unanswered])
  public var firstWaitSeconds = 1.0
  @Option(
    "Seconds in which an answer must be complete.", in: 1...86_400, affectsOutput: false,
    losing: [DropReason.unanswered])
  public var answerSeconds = 600
  @Option(
    "Larger responses are unusable.", in: ByteCount(1 << 10)...ByteCount(1 << 30), affectsOutput: false,
    losing: [DropReason.rejected])
  public var maximumResponse = ByteCount.mebibytes(4)
  @Option("Folder for the answers, as an absolute path. Empty: in the store.", affectsOutput: false) public var state =
    ""

  public init() {}

  func validate() throws {
    guard budgetCost == 0 || inputPrice > 0 || outputPrice > 0 else {
      throw StageError(
        .options, "budgetCost", "no price is set, so nothing would cost anything",
        hint: "Set inputPrice and outputPrice, per million tokens.")
    }
    guard state.isEmpty || state.hasPrefix("/") else {
      throw StageError(.options, "state", "'\(state)' is not an absolute path")
    }
  }

  var remarks: [String] {
    var parts: [String] = []
    if budgetTokens > 0 { parts.append("\(budgetTokens) tokens") }
    if budgetCost > 0 { parts.append("\(budgetCost) at \(inputPrice) and \(outputPrice) per million tokens") }
    return parts.isEmpty ? [] : ["it may use \(parts.joined(separator: " and "))"]
  }

  var rules: ChatService.Rules {
    var rules = ChatService.Rules()
    rules.requestsAtOnce = requestsAtOnce
    rules.requestsPerMinute = requestsPerMinute
    rules.prices = TokenPrices(input: inputPrice, output: outputPrice)
    rules.tokens = budgetTokens
    rules.cost = budgetCost
    rules.retrying.attempts = attempts
    rules.retrying.firstWaitSeconds = firstWaitSeconds
    return rules
  }
}
