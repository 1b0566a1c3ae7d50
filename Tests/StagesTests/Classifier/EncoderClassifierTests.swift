import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

/// An encoder that learns labels of texts in folds, and then scores documents.
@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine")) struct EncoderClassifierTests {
  /// Texts of one label have 大 among their characters, those of the other do not.
  private static func documents(_ count: Int) -> [Document] {
    (0..<count).map { i in
      let places = ["東京", "名古屋", "横浜", "札幌"]
      let text = places[i % 4] + (i % 3 == 0 ? "大" : "の") + places[(i / 4) % 4] + String(repeating: "。", count: i % 5)
      var document = Document(id: "d\(i)", text: text, source: "test")
      document.metadata = Array(#"{"review": {"label": "\#(i % 3 == 0 ? "good" : "bad")"}}"#.utf8)
      return document
    }
  }

  private func trained(_ model: TinyModel, _ documents: [[Document]]) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let harness = try StageHarness(
      ClassifierFinetune.self,
      options: [
        "labelField": "review.label", "learningRate": .number(3e-3), "epochs": 12, "batchSize": 8, "folds": 2,
        "maximumLength": 32, "device": "cpu",
      ])
    try harness.add(documents: documents)
    harness.add(files: try model.checkpoint, to: "checkpoint")
    harness.add(files: try model.tokenizerFiles, to: "tokenizer")
    return try harness.run()
  }

  @Test func labelsAreLearnedMeasuredAndScored() throws {
    let model = try TinyModel(.bert)
    var unlabeled = Document(id: "none", text: "東京", source: "test")
    unlabeled.metadata = Array(#"{"review": {}}"#.utf8)
    let tuned = try trained(model, [Self.documents(60), [unlabeled]])
    #expect(tuned.ledger.imbalance == 0 && tuned.ledger.dropped["no-label"]?.documents == 1)
    #expect(tuned.metrics["texts"] == 60)
    #expect(try #require(tuned.metrics["auc"]) > 0.9 && #require(tuned.metrics["accuracy"]) > 0.8)
    let json = try JSONValue.parse(try FileSystem.read(tuned.files("metrics")[0].path)).value
    #expect(json["labels"]?.array?.compactMap(\.string) == ["bad", "good"])
    #expect(json["folds"]?.array?.map { $0["texts"]?.integer } == [30, 30], "folds have alike shares of each label")
    let task = try JSONValue.parse(try FileSystem.read(tuned.files("checkpoint")[1].path)).value
    #expect(task["labels"]?.array?.count == 2 && task["maximumLength"]?.integer == 32)
    try scores(model, tuned)
  }

  private func scores(_ model: TinyModel, _ tuned: StageHarness) throws {
    func scored(_ values: JSONValue) throws -> StageHarness {
      let harness = try StageHarness(ScoreEncoder.self, options: ["values": values, "device": "cpu"])
      try harness.add(documents: [Self.documents(60).reversed(), []])
      harness.add(files: tuned.files("checkpoint"), to: "checkpoint")
      harness.add(files: try model.tokenizerFiles, to: "tokenizer")
      return try harness.run()
    }
    let harness = try scored(["good": 3, "bad": 1])
    let reader = try SignalsReader(harness.files("signals")[0].path)
    func column(_ name: String) throws -> [Double] {
      try reader.numbers(try #require(reader.column(name)), block: 0)
    }
    let (good, bad, expected) = (try column("p.good"), try column("p.bad"), try column("expectation"))
    for row in 0..<60 {
      #expect(abs(good[row] + bad[row] - 1) < 1e-9 && abs(expected[row] - 3 * good[row] - bad[row]) < 1e-9)
      // The documents come in reverse.
      #expect((good[row] > 0.5) == ((59 - row) % 3 == 0))
    }
    let error = #expect(throws: StageError.self) { try scored(["god": 3, "bad": 1]) }
    #expect(error?.description.contains("Did you mean 'good'?") == true)
    let head = try HuggingFaceHead(
      CheckpointParts(
        model.shape, SafetensorsFile(tuned.files("checkpoint")[2].path), .labels(["bad", "good"])))
    #expect(head.className(.bert) == "BertForSequenceClassification")
    #expect(JSONValue.object(head.members)["id2label"]?["1"]?.string == "good")
  }

  @Test func whatCannotBeLearnedIsSaid() throws {
    let model = try TinyModel(.bert)
    let error = #expect(throws: StageError.self) {
      try trained(model, [Self.documents(1)])
    }
    #expect(error?.message.contains("have 1 different labels, not 2 to") == true)
    let few = #expect(throws: StageError.self) { try trained(model, [Self.documents(3)]) }
    #expect(few?.message == "1 different texts are labeled 'good', fewer than folds (2)")
    #expect(throws: StageError.self) {
      try StageHarness(ClassifierFinetune.self, options: ["labels": .strings(["good"])])
    }
  }
}

@Suite struct LabeledTextsTests {
  /// A model that saw a text in training tells its label by heart.
  @Test func equalTextsAreInOneFold() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let lines = (0..<60).flatMap { i in
      LabeledTexts.line(text: Array("text \(i / 3)".utf8), label: i % 2 == 0 ? "が" : "か\u{3099}")
    }
    try FileSystem.write(lines, to: folder + "/texts.jsonl")
    let file = ArtifactFile(
      path: folder + "/texts.jsonl", name: "texts.jsonl", bytes: Int64(lines.count), digest: Digester.digest(lines))
    let texts = try LabeledTexts([file], wanted: [], folds: 4, seed: 1)
    #expect(texts.labels.count == 2, "labels are compared byte by byte")
    for text in 0..<20 { #expect(Set(texts.foldOfRow[(3 * text)..<(3 * text + 3)]).count == 1) }
    #expect(Set(texts.foldOfRow) == [0, 1, 2, 3])
    #expect(throws: StageError.self) { try LabeledTexts([file], wanted: [], folds: 21, seed: 1) }
  }

  @Test func columnsHaveNamesThatRulesCanWrite() {
    #expect(ScorerOptions.columns("p", ["bad", "good"]) == ["p.bad", "p.good"])
    #expect(ScorerOptions.columns("p", ["+1", "-1", "a b"]) == ["p.0", "p.1", "p.2"])
    let japanese = ScorerOptions.columns("p", ["良い", "悪い"])
    #expect(Set(japanese).count == 2 && japanese.allSatisfy { GateParser.isName($0) })
  }
}
