import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct LLMJPSampleTests {
  private let fixture = packagePath("Fixtures/llmjp")

  private func sample(_ options: [(String, JSONValue)] = [], backwards: Bool = false) throws -> StageHarness {
    var members = [
      JSONMember("records", .string(fixture)), JSONMember("quality", .string(fixture + "/quality.csv")),
    ]
    members += options.map { JSONMember($0.0, $0.1) }
    return try StageHarness(LLMJPSample.self, options: .object(members)).run(backwards: backwards)
  }

  private func selection(_ harness: StageHarness) throws -> JSONValue {
    try JSONValue.parse(FileSystem.read(harness.files("selection")[0].path)).value
  }

  @Test func badRowsAreWarningsAndBadRecordsAreDrops() throws {
    let harness = try sample([("fraction", 1)])
    #expect(
      harness.warnings == [
        "unparsable-score": 1, "unparsable-tokens": 1, "row-without-file": 1, "row-without-record": 1,
        "duplicate-row": 1, "short-row": 1,
      ])
    let drops = try harness.drops()
    #expect(
      drops.map { [$0.id, $0.reason] } == [
        ["llmjp-0002", "no-quality-row"], ["llmjp-0006", "no-quality-row"],
        ["ja_cc/level0/0001.jsonl.gz:2", "malformed-record"], ["llmjp-0016", "malformed-record"],
      ])
    #expect(drops[3].detail == "it has no string \"text\"")
    #expect(harness.ledger.imbalance == 0 && harness.ledger.input.documents == 30)
    let documents = try harness.documents()
    #expect(documents.count == 26)
    #expect(documents.contains { $0.idString == "ja_cc/level0/0001.jsonl.gz:6" }, "a record without docId")
  }

  @Test(.needsParquet, .needsParquetPeer) func tablesMayBeParquet() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try #require(parquetPeer.run("convert", fixture + "/quality.csv", folder + "/quality.parquet") != nil)
    let options: [(String, JSONValue)] = [("fraction", .number(0.5)), ("copyColumns", .strings(["domain"]))]
    func sampled(_ records: String, _ quality: String, _ options: [(String, JSONValue)]) throws -> [Document] {
      let members = [JSONMember("records", .string(records)), JSONMember("quality", .string(quality))]
      let all = members + options.map { JSONMember($0.0, $0.1) }
      return try StageHarness(LLMJPSample.self, options: .object(all)).run().documents()
    }
    #expect(try sampled(fixture, folder + "/quality.parquet", options) == sample(options).documents())
    // Records too: the corpus with the ids of its documents.
    let record = #"{"text":"川沿いの水車","meta":{"docId":"llmjp-0003","url":null}}"#
    try FileSystem.write(Array(record.utf8), to: folder + "/a.jsonl")
    try #require(parquetPeer.run("convert", folder + "/a.jsonl", folder + "/a.parquet") != nil)
    try FileSystem.remove(folder + "/a.jsonl")
    let records = try sampled(
      folder + "/a.parquet", fixture + "/quality.csv", [("match", "id"), ("fraction", .number(1))])
    #expect(records.map { "\($0.idString) \($0.textString)" } == ["llmjp-0003 川沿いの水車"])
  }

  @Test func theBestAreKeptWithinTheirShareOfTokens() throws {
    let harness = try sample([("fraction", .number(0.5))])
    let found = try selection(harness)
    let budget = try #require(found["budgetTokens"]?.integer)
    #expect(budget == found["tokens"]!.integer! / 2)
    #expect(found["keptTokens"]!.integer! <= budget)
    let threshold = try #require(found["threshold"]?.double)
    let below = try harness.drops().filter { $0.reason == "below-quality" }
    #expect(!below.isEmpty && below.allSatisfy { $0.value! <= threshold && $0.threshold == threshold })
    for document in try harness.documents() {
      let quality = try JSONValue.parse(document.metadata).value["quality"]?.double
      #expect(quality! >= threshold)
    }
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func aTokenBudgetTakesTheSharesPlace() throws {
    let harness = try sample([("tokenBudget", 120)])
    let found = try selection(harness)
    #expect(found["budgetTokens"]?.integer == 120 && found["keptTokens"]!.integer! <= 120)
    // The best row of all, of ten tokens, has no record: it takes its place in the budget all the same.
    #expect(harness.metrics["tokens"] == found["keptTokens"]!.double! - 10)
  }

  @Test func matchingByIdKeepsTheSameAsMatchingByLine() throws {
    let byLine = try sample([("fraction", .number(0.4)), ("directories", .strings(["ja_cc"]))])
    #expect(byLine.warnings["row-without-file"] == 13, "rows of other folders do not count")
    let byID = try sample([("fraction", 1), ("match", "id")])
    let kept = try byID.documents().map(\.idString)
    #expect(kept.contains("llmjp-0000") && kept.count == 25, "a record without docId has no row")
    #expect(byID.ledger.imbalance == 0)
  }

  @Test func metadataKeepsTheRecordsOwnAndGainsQualityAndCopiedColumns() throws {
    let harness = try sample([("fraction", 1), ("copyColumns", .strings(["domain"]))])
    let document = try #require(harness.documents().first)
    let metadata = try JSONValue.parse(document.metadata).value
    #expect(metadata["url"]?.string == "https://example.jp/0")
    #expect(metadata["dedup_meta"]?["minhash_cluster_size"]?.integer == 1)
    #expect(metadata["quality"]?.double == 0.5)
    #expect(["news", "culture", "government"].contains(metadata["domain"]?.string))
    #expect(String(decoding: document.source, as: UTF8.self) == "llm-jp")
  }

  @Test func tasksInAnyOrderGiveTheSameBytes() throws {
    #expect(try sample().digests == sample(backwards: true).digests)
  }

  @Test func wrongColumnsAndForeignTablesAreNamed() throws {
    func message(_ options: [(String, JSONValue)]) -> String {
      do { _ = try sample(options) } catch { return "\(error)" }
      return ""
    }
    #expect(
      message([("scoreColumn", "scor")]).contains(
        "quality.csv: has no column 'scor'; its columns are path, line, docId"))
    #expect(
      message([("directories", .strings(["en"]))]).contains(
        "no .jsonl, .jsonl.gz, .jsonl.zst or .parquet file was found in en"))
    #expect(message([("pathPrefix", "ja_"), ("fraction", 1)]).contains("no row of the table belongs to a record file"))
  }
}
