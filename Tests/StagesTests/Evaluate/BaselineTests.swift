import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

/// A published Japanese BERT made small, saved by transformers, with unidic_lite's words; and pairs of sentences.
private enum JapaneseBERT {
  static let texts = [
    "私は国立国会図書館で本を読んだ。", "令和元年の春、東京都の港で船を見た。", "ﾊﾟｿｺﾝとＡＢＣ　スーパーコンピューター「富岳」", "猫は魚のにおいで目をさます。",
    "漁師は笑って手をふった。", "すもももももももものうち", "子どもたちは、朝の四時から市場で働いている。", "2026年１１月、𠮷野家で①番の牛丼を食べた！",
    "「おはよう」と声をかけると、大阪から来た客人が振り返りました。", "Tokenizers split words. 外国人参政権", "雨だ。", "がんばれ、ニッポン〜",
  ]

  static func model() throws -> PublishedModel { try PublishedModel("make", texts) }

  /// Pairs or choices of the sentences, labeled by a rule; some are longer than the tests' `maximumLength`.
  static func examples(_ task: JGLUEBenchmark, _ count: Int) -> String {
    (0..<count).map { i in
      let a = texts[i % texts.count], b = texts[(i * 5 + i / 12) % texts.count]
      let pair = [JSONMember("sentence1", .string(a)), JSONMember("sentence2", .string(b))]
      switch task {
      case .jsts: return JSONValue.object(pair + [JSONMember("label", .number(Double(i % 6)))]).text()
      case .jnli:
        return JSONValue.object(pair + [JSONMember("label", .string(JGLUEBenchmark.entailments[i % 3]))]).text()
      default:
        let choices = (0..<5).map { JSONMember("choice\($0)", .string(texts[(i + $0) % texts.count])) }
        let question = [JSONMember("question", .string(a)), JSONMember("label", .integer(i % 5))]
        return JSONValue.object(question + choices).text()
      }
    }.joined(separator: "\n")
  }
}

@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && PublishedModel.peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct BaselineTests {
  @Test func wordsAndIDsAreThoseOfTransformers() throws {
    let model = try JapaneseBERT.model()
    let dictionary = try PublishedModel.dictionary()
    let tokenizer = try WordPieceTokenizer(path: try model.read().folder("tokenizer") + "/tokenizer.json")
    #expect(tokenizer.dictionary.name == "unidic_lite")
    let encoder = try SequenceEncoder(Tokenizer(tokenizer), dictionary: dictionary, maximumLength: 512)
    let reader = try WordReader(.mecab, dictionary: dictionary)
    var words = "", ids = ""
    for text in model.texts {
      var own: [String] = []
      try Array(text.utf8).withUnsafeBufferPointer {
        try reader.forEachWord($0) { own.append(String(decoding: $0, as: UTF8.self)) }
      }
      words += own.joined(separator: " ") + "\n"
      ids += try encoder.text(text).ids.map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let peer = PublishedModel.peer
    #expect(words == String(decoding: try #require(peer.run("words", model.textsPath)), as: UTF8.self))
    #expect(ids == String(decoding: try #require(peer.run("ids", model.path, model.textsPath)), as: UTF8.self))
    #expect(ids.contains(" 1 "), "some words are unknown")
  }

  @Test func anotherDictionaryIsRefused() throws {
    let model = try JapaneseBERT.model()
    let tokenizer = try WordPieceTokenizer(path: try model.read().folder("tokenizer") + "/tokenizer.json")
    #expect { try TokenizerSession(tokenizer) } throws: {
      "\($0)".contains("requires MeCab's dictionary 'unidic_lite', but the loaded dictionary is 'ipadic'")
    }
  }

  private func start(
    _ model: PublishedModel, _ task: JGLUEBenchmark
  ) throws -> (job: FineTuningJob, converted: String) {
    let read = try model.read()
    var job = try model.job(
      .benchmark(task), read, train: JapaneseBERT.examples(task, 30), test: JapaneseBERT.examples(task, 10))
    job.dictionary = try PublishedModel.dictionary()
    (job.learningRate, job.epochs, job.weightDecay) = (2e-3, 6, 0.01)
    return try model.start(job, read)
  }

  /// Every step's loss and every test example's scores, over the same batches without dropout.
  @Test(arguments: [JGLUEBenchmark.jsts, .jnli, .jcommonsenseqa])
  func fineTuningGoesAsTransformersDoes(_ task: JGLUEBenchmark) throws {
    let model = try JapaneseBERT.model()
    let (job, converted) = try start(model, task)
    try model.expectTheCourse(job, of: [converted], steps: 30)
  }

  /// A published model's numbers begin from its pooler.
  @Test func theTrainedPoolerIsWhereFineTuningBegins() throws {
    let model = try JapaneseBERT.model()
    let (job, converted) = try start(model, .jnli)
    let tuned = try SafetensorsFile(job.checkpoint + "/weights.safetensors")
    let published = try SafetensorsModel(model.path), back = try SafetensorsModel(converted)
    for name in ["bert.pooler.dense.weight", "bert.pooler.dense.bias"] {
      #expect(try tuned.floats(of: name) == published.floats(of: name))
      #expect(try back.floats(of: name) == published.floats(of: name))
    }
  }
}

/// A RoBERTa as published for Japanese: SentencePiece's pieces of words that are parted by spaces, positions after the padding
/// token's number, a classification head instead of a pooler.
@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && PublishedModel.peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct JapaneseRoBERTaTests {
  private func model() throws -> PublishedModel {
    let words = try JapaneseBERT.model()
    let parted = try #require(PublishedModel.peer.run("words", words.textsPath))
    return try PublishedModel(
      "roberta", String(decoding: parted, as: UTF8.self).split(separator: "\n").map(String.init))
  }

  @Test func idsAreThoseOfTransformers() throws {
    let model = try model()
    let read = try model.read()
    #expect(read.warnings.isEmpty)
    let tokenizer = try Tokenizer(path: try read.folder("tokenizer") + "/tokenizer.json")
    let encoder = try SequenceEncoder(tokenizer, maximumLength: 512)
    let ids = try model.texts.map { text in
      try encoder.text(text).ids.map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let theirs = try #require(PublishedModel.peer.run("ids", model.path, model.textsPath))
    #expect(ids.joined() == String(decoding: theirs, as: UTF8.self))
  }

  /// The same course as transformers' RoBERTa, and as the BERT that it is converted to.
  @Test(arguments: [true, false]) func fineTuningGoesAsTransformersDoes(_ pairs: Bool) throws {
    let model = try model()
    let read = try model.read()
    let labels = ["entailment", "neutral", "contradiction"]
    func examples(_ count: Int) -> String {
      (0..<count).map { i in
        var members = [
          JSONMember("label", .string(labels[i % 3])), JSONMember("text", .string(model.texts[i % 12])),
        ]
        if pairs { members.append(JSONMember("textPair", .string(model.texts[(i * 5 + 1) % 12]))) }
        return JSONValue.object(members).text()
      }.joined(separator: "\n")
    }
    var job = try model.job(.texts(.singleLabel(labels)), read, train: examples(28), test: examples(10))
    (job.learningRate, job.epochs) = (2e-3, 5)
    let converted = try model.convert(job.checkpoint, read)
    try model.expectTheCourse(job, of: [model.path, converted], steps: 20)
  }

  /// The weights are read, and the tokenizer is not made up.
  @Test func aTokenizerThatCannotBeReadIsLeftOut() throws {
    let model = try model()
    try FileSystem.remove(model.path + "/tokenizer.json")
    try FileSystem.write([10, 5], to: model.path + "/spiece.model")
    let read = try model.read()
    #expect(read.files("tokenizer").isEmpty && read.files("checkpoint").count == 3)
    #expect(read.warnings == ["tokenizer-not-read": 1])
  }

  @Test func whatCannotBeSplitIsNamed() {
    let error = #expect(throws: TokenizerError.self) {
      try RoBERTaForm.refuse(sentencePiece: "spiece.model", ["tokenizer_class": "AlbertTokenizer"])
    }
    #expect(error?.message.hasPrefix("'spiece.model' is SentencePiece's own format") == true)
    let words = #expect(throws: TokenizerError.self) {
      try RoBERTaForm.refuse(sentencePiece: "spiece.model", ["word_tokenizer_type": "jumanpp"])
    }
    #expect(words?.message.hasPrefix("word_tokenizer_type is 'jumanpp'") == true)
    #expect(throws: Never.self) { try RoBERTaForm.refuse(sentencePiece: nil, .null) }
  }
}
