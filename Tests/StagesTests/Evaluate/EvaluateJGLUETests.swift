import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

private func results() -> [JGLUEResult] {
  let runs: [(JGLUERun, [String: Double])] = [
    (JGLUERun(task: .jsts, learningRate: 5e-5, epochs: 3, seed: 1), ["spearman": 0.80, "pearson": 0.90]),
    (JGLUERun(task: .jsts, learningRate: 5e-5, epochs: 3, seed: 2), ["spearman": 0.84, "pearson": 0.88]),
    (JGLUERun(task: .jsts, learningRate: 2e-5, epochs: 4, seed: 2), ["spearman": 0.90, "pearson": 0.90]),
    (JGLUERun(task: .jsts, learningRate: 2e-5, epochs: 4, seed: 1), ["spearman": 0.70, "pearson": 0.90]),
  ]
  return [JGLUEResult(.jsts, runs)!]
}

@Suite struct JGLUEReportTests {
  /// By the mean, not by the luckiest seed.
  @Test func theBestSettingIsByTheMean() {
    let result = results()[0]
    #expect(result.best.learningRate == 5e-5 && result.seeds == 2 && result.settings.count == 2)
    #expect(abs(result.mean("spearman") - 0.82) < 1e-12 && result.highest("spearman") == 0.84)
    #expect(abs(result.deviation("spearman") - 0.0282842712474619) < 1e-12)
    #expect(JGLUEResult(.jnli, []) == nil)
  }

  @Test func theTableHoldsThePublishedScores() {
    let table = JGLUETable(model: "a|b", results: results()).markdown
    #expect(table.contains("| model | JSTS Spearman | JSTS Pearson |"))
    #expect(table.contains("| Waseda RoBERTa large s512 | 0.892 | 0.926 |"))
    #expect(table.contains("| 0.820 ± 0.028 | 0.890 ± 0.014 |"))
    #expect(table.contains("learning rate 5e-05, 3 epochs, the best of 2 settings by mean Spearman over 2 seeds"))
  }

  @Test func thePictureEscapesItsNames() {
    let picture = JGLUETable(model: "<b>\u{1}\"&", results: results()).picture.markup
    #expect(picture.contains("&lt;b&gt; &quot;&amp;") && !picture.contains("<b>"))
    #expect(picture.components(of: "class=\"mark\"") == 12 && picture.components(of: "class=\"human\"") == 2)
    #expect(!picture.contains("nan"))
  }

  @Test func filesAreFoundInBothFormsOfFolder() throws {
    func file(_ name: String) -> ArtifactFile {
      ArtifactFile(path: "/" + name, name: name, bytes: 1, digest: Digester.digest([]))
    }
    let files = JGLUEFiles([
      file("jsts/train-v1.3.json"), file("jsts/valid-v1.3.json"), file("jnli-v1.1/train-v1.1.json"),
      file("jnli-v1.1/valid-v1.1.json"), file("jnli-v1.1/test-v1.1.json"), file("jsquad/valid-v1.3.json"),
    ])
    #expect(try files.chosen([]).map(\.0) == [.jsts, .jnli])
    #expect(try files.chosen([.jnli])[0].1.count == 2)
    #expect { try files.chosen([.jsquad]) } throws: { "\($0)".contains("has no jsquad/train-*.json") }
  }

  @Test(arguments: [
    [
      "jsts-v1.1/train-v1.1.json", "jsts-v1.1/valid-v1.1.json", "jsts-v1.3/train-v1.3.json",
      "jsts-v1.3/valid-v1.3.json",
    ],
    ["jsts/train-v1.1.json", "jsts/train-v1.3.json", "jsts/valid-v1.3.json"],
    ["jsts/train-v1.3.json", "jsts/valid-v1.3.json", "jsts/validation-00000-of-00001.parquet"],
  ])
  func twoVersionsOfATaskAreRefused(_ names: [String]) throws {
    let others = ["jnli-v1.1/train-v1.1.json", "jnli-v1.1/valid-v1.1.json"]
    let files = JGLUEFiles(
      (names + others).map { ArtifactFile(path: "/" + $0, name: $0, bytes: 1, digest: Digester.digest([])) })
    #expect { try files.chosen([.jsts]) } throws: { "\($0)".contains("two forms or versions of one set") }
    #expect(try files.chosen([.jnli])[0].1.count == 2)
  }

  @Test(arguments: [
    ("seeds", JSONValue.list([])), ("learningRates", .list([0])), ("epochs", .list([0])), ("seeds", .list([1, 1])),
    ("seeds", .list([-1])), ("seeds", .list([1_099_511_627_776])),
  ])
  func listsThatCannotWorkAreRefused(_ option: String, _ value: JSONValue) {
    #expect(throws: (any Error).self) {
      try StageHarness(EvaluateJGLUE.self, options: .object([JSONMember("folder", "/"), JSONMember(option, value)]))
    }
  }
}

/// Through worker processes of the program that was built.
@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine"))
struct EvaluateJGLUETests {
  @Test func everyRunAndTheReport() throws {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let model = try TinyModel(.mosaicBERT)
    for task in [JGLUEBenchmark.jnli, .jcommonsenseqa] {
      try FileSystem.makeDirectory("\(model.folder)/jglue/\(task.rawValue)")
      for (name, count) in [("train", 40), ("valid", 15)] {
        try FileSystem.write(
          Array(TinyTask.lines(task, count).utf8), to: "\(model.folder)/jglue/\(task.rawValue)/\(name)-v1.3.json")
      }
    }
    let harness = try StageHarness(
      EvaluateJGLUE.self,
      options: [
        "folder": .string(model.folder + "/jglue"), "learningRates": .list([.number(3e-3)]), "epochs": .list([2, 6]),
        "seeds": .list([1, 2]), "model": "Tiny", "baseline": "Tohoku BERT base v2", "device": "cpu",
      ])
    harness.add(files: try model.checkpoint, to: "checkpoint")
    harness.add(files: try model.tokenizerFiles, to: "tokenizer")
    try harness.run()
    #expect(harness.files("scores").count == 8)
    let report = try #require(harness.files("metrics").first)
    let json = try JSONValue.parse(try FileSystem.read(report.path)).value
    let accuracy = try #require(json["tasks"]?["jnli"]?["metrics"]?["accuracy"]?["mean"]?.double)
    #expect(accuracy > 0.5 && json["tasks"]?["jsts"] == nil)
    #expect(json["tasks"]?["jcommonsenseqa"]?["runs"]?.array?.count == 4)
    #expect(harness.files("report").map(\.name).sorted() == ["jglue.md", "jglue.svg"])
    #expect(harness.metrics["JNLI accuracy"] == accuracy)
    #expect(json["baseline"]?["scores"]?["JNLI accuracy"]?.double == 0.906)
    let difference = try #require(json["baseline"]?["differences"]?["JNLI accuracy"]?.double)
    #expect(abs(difference - (accuracy - 0.906)) < 1e-12)
    let page = try #require(harness.files("report").first { $0.name == "jglue.md" })
    let text = String(decoding: try FileSystem.read(page.path), as: UTF8.self)
    #expect(text.contains("| model | JNLI accuracy | Δ | JCommonsenseQA accuracy | Δ |"))
    #expect(text.contains("| Waseda RoBERTa base | 0.900 | −0.006 | 0.840 | +0.032 |"))
    #expect(text.contains("Δ: the difference from Tohoku BERT base v2, as published."))
  }
}

@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine"))
struct FineTuneStageTests {
  @Test func theTunedModelIsKeptWithItsHead() throws {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let model = try TinyModel(.bert)
    for (name, count) in [("a", 40), ("b", 10), ("test", 15)] {
      try FileSystem.write(Array(TinyTask.lines(.jnli, count).utf8), to: "\(model.folder)/\(name).jsonl")
    }
    let harness = try StageHarness(
      ModelFinetune.self,
      options: [
        "task": "jnli", "train": .strings(["a", "b"].map { "\(model.folder)/\($0).jsonl" }),
        "test": .string(model.folder + "/test.jsonl"), "learningRate": .number(3e-3), "epochs": 12, "batchSize": 10,
        "maximumLength": 32, "device": "cpu",
      ])
    harness.add(files: try model.checkpoint, to: "checkpoint")
    harness.add(files: try model.tokenizerFiles, to: "tokenizer")
    try harness.run()
    #expect(harness.metrics["accuracy"]! > 0.8)
    #expect(harness.files("checkpoint").map(\.name) == ["model.json", "task.json", "weights.safetensors"])
    let weights = try SafetensorsFile(harness.files("checkpoint")[2].path)
    #expect(weights["classifier.weight"]?.shape == [3, 48])
    #expect(weights["bert.encoder.layer.1.attention.self.Wqkv.weight"] != nil)
  }
}

extension String {
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
