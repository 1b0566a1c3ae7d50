import ShardKit
import TestKit
import Testing

/// `dedupe.semantic` in a pipeline with an encoder: asked, run again, traced, and with a kept document removed.
@Suite(.needs(Workbench.hasEngine, "needs Scripts/engine")) struct SemanticTests {
  private static let reason = "semantic-duplicate"

  /// The encoder reads the beginnings alone, in which `f0/0`, `f1/0` and `f2/0` are equal; the longest one is kept.
  private static func bench() throws -> Workbench {
    let beginning = "川沿いの古い水車小屋では、今も毎朝パンが焼かれている。"
    return try Workbench(
      """
      { "format": 1, "name": "corpus", "parameters": { "threshold": 0.9999 }, "stages": {
        "text": { "use": "cc100.read", "options": { "files": "\(packagePath("Fixtures/cc100"))" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" },
          "options": { "vocabularySize": 600 } },
        "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 24 } },
        "encoder": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
          "options": { "hiddenSize": 16, "layers": 1, "heads": 2, "intermediateSize": 16, "batchSize": 2,
            "microbatchSize": 2, "sequenceLength": 24, "threads": 1, "device": "cpu", "steps": 1 } },
        "read": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": "1KiB" } },
        "vectors": { "use": "documents.embed",
          "inputs": { "documents": "read", "checkpoint": "encoder.checkpoint", "tokenizer": "tokenizer" },
          "options": { "maximumLength": 12, "threads": 1, "device": "cpu" } },
        "meaning": { "use": "dedupe.semantic", "inputs": { "documents": "read", "vectors": "vectors" },
          "options": { "threshold": "${threshold}", "similarityFloor": 0.3 } }
      } }
      """,
      texts: [
        [beginning + "甲。", "駅前の小さな図書室には、読み終えた本を置いていく棚がある。"],
        [beginning + "村の人は日が昇る前に並ぶ。"],
        [beginning + "乙と丙。", "This sentence has no letter of the others in it."],
      ])
  }

  /// What `pipeline lineage` says of the deduplication.
  private func ledger(_ bench: Workbench) throws -> JSONValue {
    let lineage = try JSONValue.parse(try bench.run("lineage", "corpus.json", "--json").out).value
    return try #require(
      lineage["stages"]?.array?.first { $0["stage"]?.string == "meaning" }?["made"]?["ledger"])
  }

  @Test func aPipelineIsAskedTracedAndLosesASurvivor() throws {
    let bench = try Self.bench()
    let first = try bench.run("run", "corpus.json", environment: ["OMP_WAIT_POLICY": "passive"])
    try #require(first.status == 0, "\(first.err)")
    #expect(try ledger(bench)["dropped"]?[Self.reason]?["documents"]?.integer == 2)
    let trace = try bench.run("trace", "corpus.json", "f0/0").out
    #expect(trace.contains("dropped: \(Self.reason)") && trace.contains("f1/0") && trace.contains("0.9999"), "\(trace)")

    for threshold in ["0.3", "1"] {
      let words = ["what-if", "corpus.json", "meaning", "--json", "--set", "threshold=\(threshold)"]
      let answer = try JSONValue.parse(try bench.run(words).out).value
      let run = try bench.run("run", "corpus.json", "--json", "--set", "threshold=\(threshold)")
      #expect(run.status == 0, "\(run.err)")
      let ledger = try ledger(bench)
      let kept = try #require(answer["then"]?["kept"]?["documents"]?.integer)
      #expect(kept == ledger["output"]?["documents"]?.integer && kept == (threshold == "1" ? 3 : 1))
      #expect(answer["then"]?["dropped"]?[Self.reason]?["documents"] == ledger["dropped"]?[Self.reason]?["documents"])
      // The encoder has nothing to do for another threshold.
      let tasks = try run.out.split(separator: "\n").map { try JSONValue.parse(String($0)).value }
        .filter { $0["event"]?.string == "task" }.compactMap { $0["stage"]?.string }
      #expect(!tasks.contains("vectors") && tasks.contains("meaning"), "\(run.out)")
    }

    #expect(try bench.run("run", "corpus.json").status == 0)
    let words = ["remove", "corpus.json", "f1/0", "--reason", "a request", "--yes", "--json"]
    let removal = try bench.run(words, environment: ["OMP_WAIT_POLICY": "passive"])
    try #require(removal.status == 0, "\(removal.err)\(removal.out)")
    let done = try JSONValue.parse(removal.out).value
    #expect(done["proof"]?["gone"]?.bool == true)
    // Of the two others the longer one is kept now.
    #expect(done["promoted"]?.array?.first == ["stage": "meaning", "id": "f2/0"], "\(removal.out)")
    let after = try bench.run("trace", "corpus.json", "f0/0").out
    #expect(after.contains("dropped: \(Self.reason)") && after.contains("f2/0") && !after.contains("f1/0"), "\(after)")
  }
}
