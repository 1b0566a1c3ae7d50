import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("baseline_bert.py")

/// A published Japanese BERT made small, saved by transformers, with unidic_lite's words; and pairs of sentences.
private final class PublishedBERT {
  let folder = temporaryDirectory()
  let dictionary: String
  let sentences: [String]
  /// Stages that have run, whose files last as long as they do.
  private var stages: [StageHarness] = []

  static let texts = [
    "私は国立国会図書館で本を読んだ。", "令和元年の春、東京都の港で船を見た。", "ﾊﾟｿｺﾝとＡＢＣ　スーパーコンピューター「富岳」", "猫は魚のにおいで目をさます。",
    "漁師は笑って手をふった。", "すもももももももものうち", "子どもたちは、朝の四時から市場で働いている。", "2026年１１月、𠮷野家で①番の牛丼を食べた！",
    "「おはよう」と声をかけると、大阪から来た客人が振り返りました。", "Tokenizers split words. 外国人参政権", "雨だ。", "がんばれ、ニッポン〜",
  ]

  init() throws {
    sentences = Self.texts
    try FileSystem.write(Array((sentences.joined(separator: "\n") + "\n").utf8), to: folder + "/texts")
    _ = try #require(peer.run("make", folder + "/model", folder + "/texts"))
    let path = try #require(peer.run("dictionary"))
    dictionary = String(decoding: path.dropLast(), as: UTF8.self)
  }

  deinit { try? FileSystem.removeTree(folder) }

  func read() throws -> StageHarness {
    try keep(StageHarness(HuggingFaceRead.self, options: ["folder": .string(folder + "/model")]).run())
  }

  func keep(_ stage: StageHarness) -> StageHarness {
    stages.append(stage)
    return stage
  }

  /// Pairs or choices of the sentences, labeled by a rule; some are longer than the tests' `maximumLength`.
  func examples(_ task: JGLUEBenchmark, _ count: Int) -> String {
    (0..<count).map { i in
      let a = sentences[i % sentences.count], b = sentences[(i * 5 + i / 12) % sentences.count]
      let pair = [JSONMember("sentence1", .string(a)), JSONMember("sentence2", .string(b))]
      switch task {
      case .jsts: return JSONValue.object(pair + [JSONMember("label", .number(Double(i % 6)))]).text()
      case .jnli:
        return JSONValue.object(pair + [JSONMember("label", .string(JGLUEBenchmark.entailments[i % 3]))]).text()
      default:
        let choices = (0..<5).map { JSONMember("choice\($0)", .string(sentences[(i + $0) % sentences.count])) }
        let question = [JSONMember("question", .string(a)), JSONMember("label", .integer(i % 5))]
        return JSONValue.object(question + choices).text()
      }
    }.joined(separator: "\n")
  }
}

@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct BaselineTests {
  private func folder(_ harness: StageHarness, _ port: String) throws -> String {
    let path = try #require(harness.files(port).first).path
    return String(path[..<path.lastIndex(of: "/")!])
  }

  @Test func wordsAndIDsAreThoseOfTransformers() throws {
    let model = try PublishedBERT()
    let harness = try model.read()
    let tokenizer = try WordPieceTokenizer(path: try folder(harness, "tokenizer") + "/tokenizer.json")
    #expect(tokenizer.dictionary.name == "unidic_lite")
    let encoder = try SequenceEncoder(Tokenizer(tokenizer), dictionary: model.dictionary, maximumLength: 512)
    let reader = try WordReader(.mecab, dictionary: model.dictionary)
    var words = "", ids = ""
    for text in model.sentences {
      var own: [String] = []
      try Array(text.utf8).withUnsafeBufferPointer {
        try reader.forEachWord($0) { own.append(String(decoding: $0, as: UTF8.self)) }
      }
      words += own.joined(separator: " ") + "\n"
      ids += try encoder.text(text).ids.map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let texts = model.folder + "/texts"
    #expect(words == String(decoding: try #require(peer.run("words", texts)), as: UTF8.self))
    #expect(ids == String(decoding: try #require(peer.run("ids", model.folder + "/model", texts)), as: UTF8.self))
    #expect(ids.contains(" 1 "), "some words are unknown")
  }

  @Test func anotherDictionaryIsRefused() throws {
    let model = try PublishedBERT()
    let tokenizer = try WordPieceTokenizer(
      path: try folder(try model.read(), "tokenizer") + "/tokenizer.json")
    #expect { try TokenizerSession(tokenizer) } throws: {
      "\($0)".contains("requires MeCab's dictionary 'unidic_lite', but the loaded dictionary is 'ipadic'")
    }
  }

  /// The weights that fine-tuning begins from, taken by a rate of 0, converted: transformers' start.
  private func start(_ model: PublishedBERT, _ task: JGLUEBenchmark) throws -> (job: FineTuningJob, converted: String) {
    let read = try model.read()
    var job = FineTuningJob()
    job.task = .benchmark(task)
    job.checkpoint = try folder(read, "checkpoint")
    job.tokenizer = try folder(read, "tokenizer") + "/tokenizer.json"
    job.dictionary = model.dictionary
    job.train = [model.folder + "/train.jsonl"]
    job.test = [model.folder + "/test.jsonl"]
    try FileSystem.write(Array(model.examples(task, 30).utf8), to: job.train[0])
    try FileSystem.write(Array(model.examples(task, 10).utf8), to: job.test[0])
    (job.epochs, job.batchSize, job.maximumLength, job.dropout, job.seed) = (1, 7, 24, 0, 5)
    job.learningRate = 0
    job.output = model.folder + "/start"
    _ = try FineTuning(job, engine: testEngine!).run()
    for name in ["model.json", "task.json"] {
      let text =
        name == "task.json"
        ? Array(JSONValue.object([JSONMember("task", .string(task.rawValue))]).text().utf8)
        : try FileSystem.read("\(job.checkpoint)/\(name)")
      try FileSystem.write(text, to: "\(job.output)/\(name)")
    }
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(
      files: try ["model.json", "weights.safetensors", "task.json"].map { try artifact(job.output, $0) },
      to: "checkpoint")
    convert.add(files: read.files("tokenizer"), to: "tokenizer")
    _ = model.keep(try convert.run())
    job.checkpoint = job.output
    job.output = ""
    job.learningRate = 2e-3
    (job.epochs, job.weightDecay) = (6, 0.01)
    return (job, try folder(convert, "model"))
  }

  /// Every step's loss and every test example's scores, over the same batches without dropout.
  @Test(arguments: [JGLUEBenchmark.jsts, .jnli, .jcommonsenseqa])
  func fineTuningGoesAsTransformersDoes(_ task: JGLUEBenchmark) throws {
    let model = try PublishedBERT()
    let (job, converted) = try start(model, task)
    try FileSystem.write(Array(job.json.text().utf8), to: model.folder + "/job.json")
    let tuning = try FineTuning(job, engine: testEngine!)
    _ = try tuning.run()
    let theirs = try JSONValue.parse(try #require(peer.run("tune", converted, model.folder + "/job.json"))).value
    let losses = try #require(theirs["losses"]?.array).compactMap(\.double)
    #expect(losses.count == 30 && tuning.losses.count == 30)
    for (step, pair) in zip(tuning.losses, losses).enumerated() {
      #expect(abs(pair.0 - pair.1) < 1e-3 * max(1, abs(pair.1)), "step \(step + 1)")
    }
    #expect(losses.last! < losses[0])
    let features = try tuning.maker.features(try BenchmarkExamples.read(task, path: job.test[0]))
    let ours = try tuning.outputs(features).map { $0.map(Double.init) }
    let scores = try #require(theirs["scores"]?.array).compactMap { $0.array?.compactMap(\.double) }
    #expect(scores.count == 10)
    for (own, other) in zip(ours, scores) {
      #expect(own.count == other.count && zip(own, other).allSatisfy { abs($0 - $1) < 1e-2 })
    }
  }

  /// A published model's numbers begin from its pooler.
  @Test func theTrainedPoolerIsWhereFineTuningBegins() throws {
    let model = try PublishedBERT()
    let (job, converted) = try start(model, .jnli)
    let tuned = try SafetensorsFile(job.checkpoint + "/weights.safetensors")
    let published = try SafetensorsModel(model.folder + "/model"), back = try SafetensorsModel(converted)
    for name in ["bert.pooler.dense.weight", "bert.pooler.dense.bias"] {
      #expect(try tuned.floats(of: name) == published.floats(of: name))
      #expect(try back.floats(of: name) == published.floats(of: name))
    }
  }
}

/// A file as a stage's input.
func artifact(_ folder: String, _ name: String) throws -> ArtifactFile {
  let path = "\(folder)/\(name)"
  return ArtifactFile(
    path: path, name: name, bytes: FileSystem.status(path)!.bytes, digest: try Digester.digest(file: path))
}
