import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

/// A BERT of English made small, saved by transformers with its BertTokenizer: `bert-base-uncased` with random weights. With
/// PIPELINE_BERT=base it has the full shape and a vocabulary of 30,522, for the first of the tasks: this takes minutes.
private enum EnglishBERT {
  static let isWhole = getenv("PIPELINE_BERT").map { String(cString: $0) } == "base"

  static let texts = [
    "The ship left port in the MORNING.", "It's a café, isn't it?", "The crew did not see the lighthouse!",
    "A storm rose; the sails were torn.", "Nobody on board slept (not even the cook).",
    "They landed in Zürich, of all places.",
    "The harbour-master wrote: \"late again\".", "Fish & chips cost €7.50 on deck 3.", "漢字 is not English.",
    "Calm sea.",
  ]

  /// Tasks, whether of pairs, and transformers' names of their problems.
  static let tasks: [(TextTask, Bool, String)] = [
    (.singleLabel(["entailment", "neutral", "contradiction"]), true, "single_label_classification"),
    (.singleLabel(["no", "yes"]), false, "single_label_classification"),
    (.multiLabel(["sea", "land", "food"]), false, "multi_label_classification"), (.regression, true, "regression"),
  ]

  static func model() throws -> PublishedModel {
    try PublishedModel("english", texts, isWhole ? ["base"] : [])
  }

  /// Texts or pairs, some longer than the tests' `maximumLength`.
  static func examples(_ task: TextTask, pairs: Bool, _ count: Int) -> String {
    (0..<count).map { i in
      let a = texts[i % 10], b = texts[(i * 3 + i / 10) % 10]
      let label: JSONValue =
        switch task {
        case .singleLabel(let labels): .string(labels[i % labels.count])
        case .multiLabel(let labels): .strings(labels.enumerated().filter { (i + $0.offset) % 2 == 0 }.map(\.element))
        case .regression: .number(Double(i % 5) / 2)
        }
      let members = [JSONMember("text", .string(a))] + (pairs ? [JSONMember("textPair", .string(b))] : [])
      return JSONValue.object([JSONMember("label", label)] + members).text()
    }.joined(separator: "\n")
  }
}

@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && PublishedModel.peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct EnglishBERTTests {
  @Test func idsAreThoseOfTransformers() throws {
    let model = try EnglishBERT.model()
    let tokenizer = try Tokenizer(path: try model.read().folder("tokenizer") + "/tokenizer.json")
    #expect(tokenizer.words == .uncased)
    let encoder = try SequenceEncoder(tokenizer, maximumLength: 512)
    let ids = try EnglishBERT.texts.map { text in
      try encoder.text(text).ids.map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let theirs = try #require(PublishedModel.peer.run("ids", model.path, model.textsPath))
    #expect(ids.joined() == String(decoding: theirs, as: UTF8.self))
    #expect(ids.joined().contains(" 1 ") || EnglishBERT.isWhole, "some words are unknown")
  }

  /// Twenty steps' losses and every test example's scores, over the same batches without dropout, with GLUE's optimizer.
  @Test(arguments: EnglishBERT.isWhole ? Array(EnglishBERT.tasks.prefix(1)) : EnglishBERT.tasks)
  func fineTuningGoesAsTransformersDoes(_ task: TextTask, _ pairs: Bool, _ problem: String) throws {
    let model = try EnglishBERT.model()
    let read = try model.read()
    let fresh = try model.job(
      .texts(task), read, train: EnglishBERT.examples(task, pairs: pairs, 28),
      test: EnglishBERT.examples(task, pairs: pairs, 10))
    var (job, converted) = try model.start(fresh, read)
    (job.learningRate, job.epochs, job.weightDecay) = (EnglishBERT.isWhole ? 5e-5 : 2e-3, 5, 0.1)
    (job.beta2, job.epsilon, job.maximumGradientNorm) = (0.98, 1e-6, 0)
    let theirs = try model.expectTheCourse(job, of: [converted], steps: 20)[0]
    #expect(theirs["problem"]?.string == problem)
    if !task.labels.isEmpty { #expect(theirs["labels"] == .strings(task.labels)) }
    // What transformers loads comes back as it was.
    let back = try model.read(converted)
    let kept = try back.folder("checkpoint")
    #expect(try TunedTask(tuned: kept + "/task.json") == job.task && back.warnings.isEmpty)
    #expect(
      try FileSystem.read(kept + "/weights.safetensors") == FileSystem.read(job.checkpoint + "/weights.safetensors"))
  }
}
