import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("baseline_bert.py")

/// A model fine-tuned for a task, beside its `task.json`, as `model.finetune` keeps it.
private final class TunedModel {
  let model: TinyModel
  let task: JGLUEBenchmark
  let folder: String

  init(_ model: TinyModel, _ task: JGLUEBenchmark, from checkpoint: String? = nil, epochs: Int = 1) throws {
    (self.model, self.task) = (model, task)
    folder = "\(model.folder)/\(task.rawValue)"
    var job = FineTuningJob()
    job.task = .benchmark(task)
    job.checkpoint = checkpoint ?? model.folder
    job.tokenizer = model.folder + "/tokenizer.json"
    (job.train, job.test) = ([model.folder + "/train.json"], [model.folder + "/train.json"])
    try FileSystem.write(Array(TinyTask.lines(task, 20).utf8), to: job.train[0])
    (job.epochs, job.batchSize, job.maximumLength, job.learningRate, job.dropout) = (epochs, 10, 32, 3e-3, 0)
    job.output = folder
    _ = try FineTuning(job, engine: testEngine!).run()
    try FileSystem.write(Array(model.shape.json.text().utf8), to: folder + "/model.json")
    let answers: JSONValue = ["task": .string(task.rawValue)]
    try FileSystem.write(Array(answers.text().utf8), to: folder + "/task.json")
  }

  var files: [ArtifactFile] {
    get throws { try ["model.json", "weights.safetensors", "task.json"].map { try artifact(folder, $0) } }
  }

  func converted() throws -> StageHarness {
    let harness = try StageHarness(HuggingFaceConvert.self)
    harness.add(files: try files, to: "checkpoint")
    harness.add(files: try model.tokenizerFiles, to: "tokenizer")
    return try harness.run()
  }

  /// Five inputs of different lengths, and what the model says of them.
  func answers() throws -> (batch: String, scores: [Float], lengths: [Int]) {
    let lengths = [20, 7, 13, 16, 9], length = 24
    let sequences = lengths.map { count in
      TokenSequence(
        ids: (0..<count).map { Int32(5 + ($0 * 7 + count) % 40) }, types: (0..<count).map { $0 < count / 2 ? 0 : 1 })
    }
    func padded(_ numbers: KeyPath<TokenSequence, [Int32]>) -> [UInt8] {
      let all = sequences.flatMap { sequence in
        (0..<length).map { $0 < sequence.ids.count ? Int64(sequence[keyPath: numbers][$0]) : 0 }
      }
      return all.withUnsafeBytes { Array($0) }
    }
    let batch = folder + "/batch.safetensors"
    try Safetensors.write(
      [
        TensorSource("ids", .int64, shape: [5, length], bytes: padded(\.ids)),
        TensorSource("types", .int64, shape: [5, length], bytes: padded(\.types)),
        TensorSource("lengths", .int64, shape: [5], bytes: lengths.map { Int64($0) }.withUnsafeBytes { Array($0) }),
      ], to: batch)
    let engine = testEngine!
    let parameters = try Parameters(
      model.shape.encoderParameters + task.head.parameters(model.shape), engine: engine, device: .cpu)
    try parameters.load(folder: folder)
    let tuned = FinetunedModel(model.shape.encoder(parameters), parameters, task.head)
    let input = try EncoderInput(sequences, padding: 0, engine: engine, device: .cpu)
    let scores = try engine.withoutGradient { () throws(TorchError) in
      try tuned.scores(input, training: false).floats()
    }
    return (batch, scores, lengths)
  }
}

@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct TunedModelTests {
  private func check(
    _ kind: ModelShape.Kind, _ task: JGLUEBenchmark, _ name: String, _ flags: [String],
    change: (inout ModelShape) -> Void = { _ in }
  ) throws {
    let tuned = try TunedModel(try TinyModel(kind, change: change), task)
    let harness = try tuned.converted()
    let path = try #require(harness.files("model").first).path
    let folder = String(path[..<path.lastIndex(of: "/")!])
    let (batch, ours, lengths) = try tuned.answers()
    let output = try #require(peer.run(flags + ["task", folder, batch]))
    let said = try JSONValue.parse(output).value
    #expect(said["class"]?.string == name)
    #expect(said["missing"]?.array == [] && said["unexpected"]?.array == [])
    let theirs = try #require(said["scores"]?.array).compactMap(\.double)
    #expect(theirs.count == ours.count)
    // Of spans, what is said of padding is of no account.
    let width = ours.count / lengths.count
    for (place, pair) in zip(ours, theirs).enumerated() {
      if task == .jsquad, place % width / 2 >= lengths[place / width] { continue }
      #expect(abs(Double(pair.0) - pair.1) < 1e-4)
    }
    if task == .jnli { #expect(said["labels"] == .strings(JGLUEBenchmark.entailments)) }
    if task == .jsts { #expect(said["problem"] == "regression" && said["labels"]?.array?.count == 1) }
  }

  @Test(
    arguments: [ModelShape.Kind.bert, .mosaicBERT, .modernBERT],
    [
      (JGLUEBenchmark.jsts, "ForSequenceClassification"), (.jnli, "ForSequenceClassification"),
      (.jcommonsenseqa, "ForMultipleChoice"), (.jsquad, "ForQuestionAnswering"),
    ])
  func theTasksClassAnswersAlike(_ kind: ModelShape.Kind, _ task: (JGLUEBenchmark, String)) throws {
    let family = [ModelShape.Kind.bert: "Bert", .mosaicBERT: "MosaicBert", .modernBERT: "ModernBert"][kind]!
    try check(kind, task.0, family + task.1, [])
  }

  /// The head reads the mean of the tokens' vectors, and has all biases.
  @Test(arguments: [[], ["--transformers5"]])
  func modernBERTsMeanAnswersAlike(_ flags: [String]) throws {
    try check(.modernBERT, .jnli, "ModernBertForSequenceClassification", flags) { shape in
      shape.modern.classifierPooling = .mean
      (shape.modern.classifierBias, shape.modern.normBias) = (true, true)
    }
  }

  @Test(
    .needs(peer.run("--transformers5") != nil, "needs transformers 5 of Scripts/install --tests"),
    arguments: [JGLUEBenchmark.jsts, .jnli])
  func nomicBERTAnswersAlike(_ task: JGLUEBenchmark) throws {
    try check(.ropeBERT, task, "NomicBertForSequenceClassification", ["--transformers5"])
  }
}

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine")) struct TunedChainTests {
  @Test func whatTransformersLacksIsRefused() throws {
    let tuned = try TunedModel(try TinyModel(.ropeBERT), .jsquad)
    #expect { try tuned.converted() } throws: {
      "\($0)".contains("transformers has no NomicBertForQuestionAnswering, which jsquad requires")
    }
  }

  /// RTE from MNLI, in JGLUE's tasks: another task gets a new head, the same one keeps its own; the pooler stays.
  @Test func anotherTaskGoesOnWithANewHead() throws {
    let model = try TinyModel(.bert)
    let first = try TunedModel(model, .jnli)
    let weights = try StartingWeights(first.folder, model.shape)
    let pooler = model.shape.poolerParameters[0]
    for task in JGLUEBenchmark.allCases {
      let answers = task.head.answerParameters(model.shape)
      #expect(answers.allSatisfy { weights.isNew($0, for: .benchmark(task)) == (task != .jnli) })
      #expect(!weights.isNew(pooler, for: .benchmark(task)))
    }
    #expect(try StartingWeights(model.folder, model.shape).isNew(pooler, for: .benchmark(.jnli)))
    for task in [JGLUEBenchmark.jsts, .jcommonsenseqa, .jsquad] {
      let next = try TunedModel(model, task, from: first.folder)
      let file = try SafetensorsFile(next.folder + "/weights.safetensors")
      #expect(task.head.parameters(model.shape).allSatisfy { file[$0.name]?.shape == $0.shape })
    }
    var again = FineTuningJob()
    (again.task, again.checkpoint, again.tokenizer) = (
      .benchmark(.jnli), first.folder, model.folder + "/tokenizer.json"
    )
    (again.train, again.test) = ([model.folder + "/train.json"], [model.folder + "/train.json"])
    try FileSystem.write(Array(TinyTask.lines(.jnli, 20).utf8), to: again.train[0])
    (again.learningRate, again.epochs, again.dropout, again.output) = (0, 1, 0, model.folder + "/again")
    _ = try FineTuning(again, engine: testEngine!).run()
    #expect(
      try FileSystem.read(first.folder + "/weights.safetensors")
        == FileSystem.read(again.output + "/weights.safetensors"))
  }

  @Test func noTensorIsMadeUp() throws {
    let model = try TinyModel(.bert)
    let weights = try SafetensorsFile(model.folder + "/weights.safetensors")
    for lost in ["bert.encoder.layer.1.output.dense.weight", "bert.embeddings.LayerNorm.bias"] {
      let folder = temporaryDirectory()
      let tensors = try weights.entries.filter { $0.name != lost }.map {
        TensorSource($0.name, shape: $0.shape, floats: try weights.floats(of: $0.name))
      }
      try Safetensors.write(tensors, to: folder + "/weights.safetensors")
      try FileSystem.write(Array(model.shape.json.text().utf8), to: folder + "/model.json")
      #expect { try TunedModel(model, .jsts, from: folder) } throws: { "\($0)".contains("has no tensor '\(lost)'") }
    }
  }

  /// Dropout is fine-tuning's own, whatever the model was trained with.
  @Test func dropoutIsAnOptionOfFineTuning() throws {
    var losses: [[Double]] = []
    for (trained, dropout) in [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.1, 0.1)] {
      let model = try TinyModel(.bert) {
        $0.dropout = trained
        $0.attentionDropout = trained
      }
      var job = FineTuningJob()
      (job.task, job.checkpoint, job.tokenizer) = (.benchmark(.jnli), model.folder, model.folder + "/tokenizer.json")
      (job.train, job.test) = ([model.folder + "/train.json"], [model.folder + "/train.json"])
      try FileSystem.write(Array(TinyTask.lines(.jnli, 20).utf8), to: job.train[0])
      (job.epochs, job.batchSize, job.dropout) = (1, 5, dropout)
      let tuning = try FineTuning(job, engine: testEngine!)
      _ = try tuning.run()
      losses.append(tuning.losses)
    }
    #expect(losses[0] == losses[1] && losses[2] == losses[3] && losses[0] != losses[2])
    #expect(FineTuningJob().dropout == 0.1 && ModelFinetune.Options().tuning.dropout == 0.1)
  }
}

@Suite struct EvaluationFingerprintTests {
  /// What changes the order of sums changes bytes, and so must change the fingerprint.
  @Test func whatChangesBytesChangesTheFingerprint() throws {
    func names(_ fields: [OptionField]) -> Set<String> {
      Set(fields.filter(\.affectsOutput).map(\.name))
    }
    let common: Set = ["device", "threads", "precision"]
    #expect(names(EvaluateMLM.Options.fields).isSuperset(of: common.union(["microbatchSize"])))
    #expect(names(EvaluateSTS.Options.fields).isSuperset(of: common))
    #expect(names(EvaluateRetrieval.Options.fields).isSuperset(of: common))
    #expect(names(ModelFinetune.Options.fields).isSuperset(of: common.union(["dropout"])))
    #expect(EvaluateJGLUE.options(of: .tune)?.isSuperset(of: common.union(["dropout"])) == true)
    // Another name or table does not repeat the search.
    for phase in [EvaluateRetrieval.Phase.queries, .search] {
      let used = try #require(EvaluateRetrieval.options(of: phase))
      #expect(used.isSuperset(of: common.union(["maximumLength", "pooling"])))
      #expect(used.isDisjoint(with: BaselineOptions.names.union(["judgments"])))
    }
    #expect(EvaluateRetrieval.options(of: .search)?.contains("queryPrefix") == false)
    #expect(EvaluateRetrieval.options(of: .score)?.isSuperset(of: BaselineOptions.names) == true)
  }
}
