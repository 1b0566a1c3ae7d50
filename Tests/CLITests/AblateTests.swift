import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@testable import pipeline_cli

/// `pipeline ablate`: variants that share what does not differ, and the noise of their scores.
@Suite struct AblateTests {
  private static let document = """
    { "format": 1, "name": "corpus", "stages": {
      "text": { "use": "documents.read", "options": { "files": "texts" } },
      "split": { "use": "mix.split", "inputs": { "documents": "text" }, "options": { "heldOutFraction": 0.3 } },
      "clean": { "use": "text.clean", "inputs": { "documents": "split.train" }, "options": { "minimumBytes": 200 } },
      "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "split.train" },
        "options": { "vocabularySize": 600 } },
      "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "clean", "tokenizer": "tokenizer" },
        "options": { "sequenceLength": 16 } },
      "unseen": { "use": "tokenizer.encode", "inputs": { "documents": "split.heldout", "tokenizer": "tokenizer" },
        "options": { "sequenceLength": 16 } },
      "train": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
        "options": { "sequenceLength": 16, "layers": 1, "hiddenSize": 16, "heads": 2, "intermediateSize": 32,
          "batchSize": 4, "microbatchSize": 4, "steps": 3, "warmupSteps": 1, "threads": 1, "device": "cpu" } },
      "loss": { "use": "evaluate.mlm", "options": { "sequenceLength": 16, "threads": 1, "device": "cpu" },
        "inputs": { "tokens": "unseen", "tokenizer": "tokenizer", "checkpoint": "train" } }
    } }
    """

  private func bench() throws -> Workbench {
    let texts = (1...24).map { String(repeating: "川沿いの水車小屋で毎朝パンが焼かれる。", count: $0 % 6 + 1) + "番号\($0)" }
    return try Workbench(Self.document, texts: [texts])
  }

  private func table(_ bench: Workbench, _ words: String...) throws -> JSONValue {
    let outcome = try bench.run(["ablate", "corpus.json", "--seeds", "1,2", "--json"] + words)
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSONValue.parse(outcome.out).value
  }

  @Test(.needs(Workbench.hasEngine, "needs Scripts/engine")) func variantsAreTrainedWithEachSeedAndCompared() throws {
    let bench = try self.bench()
    let answer = try table(bench, "--without", "clean", "--sweep", "clean.minimumBytes=1,200", "--svg", "a.svg")
    let variants = try #require(answer["variants"]?.array)
    #expect(
      variants.map { $0["variant"]?.string }
        == ["as-it-is", "without-clean", "clean.minimumBytes=1", "clean.minimumBytes=200"])
    let losses = variants.map { $0["runs"]?.array?.compactMap { $0["scores"]?["loss loss"]?.double } ?? [] }
    #expect(losses.allSatisfy { Set($0).count == 2 }, "a seed makes another model")
    #expect(losses[0] == losses[3] && losses[0] != losses[1])
    let tokens = variants.map { $0["runs"]?.array?[0]["availableTokens"]?.double ?? 0 }
    #expect(tokens[0] > 0 && tokens[0] < tokens[1])
    let rows = try #require(answer["rows"]?.array).filter { $0["score"]?.string == "loss loss" }
    let differences = zip(losses[1], losses[0]).map { $0 - $1 }
    let expected = try #require(SampleStatistics(differences))
    #expect(
      rows[1]["difference"]?.double == expected.mean && rows[1]["halfInterval95"]?.double == expected.halfInterval)
    #expect(rows[3]["difference"]?.double == 0 && rows[3]["isBeyondNoise"]?.bool == false)
    #expect(try String(decoding: FileSystem.read(bench.folder + "/a.svg"), as: UTF8.self).hasPrefix("<svg "))
    try isSharedAndCanBeAskedAbout(bench, answer)
  }

  private func isSharedAndCanBeAskedAbout(_ bench: Workbench, _ answer: JSONValue) throws {
    let plan = try bench.run("plan", "corpus.json", "--set", "stages.train.options.seed=2")
    #expect(plan.out.split(separator: "\n").allSatisfy { $0.contains(" fresh") }, "\(plan.out)")
    let again = try table(bench, "--without", "clean", "--sweep", "clean.minimumBytes=1,200")
    #expect(again == answer, "the second time, everything is there")
    let variant = try bench.run("status", "corpus.json", "--variant", "without-clean/seed-2")
    #expect(variant.status == 0 && !variant.out.contains("clean") && variant.out.contains("loss"))
    let unknown = try bench.run("status", "corpus.json", "--variant", "without-clear/seed-2")
    #expect(unknown.err.contains("Did you mean 'without-clean/seed-2'?"))
    let outside = try bench.run("status", "corpus.json", "--variant", "../../corpus")
    #expect(outside.err.contains("no ablation of 'corpus' has the variant"))
    #expect(try bench.run("prune", "corpus.json", "--dry-run").out == "nothing to remove\n")
    let pruned = try bench.run("prune", "corpus.json", "--ablations", "--yes")
    #expect(pruned.out.contains("only an ablation needed it"))
    #expect(!FileSystem.exists(bench.folder + "/.pipeline/ablations/corpus"))
  }

  @Test(arguments: [
    ([], "Nothing is compared."),
    (["--without", "tokenizer"], "the pipeline cannot do without 'tokenizer': 'tokens' reads its tokenizer"),
    (["--without", "clear"], "no stage is named 'clear'. Did you mean 'clean'?"),
    (["--without", "clean", "--score", "unseen"], "no score depends on 'clean'"),
    (["--without", "clean", "--score", "los"], "Did you mean 'loss'?"),
    (["--sweep", "clean.minimumByte=1,2"], "'clean' has no option 'minimumByte'. Did you mean 'minimumBytes'?"),
    (["--sweep", "cleen.minimumBytes=1,2"], "no stage is named 'cleen'"),
    (["--sweep", "clean.minimumBytes="], "--sweep must be name=from:to:step"),
    (["--sweep", "clean.minimumBytes=1", "--without", "clean", "--without", "clean"], "two variants would be named"),
    (["--without", "clean", "--seeds", "1,1"], "--seeds must be different numbers"),
    (["--without", "clean", "--set", "x=1"], "no parameter 'x'"),
  ])
  func whatCannotBeComparedIsSaid(_ words: [String], _ message: String) throws {
    let outcome = try bench().run(["ablate", "corpus.json"] + words)
    #expect(outcome.status == 2 && outcome.err.contains(message), "\(outcome.err)")
  }

  /// What reads from a stage that is left out reads what that stage reads, each output its own input.
  @Test func aStageThatIsLeftOutIsBridged() throws {
    let bench = try self.bench()
    let outcome = try bench.run("ablate", "corpus.json", "--without", "clean", "--dry-run", "--seeds", "7")
    #expect(outcome.status == 0)
    let rows = outcome.out.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(rows.dropFirst().map { $0[0] } == ["as-it-is/seed-7", "without-clean/seed-7"])
    #expect(rows.dropFirst().map { $0[1...3].compactMap { Int($0) }.reduce(0, +) } == [8, 7])
    #expect(!FileSystem.exists(bench.folder + "/.pipeline"))
  }

  /// A score that needs no model, for variants that fail or have files of their own.
  private func vocabularies(_ files: String = "texts", size: Int = 600) -> String {
    """
    { "format": 1, "name": "corpus", "stages": {
      "text": { "use": "documents.read", "options": { "files": "\(files)" } },
      "words": { "use": "tokenizer.train", "inputs": { "documents": "text" },
        "options": { "vocabularySize": \(size) } }
    } }
    """
  }

  @Test func whatFailsNowIsNotComparedByWhatItOnceWas() throws {
    let bench = try self.bench()
    try bench.write("corpus.json", vocabularies())
    try bench.write("sub/other.json", vocabularies("../texts", size: 300))
    let words = ["ablate", "corpus.json", "--score", "words", "--file", "sub/other.json", "--keep-going", "--json"]
    let first = try bench.run(words)
    #expect(first.status == 0, "\(first.err)")
    let rows = try #require(try JSONValue.parse(first.out).value["rows"]?.array)
    #expect(rows.count { $0["variant"]?.string == "other" } > 0)
    let plan = try bench.run("plan", "corpus.json", "--variant", "other")
    #expect(plan.out.split(separator: "\n").count { $0.contains(" fresh") } == 2, "\(plan.out)\(plan.err)")
    // Another pipeline of the same folder has variants of its own.
    try bench.write("second.json", vocabularies(size: 400).replacing("\"corpus\"", with: "\"second\""))
    #expect(
      try bench.run("ablate", "second.json", "--score", "words", "--sweep", "words.vocabularySize=350").status == 0)
    let own = try bench.run("expand", "corpus.json", "--variant", "as-it-is")
    #expect(own.out.contains("\"corpus:as-it-is\""))
    try bench.write("sub/other.json", vocabularies("../texts", size: 30))
    let second = try bench.run(words)
    #expect(second.status == 1)
    let answer = try JSONValue.parse(second.out).value
    #expect(answer["rows"]?.array?.allSatisfy { $0["variant"]?.string == "as-it-is" } == true)
    #expect(answer["notes"]?.array?.first?.string == "runs failed, and are missing, of: other")
  }

  @Test func eachSourceIsReadOnceWhateverIsLeftOut() throws {
    let text = """
      { "format": 1, "name": "x", "stages": {
        "text": { "use": "documents.read", "options": { "files": "x" } },
        "clean": { "foreach": [20, 150], "use": "text.clean", "inputs": { "documents": "text" },
          "options": { "minimumBytes": "${item}" } },
        "shards": { "use": "mds.write", "inputs": { "documents": ["text", "clean"] } }
      } }
      """
    let spec = try PipelineSpec.parse(Array(text.utf8), path: "/x.json", registry: .builtin)
    let left = try Graph(spec, registry: .builtin).removing("clean")
    #expect(left.stages.map(\.name) == ["text", "shards"] && left.groups.isEmpty)
    #expect(left.stages[1].inputs[0].sources.map(\.stage) == ["text"])
  }

  @Test(arguments: [
    ("without-dedupe", "without-dedupe"), ("a=0.7", "a=0.7"), ("text.source=日本", "text.source=日本"),
  ])
  func labelsThatPathsCanHaveStay(_ text: String, _ part: String) { #expect(PipelineVariant.pathPart(text) == part) }

  @Test func otherLabelsAreToldApart() {
    let parts = ["a b", "a/b", "a_b", "../a", ".a", String(repeating: "日", count: 90)].map(PipelineVariant.pathPart)
    #expect(
      Set(parts).count == 6 && parts.allSatisfy { !$0.contains("/") && !$0.hasPrefix(".") && $0.utf8.count < 120 })
  }

  @Test func intervalsAreStudents() throws {
    let sample = try #require(SampleStatistics([1, 2, 4]))
    #expect(abs(sample.mean - 7.0 / 3) < 1e-12)
    #expect(abs(try #require(sample.deviation) - 1.5275252316519468) < 1e-12)
    #expect(abs(try #require(sample.halfInterval) - 3.7945) < 1e-3)
    #expect(SampleStatistics([3])?.halfInterval == nil && SampleStatistics([]) == nil)
    #expect(abs(SampleStatistics.quantile(degrees: 40) - 2.0211) < 2e-3)
  }
}
