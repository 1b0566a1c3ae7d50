import ShardKit
import Testing

/// What `pipeline what-if` answers for thresholds of near-duplicates and for mixes is what a run then does.
@Suite struct WhatIfRunTests {
  private let bench: Workbench

  init() throws {
    let document = """
      { "format": 1, "name": "corpus", "parameters": { "threshold": 0.7 },
        "stages": {
          "read": { "use": "documents.read", "options": { "files": "texts" } },
          "dedupe": { "use": "dedupe.minhash", "inputs": { "documents": "read" },
            "options": { "threshold": "${threshold}", "bands": 40, "rows": 4 } },
          "mix": { "use": "mix.rebalance", "inputs": { "documents": "read" },
            "options": { "domain": "source", "shares": { "test": 0.5, "news": 0.3 } } }
        } }
      """
    bench = try Workbench(document, texts: [])
    var lines: [UInt8] = []
    for number in 0..<60 {
      var text = (0..<100).map { Character(UnicodeScalar(0x4E00 + UInt32(number * 100 + $0))!) }
      for copy in 0..<4 {
        let source = ["test", "news", "law"][number % 3]
        Document(id: "\(number)/\(copy)", text: String(text), source: source).append(to: &lines)
        for place in stride(from: 10 + copy, to: 100, by: 90 - number) { text[place] = "字" }
      }
    }
    try FileSystem.makeDirectory(bench.folder + "/texts")
    try FileSystem.write(lines, to: bench.folder + "/texts/0.jsonl")
    #expect(try bench.run("run", "corpus.json").status == 0)
  }

  private func ask(_ stage: String, _ settings: [String]) throws -> JSONValue {
    let outcome = try bench.run(["what-if", "corpus.json", stage, "--json"] + settings)
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSONValue.parse(outcome.out).value
  }

  /// The ledger of a run with these settings.
  private func ledger(_ stage: String, _ settings: [String]) throws -> JSONValue {
    #expect(try bench.run(["run", "corpus.json"] + settings).status == 0)
    let lineage = try JSONValue.parse(try bench.run("lineage", "corpus.json", "--json").out).value
    return try #require(lineage["stages"]?.array?.first { $0["stage"]?.string == stage }?["made"]?["ledger"])
  }

  private func check(_ answer: JSONValue, _ ledger: JSONValue, reason: String) throws {
    #expect(answer["then"]?["kept"]?["documents"] == ledger["output"]?["documents"])
    #expect(answer["then"]?["dropped"]?[reason]?["documents"] == ledger["dropped"]?[reason]?["documents"])
    let moved = try (
      #require(answer["leaving"]?["documents"]?.integer), #require(answer["entering"]?["documents"]?.integer)
    )
    #expect(moved.0 + moved.1 > 0)
    let sample = (answer["leaving"]?["samples"]?.array ?? []) + (answer["entering"]?["samples"]?.array ?? [])
    #expect(sample.first?["id"]?.string?.contains("/") == true && sample.first?["text"]?.string?.isEmpty == false)
  }

  @Test func aThresholdOfNearDuplicates() throws {
    var kept: [Int] = []
    for threshold in ["0.62", "0.8", "0.9"] {
      let answer = try ask("dedupe", ["--set", "threshold=\(threshold)"])
      #expect(answer["group"]?.string == "source" && answer["now"]?["kept"]?["weight"]?.double ?? 0 > 1000)
      kept.append(try #require(answer["then"]?["kept"]?["documents"]?.integer))
      try check(answer, ledger("dedupe", ["--set", "threshold=\(threshold)"]), reason: "near-duplicate")
    }
    #expect(kept[0] < kept[1] && kept[1] < kept[2])
    let sweep = try bench.run("what-if", "corpus.json", "dedupe", "--sweep", "threshold=0.6:0.9:0.1")
    #expect(sweep.status == 0, "\(sweep.err)")
    #expect(sweep.out.split(separator: "\n").count == 5)
    for (settings, message) in [
      (["threshold=0.5"], "below the similarities that are stored, which begin at 0.6"),
      (["threshold=0.95"], "above the similarities that are stored, which end at 0.9"),
      (["stages.dedupe.options.similarityFloor=0.5"], "changes 'similarityFloor' of 'dedupe', which needs a run"),
      (["stages.dedupe.options.shingleWidth=4"], "changes 'shingleWidth' of 'dedupe', which needs a run"),
    ] {
      let outcome = try bench.run(["what-if", "corpus.json", "dedupe"] + settings.flatMap { ["--set", $0] })
      #expect(outcome.status != 0 && outcome.err.contains(message), "\(outcome.err)")
    }
  }

  @Test func sharesOfAMix() throws {
    for share in ["0.2", "0.6"] {
      let settings = ["--set", "stages.mix.options.shares.test=\(share)"]
      let answer = try ask("mix", settings)
      #expect(answer["group"]?.string == "source" && answer["weight"]?.string == "characters")
      try check(answer, ledger("mix", settings), reason: "over-share")
    }
    let other = try bench.run("what-if", "corpus.json", "mix", "--set", "stages.mix.options.seed=2")
    #expect(other.err.contains("changes 'seed' of 'mix', which needs a run"), "\(other.err)")
  }

  /// What was measured of other documents answers nothing.
  @Test func otherDocumentsHaveToBeMeasured() throws {
    try bench.write("texts/0.jsonl", #"{"id":"a","text":"別の文書"}"# + "\n")
    let outcome = try bench.run("what-if", "corpus.json", "dedupe", "--set", "threshold=0.8")
    #expect(outcome.err.contains("is not up to date"), "\(outcome.err)")
    #expect(try bench.run("run", "corpus.json", "--until", "read").status == 0)
    let stale = try bench.run("what-if", "corpus.json", "dedupe", "--set", "threshold=0.8")
    #expect(stale.err.contains("'dedupe' has not measured what it reads now"), "\(stale.err)")
  }
}
