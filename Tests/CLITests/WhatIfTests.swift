import ShardKit
import Testing

/// `pipeline what-if`: its answers are what a run then does.
@Suite struct WhatIfTests {
  private let bench: Workbench

  init() throws {
    let document = """
      { "format": 1, "name": "corpus", "parameters": { "minimum": 20, "source": "test" },
        "stages": {
          "read": { "use": "documents.read", "options": { "files": "texts", "source": "${source}" } },
          "quality": { "use": "score.quality", "inputs": { "documents": "read" } },
          "gate": { "use": "gate", "inputs": { "documents": "read", "signals": "quality" },
            "options": { "require": {
              "long": "characters >= ${minimum}",
              "best": "hiraganaFraction >= quantile(hiraganaFraction, 0.25, weight: characters)" } } }
        } }
      """
    let texts = (1...3).map { file in
      (1...30).map { String(repeating: "雨が降る", count: $0 % 7) + String(repeating: "漢字\(file)", count: $0) }
    }
    bench = try Workbench(document, texts: texts)
    #expect(try bench.run("run", "corpus.json").status == 0)
  }

  private func ask(_ settings: String...) throws -> JSONValue {
    let outcome = try bench.run(["what-if", "corpus.json", "gate", "--json"] + settings.flatMap { ["--set", $0] })
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSONValue.parse(outcome.out).value
  }

  @Test func theAnswerIsWhatARunDoes() throws {
    let settings = ["minimum=60", "require.best=hiraganaFraction > quantile(hiraganaFraction, 0.5)"]
    let answer = try ask(settings[0], settings[1])
    let path = settings[1].replacing("require.", with: "stages.gate.options.require.")
    #expect(try bench.run("run", "corpus.json", "--set", settings[0], "--set", path).status == 0)
    let lineage = try JSONValue.parse(try bench.run("lineage", "corpus.json", "--json").out).value
    let gate = try #require(lineage["stages"]?.array?.first { $0["stage"]?.string == "gate" })
    let ledger = try #require(gate["made"]?["ledger"])
    #expect(answer["then"]?["kept"]?["documents"] == ledger["output"]?["documents"])
    for reason in ["long", "best"] {
      let dropped = answer["then"]?["dropped"]?[reason]?["documents"]
      #expect(dropped == ledger["dropped"]?[reason]?["documents"])
      #expect(dropped?.integer ?? 0 > 0)
    }
    let moved = try (
      #require(answer["leaving"]?["documents"]?.integer), #require(answer["entering"]?["documents"]?.integer)
    )
    let kept = try (
      #require(answer["now"]?["kept"]?["documents"]?.integer), #require(answer["then"]?["kept"]?["documents"]?.integer)
    )
    #expect(kept.1 == kept.0 - moved.0 + moved.1)
    #expect(moved.0 > 0)
    let sample = try #require(answer["leaving"]?["samples"]?.array?.first)
    #expect(sample["id"]?.string?.hasPrefix("f") == true && sample["text"]?.string?.isEmpty == false)
  }

  @Test func aSweepDrawsItsCurve() throws {
    let outcome = try bench.run(
      "what-if", "corpus.json", "gate", "--sweep", "minimum=0:90:30", "--svg", "curve.svg")
    #expect(outcome.status == 0, "\(outcome.err)")
    let rows = outcome.out.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(rows.dropFirst().map(\.[0]) == ["0", "30", "60", "90"])
    let kept = rows.dropFirst().compactMap { Int($0[1]) }
    #expect(kept == kept.sorted(by: >) && Set(kept).count == 4)
    let svg = String(decoding: try FileSystem.read(bench.folder + "/curve.svg"), as: UTF8.self)
    #expect(svg.hasPrefix("<svg ") && svg.contains("minimum = 60: "))
  }

  @Test(arguments: [
    (["quality", "--set", "prefix=a."], "'quality' is a 'score.quality', of which it is not known"),
    (["gate", "--set", "source=x"], "no --set changes an option of 'gate'"),
    (["gate", "--set", "require.long=charcters > 1"], "Did you mean 'characters'?"),
    (["gate", "--set", "minimum=1", "--by", "domian"], "writes a text 'domian'. Did you mean 'domain'?"),
    (["gate", "--sweep", "minimum=9:1:1"], "--sweep must be name=from:to:step"),
    (["gate"], "Nothing is asked."),
  ])
  func whatCannotBeAnsweredIsSaid(_ words: [String], _ message: String) throws {
    let outcome = try bench.run(["what-if", "corpus.json"] + words)
    #expect(outcome.status != 0)
    #expect(outcome.err.contains(message), "\(outcome.err)")
  }
}
