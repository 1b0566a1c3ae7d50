import NetKit
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private typealias Bench = InferWorkbench

@Suite(.needs(LocalServer.isUsable, "needs Python with zstandard")) struct InferBudgetTests {
  /// The server counts 100 tokens in and 10 out for everything. A request is a bit more than 80 bytes.
  private static func bench(_ options: [String: JSONValue] = [:]) throws -> Bench {
    let counted: JSONValue = ["say": "ok", "usage": .array([JSONNode(100), JSONNode(10)])]
    return try Bench(
      rules: [Bench.rule("", counted)],
      options: ["maximumTokens": 10, "requestsAtOnce": 4].merging(options) { $1 })
  }

  private static let texts = (0..<40).map { "text \($0)" }

  @Test func aBudgetOfTokensIsNeverExceededAndCanBeRaised() throws {
    let bench = try Self.bench()
    let error = #expect(throws: StageError.self) { try bench.ask(Self.texts, ["budgetTokens": 2000]) }
    #expect(error?.subject == "budgetTokens")
    let asked = try bench.server.count()
    // 110 each, and the most that one more could cost is above 350.
    #expect(asked == 15)
    #expect(error?.message.contains("1650 of 2000 tokens are spent") ?? false, "\(error?.message ?? "")")
    // With the same budget, nothing more is asked.
    #expect(throws: StageError.self) { try bench.ask(Self.texts, ["budgetTokens": 2000]) }
    #expect(try bench.server.count() == asked)
    let run = try bench.ask(Self.texts, ["budgetTokens": 5000])
    #expect(try run.documents().count == 40 && bench.server.count() == 40)
    #expect(run.metrics["keptAnswers"] == 15 && run.metrics["inputTokens"] == 2500)
  }

  @Test func moneyIsCountedByPrices() throws {
    // 100 in and 10 out are 0.0003; the most for one request is below 0.0006.
    let prices: [String: JSONValue] = ["inputPrice": 2, "outputPrice": 10, "budgetCost": .number(0.003)]
    let bench = try Self.bench(prices)
    let error = #expect(throws: StageError.self) {
      try bench.ask([Array(Self.texts[..<20]), Array(Self.texts[20...])])
    }
    #expect(error?.subject == "budgetCost")
    let asked = try bench.server.count()
    #expect((8...9).contains(asked), "\(asked)")
    let run = try bench.ask(Self.texts, ["budgetCost": 1])
    #expect(try run.documents().count == 40 && bench.server.count() == 40)
    #expect(abs((run.metrics["cost"] ?? 0) - 0.0003 * Double(40 - asked)) < 1e-9)
  }

  @Test func whatMayHaveBeenPaidCounts() throws {
    // The first document's answer is lost on its way; a 500 costs nothing.
    let counted: JSONValue = ["say": "ok", "usage": .array([JSONNode(100), JSONNode(10)])]
    let bench = try Bench(
      rules: [
        Bench.rule("lost", ["silent": true], counted), Bench.rule("fault", ["status": 500], counted),
        Bench.rule("", counted),
      ], options: ["maximumTokens": 10, "requestsAtOnce": 1])
    let run = try bench.ask(["lost", "fault", "plain"])
    #expect(run.metrics["requests"] == 5 && run.metrics["outputTokens"] == 40)
    let input = try #require(run.metrics["inputTokens"])
    #expect((600...700).contains(input), "300 for three answers, and the most for one request: \(input)")
  }

  @Test func optionsThatContradictEachOtherAreRefused() throws {
    let bench = try Self.bench()
    for (options, message) in [
      (["budgetCost": 1], "no price is set"), (["prompt": "no field"], "has no place for a field"),
      (["prompt": "{txt}"], "'{txt}' is no field"), (["prompt": "{text"], "a brace stands alone"),
      (["schema": ["type": "object"]], "is for JSON answers"), (["metadataFrom": [:]], "the answers are not used"),
      (["textFrom": "answer.code"], "is a part of a JSON answer"),
      (["minimum": ["score": 1]], "is not a part of an answer"),
      (["parameters": ["stream": true]], "'stream' is set by the stage"), (["temperature": -1], "is not between"),
      (["answer": "json", "schema": ["pattern": "x"]], "pattern: this keyword"),
      (["state": "x"], "not an absolute path"),
      (["endpoint": "https://user:secret@host/v1"], "contains a password"),
      (["endpoint": "https://h/v1?api_key=1"], "api_key=…"),
      (["keyVariable": "sk-1234567890"], "must name an environment variable"),
      (["keyFile": "sk-1234567890"], "is not an absolute path"), (["originalText": "x"], "has no effect"),
      (["keyVariable": "KEY", "allowPrivateAddresses": false], "unencrypted http"),
    ] as [([String: JSONValue], String)] {
      let error = #expect(throws: StageError.self) { try bench.harness(options) }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains(message), "\(text)")
      #expect(!text.contains("1234567890") && !text.contains("secret"))
    }
  }
}
