import NetKit
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private typealias Bench = InferWorkbench

@Suite(.needs(LocalServer.isUsable, "needs Python with zstandard")) struct InferEndpointTests {
  private static let scoring: [String: JSONValue] = [
    "answer": "json", "maximumUnusableFraction": 1, "metadataFrom": ["quality": "answer.score", "by": "model"],
    "minimum": ["answer.score": 3],
    "schema": [
      "type": "object", "properties": ["score": ["type": "integer", "minimum": 0, "maximum": 5]],
      "required": .strings(["score"]), "additionalProperties": false,
    ],
  ]

  private static func scores(_ scores: [String]) -> [JSONValue] {
    scores.map { Bench.rule("[\($0)]", ["say": .string(#"{"score": \#($0)}"#)]) }
  }

  @Test func scoresBecomeMetadataAndDrops() throws {
    let bench = try Bench(rules: Self.scores(["1", "3", "5", "9"]), options: Self.scoring)
    let run = try bench.ask(["猫 [5]", "犬 [1]", "鳥 [3]", "魚 [9]"])
    #expect(try run.documents().map(\.idString) == ["0", "2"])
    #expect(
      try run.documents().map { String(decoding: $0.metadata, as: UTF8.self) } == [
        #"{"n":0,"by":"test-model","quality":5}"#, #"{"n":2,"by":"test-model","quality":3}"#,
      ])
    #expect(
      try run.drops() == [
        .init(id: "1", reason: "below-minimum", value: 1, threshold: 3, detail: "answer.score"),
        .init(id: "3", reason: "invalid-answer", detail: "it does not follow the schema: score: 9 is above 5"),
      ])
    #expect(run.ledger.imbalance == 0 && run.ledger.input.documents == 4)
    // The ninth is asked about three times.
    #expect(try bench.server.count() == 6 && run.metrics["requests"] == 6)
  }

  @Test func theOrderOfAnswersDoesNotMatter() throws {
    // Every third answer comes late.
    let bench = try Bench(rules: [Bench.rule("3", ["wait": .number(0.02), "say": "late {text}"])])
    let texts = (0..<60).map { "text \($0)" }
    let one = try bench.ask([Array(texts[..<25]), Array(texts[25...])], ["requestsAtOnce": 1])
    try FileSystem.removeTree(bench.folder + "/answers")
    let many = try bench.ask([Array(texts[..<25]), Array(texts[25...])], ["requestsAtOnce": 32])
    #expect(one.digests == many.digests && one.files("documents").count == 2)
    #expect(try bench.server.count() == 120)
    #expect(try many.documents().map(\.idString) == (0..<60).map { "\($0)" })
  }

  @Test func codeReplacesTheText() throws {
    let said = "Here you are:\n```python\nx = 1\n\n```\nand\n```\ny\n```"
    let bench = try Bench(
      rules: [
        Bench.rule("good", ["say": .string(said)]), Bench.rule("open", ["say": "```\nx"]),
        Bench.rule("none", ["say": "I would rather not."]),
      ],
      options: [
        "answer": "code", "textFrom": "answer", "originalText": "before", "metadataFrom": [:],
        "maximumUnusableFraction": 1, "answerAttempts": 1,
      ])
    let run = try bench.ask(["good", "open", "none"])
    #expect(try run.documents().map(\.textString) == ["x = 1\n"])
    #expect(String(decoding: try run.documents()[0].metadata, as: UTF8.self) == #"{"n":0,"before":"good"}"#)
    #expect(
      try run.drops().map(\.detail) == [
        "a block of code is not closed", "it has no block of code between ``` and ```",
      ])
  }

  /// Another threshold asks nothing; another prompt asks everything.
  @Test func nothingIsAskedTwice() throws {
    let bench = try Bench(rules: Self.scores(["1", "4"]), options: Self.scoring)
    let texts = ["a [1]", "b [4]", "a [1]"]
    #expect(try bench.ask(texts).documents().count == 1)
    #expect(try bench.server.count() == 2, "two documents with the same text are one request")
    let again = try bench.ask(texts, ["minimum": ["answer.score": 1]])
    #expect(try again.documents().count == 3 && bench.server.count() == 2)
    #expect(again.metrics["keptAnswers"] == 3 && again.metrics["requests"] == 0)
    _ = try bench.ask(texts, ["prompt": "Rate: {text}"])
    #expect(try bench.server.count() == 4)
    _ = try bench.ask(texts, ["snapshot": "2"])
    #expect(try bench.server.count() == 6)
  }

  // MARK: Misbehavior

  @Test func transientFaultsAreRepeated() throws {
    let bench = try Bench(rules: [
      Bench.rule("busy", ["status": 429, "headers": ["Retry-After": "0"]], ["say": "ok"]),
      Bench.rule("fault", ["status": 500, "body": "oops"], ["status": 503], ["say": "ok"]),
      Bench.rule("cut", ["say": "a long answer", "cut": 40], ["say": "ok"]),
      Bench.rule("silent", ["silent": true], ["say": "ok"]),
      Bench.rule("html", ["status": 200, "body": "<html>"], ["say": "ok"]),
      Bench.rule("half", ["say": "ok", "stop": 30], ["say": "ok"]),
    ])
    let run = try bench.ask(["busy", "fault", "cut", "silent", "html", "half"])
    #expect(
      try run.documents().map { String(decoding: $0.metadata, as: UTF8.self) }.allSatisfy { $0.contains(#""ok""#) })
    #expect(run.ledger.output.documents == 6 && run.warnings["asked-again"] == 7)
    #expect(try bench.server.count() == 13)
  }

  @Test func everyVerdictHasItsName() throws {
    func error(_ status: Int, _ message: String, _ code: String = "") -> JSONValue {
      let text = (["error": ["message": .string(message), "code": .string(code)]] as JSONValue).text()
      return ["status": .integer(status), "body": .string(text)]
    }
    let bench = try Bench(
      rules: [
        Bench.rule("long", error(400, "This model's maximum context length is 2048 tokens.")),
        Bench.rule("filter", error(400, "flagged", "content_filter")),
        Bench.rule("withheld", ["say": "", "finish": "content_filter"]),
        Bench.rule("refuse", ["refusal": "I cannot help with that."]),
        Bench.rule("endless", ["say": "and so on and", "finish": "length"]),
        Bench.rule("odd", error(422, "unprocessable")), Bench.rule("empty", ["say": " "]),
      ], options: ["maximumUnusableFraction": 1, "maximumText": 20])
    let run = try bench.ask([
      "long", "filter", "withheld", "refuse", "endless", "odd", "empty", String(repeating: "長", count: 7), "fine",
    ])
    #expect(
      try run.drops() == [
        .init(id: "0", reason: "context-too-long", detail: "This model's maximum context length is 2048 tokens."),
        .init(id: "1", reason: "content-filter", detail: "flagged"), .init(id: "2", reason: "content-filter"),
        .init(id: "3", reason: "refused", detail: "I cannot help with that."), .init(id: "4", reason: "answer-cut"),
        .init(
          id: "5", reason: "rejected", detail: "the server responded with 422: unprocessable"),
        .init(id: "6", reason: "invalid-answer", detail: "it is empty"),
        .init(id: "7", reason: "too-large", value: 21, threshold: 20),
      ])
    #expect(try run.documents().map(\.idString) == ["8"] && run.ledger.imbalance == 0)
    let count = try bench.server.count()
    _ = try bench.ask(["filter", "withheld", "refuse", "endless", "empty"])
    #expect(try bench.server.count() == count, "verdicts are kept")
  }

  /// How long the context is may change with the next start of the server; so may the words of its refusals.
  @Test func aRefusalForItsLengthIsNotKept() throws {
    let refusal = Bench.rule(
      "", ["status": 400, "body": #"{"message":"The model's context length is only 96 tokens","code":400}"#])
    let bench = try Bench(rules: [refusal], options: ["requestsAtOnce": 1])
    let error = #expect(throws: StageError.self) { try bench.ask(["a", "b", "c"]) }
    #expect(
      error?.message
        == "1 of 3 documents got no usable answer; the first: '0': context-too-long, The model's context length is only 96 tokens"
    )
    #expect(
      error?.hint == "Give the server a longer context, lower \"maximumTokens\" or \"maximumText\", or raise "
        + "\"maximumUnusableFraction\".")
    let run = try bench.ask(["a", "b"], ["maximumUnusableFraction": 1])
    #expect(try run.drops().map(\.reason) == ["context-too-long", "context-too-long"])
    try bench.setRules([])
    let count = try bench.server.count()
    #expect(try bench.ask(["a", "b"]).documents().count == 2)
    #expect(try bench.server.count() == count + 2)
  }

  /// As servers without structured outputs say it.
  @Test func aRefusedResponseFormatIsExplained() throws {
    let body = #"{"detail":"Unused fields in the request: {'response_format'}"}"#
    let bench = try Bench(rules: [Bench.rule("", ["status": 422, "body": .string(body)])], options: Self.scoring)
    let error = #expect(throws: StageError.self) { try bench.ask(["a"], ["maximumUnusableFraction": 0]) }
    #expect(
      error?.hint
        == "The server does not take what is sent for \"responseFormat\": set it to \"object\" or \"none\".")
  }

  /// Answers of versions that kept refusals: those are asked for again, the others are not.
  @Test func refusalsThatWereKeptAreForgotten() throws {
    let bench = try Bench()
    _ = try bench.ask(["a", "b", "c"], ["requestsAtOnce": 1])
    let change = """
      import sqlite3; c = sqlite3.connect("\(bench.folder)/answers/answers.sqlite")
      c.execute("UPDATE requests SET state = 'too-long', content = NULL WHERE number = 1")
      c.execute("UPDATE requests SET state = 'filtered', content = NULL, detail = 'x' WHERE number = 2")
      c.execute("DELETE FROM grdb_migrations WHERE identifier LIKE '2 %'"); c.commit()
      """
    let python = try ChildProcess(["-c", change], program: PeerScript.interpreter).wait()
    #expect(python.status == 0, "\(python.errors)")
    #expect(try bench.ask(["a", "b", "c"]).documents().count == 3 && bench.server.count() == 5)
  }

  @Test func aTextIsCutBetweenCharacters() throws {
    let bench = try Bench(options: ["maximumText": 10, "longTexts": "cut"])
    let run = try bench.ask(["長い長い話", "短い"])
    #expect(try run.documents().map(\.textString) == ["長い長い話", "短い"], "the document itself stays")
    #expect(String(decoding: try run.documents()[0].metadata, as: UTF8.self) == #"{"n":0,"said":"長い長"}"#)
  }

  @Test func tooManyWithoutAnAnswerFail() throws {
    let bench = try Bench(
      rules: [
        Bench.rule("bad", ["status": 500, "body": "broken"]), Bench.rule("odd", ["status": 400, "body": "no"]),
      ],
      options: ["attempts": 2, "requestsAtOnce": 1])
    let unanswered = #expect(throws: StageError.self) { try bench.ask(["good", "bad", "good too"]) }
    #expect(
      unanswered?.message
        == "1 of 3 documents got no answer; the first: '1': no-answer, the server responded with 500 (Internal Server Error): broken"
    )
    let run = try bench.ask(["good", "bad", "good too"], ["maximumUnansweredFraction": .number(0.4)])
    #expect(try run.drops().map(\.reason) == ["no-answer"] && run.documents().count == 2)
    let unusable = #expect(throws: StageError.self) { try bench.ask(["good", "odd"]) }
    #expect(unusable?.message.hasPrefix("1 of 2 documents got no usable answer") ?? false)
    // Nobody waits for a whole corpus of refusals.
    try bench.server.forget()
    let odd = #expect(throws: StageError.self) {
      try bench.ask((0..<500).map { "odd \($0)" }, ["maximumUnusableFraction": .number(0.5)])
    }
    #expect(odd?.message.hasPrefix("none of the first 20 documents") ?? false)
    #expect(try bench.server.count() < 40)
  }

  /// Answers without end, answers that are too large, and answers that never come.
  @Test func responsesAreBoundedInSizeAndTime() throws {
    let bench = try Bench(
      rules: [
        Bench.rule("endless", ["status": 200, "endless": true]), Bench.rule("large", ["size": 20_000]),
        Bench.rule("never", ["wait": 600]),
      ],
      options: [
        "maximumResponse": 10_000, "answerSeconds": 10, "attempts": 1, "maximumUnusableFraction": 1,
        "maximumUnansweredFraction": 1,
      ])
    let run = try bench.ask(["endless", "large", "never", "fine"])
    #expect(try run.drops().map(\.reason) == ["rejected", "rejected", "no-answer"])
    #expect(try run.drops()[0].detail == "the response has too many bytes; the limit is 10000")
    #expect(try run.drops()[2].detail == "the response was not complete after 10 seconds (0 bytes arrived)")
    #expect(try run.documents().map(\.idString) == ["3"])
  }

  @Test func promptsMayStandInFiles() throws {
    let bench = try Bench(options: ["prompt": ""])
    try FileSystem.write(Array("Of {metadata.n}:\n{text}\n".utf8), to: bench.folder + "/prompt.txt")
    try FileSystem.write(Array("Be brief.".utf8), to: bench.folder + "/system.txt")
    let files: [String: JSONValue] = [
      "promptFile": .string(bench.folder + "/prompt.txt"), "systemFile": .string(bench.folder + "/system.txt"),
    ]
    let run = try bench.ask(["a"], files)
    #expect(String(decoding: try run.documents()[0].metadata, as: UTF8.self) == #"{"n":0,"said":"Of 0:\na"}"#)
    try FileSystem.write(Array("Be {short}.".utf8), to: bench.folder + "/system.txt")
    let error = #expect(throws: StageError.self) { try bench.ask(["a"], files) }
    #expect(error?.subject == "systemFile" && error?.message == "line 1, column 4: '{short}' is no field of a document")
  }

  @Test func labelsAreAllowedOrExcluded() throws {
    let bench = try Bench(rules: [Bench.rule("a", ["say": "good"]), Bench.rule("b", ["say": "poor"])])
    let allowed = try bench.ask(["a", "b", "c"], ["allowed": ["answer": .strings(["good", "c"])]])
    #expect(try allowed.drops() == [.init(id: "1", reason: "not-allowed", detail: "answer is poor")])
    let excluded = try bench.ask(["a", "b", "c"], ["excluded": ["answer": .strings(["good", "c"])]])
    #expect(try excluded.documents().map(\.idString) == ["1"])
    let numbers = try bench.ask(["7", "x"], ["minimum": ["answer": 5]])
    #expect(try numbers.documents().map(\.idString) == ["0"])
    #expect(try numbers.drops() == [.init(id: "1", reason: "invalid-answer", detail: "it has no number at answer")])
  }

  @Test func aServerThatIsDownEndsTheTask() throws {
    let bench = try Bench(rules: [Bench.rule("", ["status": 503])], options: ["maximumUnansweredFraction": 1])
    let error = #expect(throws: StageError.self) { try bench.ask((0..<200).map { "\($0)" }) }
    #expect(error?.message.contains("requests in a row have failed") ?? false)
    #expect(error?.code == .environment)
  }

  @Test func hopelessRequestsEndTheTaskAtOnce() throws {
    for (rule, message) in [
      (["status": 402, "body": "pay"] as JSONValue, "the account's quota is used up"),
      (
        ["status": 429, "body": #"{"error":{"message":"m","code":"insufficient_quota"}}"#],
        "the account's quota is used up"
      ),
      (["status": 404], "the endpoint has no such model or path"),
      (["status": 302, "headers": ["Location": "https://elsewhere.example/"]], "the endpoint redirects to"),
      (["status": 429, "headers": ["Retry-After": "86400"]], "the endpoint turns requests away"),
    ] {
      let bench = try Bench(rules: [Bench.rule("", rule)], options: ["requestsAtOnce": 1])
      let error = #expect(throws: StageError.self) { try bench.ask(["a", "b"]) }
      #expect(error?.message.hasPrefix(message) ?? false, "\(error?.message ?? "")")
      #expect(try bench.server.count() == 1)
    }
  }
}
