import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("baseline_bert.py")

/// A BERT of English made small, saved by transformers with its BertTokenizer: `bert-base-uncased` with random weights. With
/// PIPELINE_BERT=base it has the full shape and a vocabulary of 30,522, which takes a minute.
private final class EnglishBERT {
  let folder = temporaryDirectory()
  private var stages: [StageHarness] = []
  static let isWhole = getenv("PIPELINE_BERT").map { String(cString: $0) } == "base"

  static let texts = [
    "The ship left port in the MORNING.", "It's a café, isn't it?", "The crew did not see the lighthouse!",
    "A storm rose; the sails were torn.", "Nobody on board slept (not even the cook).",
    "They landed in Zürich, of all places.",
    "The harbour-master wrote: \"late again\".", "Fish & chips cost €7.50 on deck 3.", "漢字 is not English.",
    "Calm sea.",
  ]

  init() throws {
    try FileSystem.write(Array((Self.texts.joined(separator: "\n") + "\n").utf8), to: folder + "/texts")
    let size = Self.isWhole ? ["base"] : []
    _ = try #require(peer.run(["english", folder + "/model", folder + "/texts"] + size))
  }

  deinit { try? FileSystem.removeTree(folder) }

  func read() throws -> StageHarness {
    try keep(StageHarness(HuggingFaceRead.self, options: ["folder": .string(folder + "/model")]).run())
  }

  func keep(_ stage: StageHarness) -> StageHarness {
    stages.append(stage)
    return stage
  }

  /// Texts or pairs, some longer than the tests' `maximumLength`.
  func examples(_ task: TextTask, pairs: Bool, _ count: Int) -> String {
    (0..<count).map { i in
      let a = Self.texts[i % 10], b = Self.texts[(i * 3 + i / 10) % 10]
      let label: JSONValue =
        switch task {
        case .singleLabel(let labels): .string(labels[i % labels.count])
        case .multiLabel(let labels): .strings(labels.enumerated().filter { (i + $0.offset) % 2 == 0 }.map(\.element))
        case .regression: .number(Double(i % 5) / 2)
        }
      let texts = [JSONMember("text", .string(a))] + (pairs ? [JSONMember("textPair", .string(b))] : [])
      return JSONValue.object([JSONMember("label", label)] + texts).text()
    }.joined(separator: "\n")
  }
}

@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct EnglishBERTTests {
  private func folder(_ harness: StageHarness, _ port: String) throws -> String {
    let path = try #require(harness.files(port).first).path
    return String(path[..<path.lastIndex(of: "/")!])
  }

  @Test func idsAreThoseOfTransformers() throws {
    let model = try EnglishBERT()
    let tokenizer = try Tokenizer(path: try folder(try model.read(), "tokenizer") + "/tokenizer.json")
    #expect(tokenizer.words == .uncased)
    let encoder = try SequenceEncoder(tokenizer, maximumLength: 512)
    let ids = try EnglishBERT.texts.map { text in
      try encoder.text(text).ids.map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let texts = model.folder + "/texts"
    #expect(
      ids.joined() == String(decoding: try #require(peer.run("ids", model.folder + "/model", texts)), as: UTF8.self))
    #expect(ids.joined().contains(" 1 ") || EnglishBERT.isWhole, "some words are unknown")
  }

  /// The weights that fine-tuning begins from, taken by a rate of 0, converted: transformers' start.
  private func start(_ model: EnglishBERT, _ task: TextTask, pairs: Bool) throws -> (FineTuningJob, converted: String) {
    let read = try model.read()
    var job = FineTuningJob()
    job.task = .texts(task)
    job.checkpoint = try folder(read, "checkpoint")
    job.tokenizer = try folder(read, "tokenizer") + "/tokenizer.json"
    (job.train, job.test) = ([model.folder + "/train.jsonl"], [model.folder + "/test.jsonl"])
    try FileSystem.write(Array(model.examples(task, pairs: pairs, 28).utf8), to: job.train[0])
    try FileSystem.write(Array(model.examples(task, pairs: pairs, 10).utf8), to: job.test[0])
    (job.epochs, job.batchSize, job.maximumLength, job.dropout, job.seed) = (1, 7, 24, 0, 5)
    (job.learningRate, job.output) = (0, model.folder + "/start")
    _ = try FineTuning(job, engine: testEngine!).run()
    try FileSystem.write(try FileSystem.read("\(job.checkpoint)/model.json"), to: "\(job.output)/model.json")
    let members = JSONValue.object(job.task.members)
    try FileSystem.write(Array(members.text().utf8), to: "\(job.output)/task.json")
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(
      files: try ["model.json", "weights.safetensors", "task.json"].map { try artifact(job.output, $0) },
      to: "checkpoint")
    convert.add(files: read.files("tokenizer"), to: "tokenizer")
    _ = model.keep(try convert.run())
    (job.checkpoint, job.output) = (job.output, "")
    (job.learningRate, job.epochs, job.weightDecay) = (EnglishBERT.isWhole ? 5e-5 : 2e-3, 5, 0.1)
    (job.beta2, job.epsilon, job.maximumGradientNorm) = (0.98, 1e-6, 0)
    return (job, try folder(convert, "model"))
  }

  /// Twenty steps' losses and every test example's scores, over the same batches without dropout, with GLUE's optimizer.
  @Test(arguments: [
    (TextTask.singleLabel(["entailment", "neutral", "contradiction"]), true, "single_label_classification"),
    (.singleLabel(["no", "yes"]), false, "single_label_classification"),
    (.multiLabel(["sea", "land", "food"]), false, "multi_label_classification"), (.regression, true, "regression"),
  ])
  func fineTuningGoesAsTransformersDoes(_ task: TextTask, _ pairs: Bool, _ problem: String) throws {
    let model = try EnglishBERT()
    let (job, converted) = try start(model, task, pairs: pairs)
    try FileSystem.write(Array(job.json.text().utf8), to: model.folder + "/job.json")
    let tuning = try FineTuning(job, engine: testEngine!)
    _ = try tuning.run()
    let theirs = try JSONValue.parse(try #require(peer.run("tune", converted, model.folder + "/job.json"))).value
    #expect(theirs["problem"]?.string == problem)
    // What transformers loads comes back as it was.
    let back = model.keep(try StageHarness(HuggingFaceRead.self, options: ["folder": .string(converted)]).run())
    let kept = try folder(back, "checkpoint")
    #expect(try TunedTask(tuned: kept + "/task.json") == job.task && back.warnings.isEmpty)
    #expect(
      try FileSystem.read(kept + "/weights.safetensors") == FileSystem.read(job.checkpoint + "/weights.safetensors"))
    if !task.labels.isEmpty { #expect(theirs["labels"] == .strings(task.labels)) }
    let losses = try #require(theirs["losses"]?.array).compactMap(\.double)
    #expect(losses.count == 20 && tuning.losses.count == 20 && losses.last! < losses[0])
    for (step, pair) in zip(tuning.losses, losses).enumerated() {
      #expect(abs(pair.0 - pair.1) < 1e-3 * max(1, abs(pair.1)), "step \(step + 1)")
    }
    let features = try tuning.maker.features(try BenchmarkExamples.read(job.task, path: job.test[0]))
    let ours = try tuning.outputs(features).map { $0.map(Double.init) }
    let scores = try #require(theirs["scores"]?.array).compactMap { $0.array?.compactMap(\.double) }
    #expect(scores.count == 10)
    for (own, other) in zip(ours, scores) {
      #expect(own.count == other.count && zip(own, other).allSatisfy { abs($0 - $1) < 1e-2 })
    }
  }
}
