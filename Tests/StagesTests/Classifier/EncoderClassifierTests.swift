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
    #expect(json["confusion"]?.array?.map { $0.array?.compactMap(\.integer).reduce(0, +) } == [40, 20])
    let page = String(decoding: try FileSystem.read(tuned.files("report")[0].path), as: UTF8.self)
    #expect(page.contains("| macro F1 |") && page.contains("![Confusion matrix](classifier.svg)"))
    #expect(page.contains("| bad | 40 |") && page.contains("| good | 20 |"))
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
    let labels = try reader.texts(try #require(reader.column("label")), block: 0)
    #expect(labels.codes.count == 60 && Set(labels.values) == ["bad", "good"])
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
        model.shape, SafetensorsFile(tuned.files("checkpoint")[2].path), .texts(.singleLabel(["bad", "good"]))))
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

/// The kinds of tasks, texts and pairs, through the stages that train, label and measure.
@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine")) struct TextTaskStagesTests {
  /// What is said of a pair depends on both texts; of a text without the second one nothing is.
  private static func documents(_ kind: TextTask.Kind, _ count: Int) -> [Document] {
    (0..<count).map { i in
      let second = i % 2 == 0 ? "屋" : "札"
      var document = Document(
        id: "d\(i)", text: ["東", "京", "名", "横"][i / 2 % 4] + (i % 3 == 0 ? "大" : "の"), source: "test")
      let label: JSONValue =
        switch kind {
        case .singleLabel: .string(i % 2 == 0 ? "even" : "odd")
        case .multiLabel: .strings((i % 2 == 0 ? ["even"] : []) + (i % 3 == 0 ? ["third"] : []))
        case .regression: .number(Double(i % 2) + (i % 3 == 0 ? 1 : -1))
        }
      let members = [JSONMember("label", label), JSONMember("second", .string(second))]
      document.metadata = Array(JSONValue.object(members).text().utf8)
      return document
    }
  }

  private func run(
    _ type: (some Stage).Type, _ options: JSONValue, _ documents: [Document], _ model: TinyModel,
    _ checkpoint: [ArtifactFile]
  ) throws -> StageHarness {
    let harness = try StageHarness(type, options: options)
    try harness.add(documents: [documents])
    harness.add(files: checkpoint, to: "checkpoint")
    harness.add(files: try model.tokenizerFiles, to: "tokenizer")
    return try harness.run()
  }

  @Test(arguments: [
    (TextTask.Kind.singleLabel, "accuracy", "Confusion matrix"), (.multiLabel, "microF1", "F1 of each label"),
    (.regression, "pearson", "Numbers of the model by those that are known"),
  ])
  func aTaskIsLearnedPredictedAndMeasured(_ kind: TextTask.Kind, _ metric: String, _ picture: String) throws {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let model = try TinyModel(.bert)
    let trained = try run(
      ClassifierFinetune.self,
      [
        "task": .string(kind.rawValue), "pairField": "second", "learningRate": .number(3e-3), "epochs": 20,
        "batchSize": 8,
        "folds": 2, "maximumLength": 32, "weightDecay": 0, "device": "cpu",
      ], Self.documents(kind, 72), model, try model.checkpoint)
    #expect(try #require(trained.metrics[metric]) > 0.8, "\(trained.metrics)")
    let page = String(decoding: try FileSystem.read(trained.files("report")[0].path), as: UTF8.self)
    #expect(page.contains("![\(picture)]"))
    let checkpoint = trained.files("checkpoint")
    let task = try TunedTask(tuned: try #require(checkpoint.first { $0.name == "task.json" }).path)
    guard case .texts(let task) = task else { Issue.record("\(task)"); return }
    #expect(task.kind == kind)

    var lacking = Document(id: "lacking", text: "東", source: "test")
    lacking.metadata = Array(#"{"label": "even"}"#.utf8)
    let unseen = Self.documents(kind, 24).reversed() + [lacking]
    let measured = try run(
      EvaluateClassifier.self, ["pairField": "second", "device": "cpu", "data": "Test <set>"], Array(unseen), model,
      checkpoint)
    #expect(measured.ledger.imbalance == 0 && measured.ledger.dropped.values.map(\.documents).reduce(0, +) == 1)
    #expect(try #require(measured.metrics[metric]) > 0.8, "\(measured.metrics)")
    #expect(measured.metrics["texts"] == 24)
    let svg = String(decoding: try FileSystem.read(measured.files("report")[1].path), as: UTF8.self)
    #expect(svg.contains("Test &lt;set&gt;") && !svg.contains("nan"))

    let predicted = try run(
      ClassifierPredict.self, ["pairField": "second", "device": "cpu"], Array(unseen), model, checkpoint)
    #expect(predicted.ledger.imbalance == 0 && predicted.ledger.dropped["no-second-text"]?.documents == 1)
    let documents = try predicted.documents()
    #expect(documents.count == 24)
    var right = 0.0
    for document in documents {
      let metadata = try JSONValue.parse(document.metadata).value, said = metadata["prediction"]
      let sum = said?["probabilities"]?.members?.reduce(0.0) { $0 + ($1.value.double ?? 0) }
      switch kind {
      case .singleLabel:
        right += said?["label"] == metadata["label"] ? 1 : 0
        #expect(abs((sum ?? 0) - 1) < 1e-6)
      case .multiLabel: right += said?["labels"] == metadata["label"] ? 1 : 0
      case .regression:
        right += abs((said?["value"]?.double ?? 9) - (metadata["label"]?.double ?? 0)) < 0.8 ? 1 : 0
      }
    }
    #expect(right >= 20, "\(right)")
    let error = #expect(throws: StageError.self) {
      try run(ClassifierPredict.self, ["device": "cpu"], Array(unseen), model, checkpoint)
    }
    #expect(error?.message == "is empty, but the model was fine-tuned on pairs")
  }

  /// Of a document's metadata, whatever JSON it is.
  @Test func labelsAreReadAsTheyAreWritten() throws {
    func read(_ metadata: String, _ kind: TextTask.Kind, _ labels: [String] = []) -> String {
      switch KnownLabel(LabelOptions(), kind, labels: labels).read(Array(metadata.utf8)) {
      case .success(let known): known.label.text()
      case .failure(let unusable): unusable.reason.name
      }
    }
    #expect(read(#"{"label": 1}"#, .singleLabel) == #""1""#)
    #expect(read(#"{"label": true}"#, .singleLabel) == #""true""#)
    #expect(read(#"{"label": ["a"]}"#, .singleLabel) == "several-labels")
    #expect(read(#"{"label": {"a": 1}}"#, .singleLabel) == "no-label")
    #expect(read(#"{"label": "a"}"#, .singleLabel, ["b", "c"]) == "other-label")
    #expect(read(#"{"label": ["a", 2]}"#, .multiLabel) == #"["a","2"]"#)
    #expect(read(#"{"label": ["a", "b"]}"#, .multiLabel, ["b"]) == #"["b"]"#)
    #expect(read(#"{"label": []}"#, .multiLabel) == "[]")
    #expect(read(#"{"label": [null]}"#, .multiLabel) == "no-label")
    #expect(read(#"{"label": "3.5"}"#, .regression) == "3.5" && read(#"{"label": -1}"#, .regression) == "-1.0")
    #expect(read(#"{"label": "x"}"#, .regression) == "label-not-a-number")
    #expect(read(#"{"label": 1e999}"#, .regression) == "label-not-a-number")
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
    let texts = try LabeledTexts([file], .singleLabel, wanted: [], folds: 4, seed: 1)
    #expect(texts.task.labels.count == 2, "labels are compared byte by byte")
    for text in 0..<20 { #expect(Set(texts.foldOfRow[(3 * text)..<(3 * text + 3)]).count == 1) }
    #expect(Set(texts.foldOfRow) == [0, 1, 2, 3])
    #expect(throws: StageError.self) { try LabeledTexts([file], .singleLabel, wanted: [], folds: 21, seed: 1) }
  }

  @Test func columnsHaveNamesThatRulesCanWrite() {
    #expect(ScorerOptions.columns("p", ["bad", "good"]) == ["p.bad", "p.good"])
    #expect(ScorerOptions.columns("p", ["+1", "-1", "a b"]) == ["p.0", "p.1", "p.2"])
    let japanese = ScorerOptions.columns("p", ["良い", "悪い"])
    #expect(Set(japanese).count == 2 && japanese.allSatisfy { GateParser.isName($0) })
  }
}
