import PipelineKit
import ShardKit
import TestKit
import Testing
import TextKit

@testable import TrainerCore

private func example(_ task: JGLUEBenchmark, _ text: String) throws -> [BenchmarkExample] { try read(task, text) }

private func read(_ task: JGLUEBenchmark, _ text: String) throws -> [BenchmarkExample] {
  let folder = temporaryDirectory()
  defer { try? FileSystem.removeTree(folder) }
  try FileSystem.write(Array(text.utf8), to: folder + "/data.json")
  return try BenchmarkExamples.read(task, path: folder + "/data.json")
}

private let squad = """
  {"version": "1.1", "data": [{"title": "犬", "paragraphs": [{"context": "犬 [SEP] 白い犬が庭で三年暮らした。", "qas": [
  {"id": "q1", "question": "どこで暮らしたか", "answers": [{"text": "庭", "answer_start": 12}]},
  {"id": "q2", "question": "何年か", "answers": [{"text": "三年", "answer_start": 14}], "is_impossible": false}]}]}]}
  """

@Suite struct TaskExampleTests {
  @Test func theFourFormsAreRead() throws {
    let pair = try read(.jsts, #"{"sentence1": "猫が寝る。", "sentence2": "猫が走る。", "label": 2.4}"# + "\n\n")
    #expect(pair == [.pair("猫が寝る。", "猫が走る。", score: 2.4)])
    let entailment = try read(.jnli, #"{"sentence1": "ア", "sentence2": "イ", "label": "neutral"}"#)
    #expect(entailment == [.entailment("ア", "イ", label: 2)])
    let choices = (0..<5).map { #""choice\#($0)": "答\#($0)""# }.joined(separator: ", ")
    let choice = try read(.jcommonsenseqa, #"{"question": "何か", \#(choices), "label": 3}"#)
    #expect(choice == [.choice(question: "何か", choices: (0..<5).map { "答\($0)" }, label: 3)])
    let questions = try read(.jsquad, squad)
    try #require(questions.count == 2)
    guard case .answer(let second) = questions[1] else { throw StageError(.check, "", "is no question") }
    #expect(String(decoding: second.context[second.answers[0].range], as: UTF8.self) == "三年")
  }

  /// The Hub's Parquet files have labels as numbers, and a question of JSQuAD per row.
  @Test(.needsParquet, .needsParquetPeer) func parquetIsRead() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    func read(_ task: JGLUEBenchmark, _ rows: String) throws -> [BenchmarkExample] {
      try FileSystem.write(Array(rows.utf8), to: folder + "/rows.jsonl")
      try #require(parquetPeer.run("convert", folder + "/rows.jsonl", folder + "/rows.parquet") != nil)
      return try BenchmarkExamples.read(task, path: folder + "/rows.parquet")
    }
    let entailments = try read(.jnli, #"{"sentence1": "ア", "sentence2": "イ", "label": 2}"#)
    #expect(entailments == [.entailment("ア", "イ", label: 2)])
    let labeled = (0..<3).map { #"{"sentence1": "ア\#($0)", "sentence2": "イ", "label": \#($0)}"# }
    #expect(try read(.jnli, labeled.joined(separator: "\n")).count == 3)
    #expect(try ContrastExamples([folder + "/rows.parquet"]).examples == [.init(anchor: "ア0", positive: "イ")])
    let row =
      #"{"id": "q2", "title": "犬", "context": "犬 [SEP] 白い犬が庭で三年暮らした。", "question": "何年か", "#
      + #""answers": {"text": ["三年"], "answer_start": [14]}, "is_impossible": false}"#
    let questions = try read(.jsquad, row)
    #expect(try questions == Array(example(.jsquad, squad)[1...]))
    #expect { try read(.jsquad, row.replacing("14", with: "13")) } throws: {
      "\($0)".contains("has an answer that is not")
    }
  }

  @Test(arguments: [
    (
      JGLUEBenchmark.jsts, #"{"sentence1": "a", "sentence2": "b", "label": 7}"#,
      "data.json:1: has no 'label' between 0 and 5"
    ),
    (.jsts, "", "holds no examples"), (.jsts, "{", "is not JSON"),
    (.jnli, #"{"sentence1": "a", "sentence2": "b", "label": "maybe"}"#, "of entailment, contradiction, neutral"),
    (.jcommonsenseqa, #"{"question": "a", "label": 1, "choice0": "x"}"#, "has no text 'choice1'"),
    (.jsquad, #"{"data": 1}"#, "has no list 'data'"),
    (
      .jsquad, squad.replacing("\"answer_start\": 14", with: "\"answer_start\": 13"),
      "q2: has an answer that is not at its place"
    ),
    (.jsquad, squad.replacing("\"answer_start\": 14", with: "\"answer_start\": 99999"), "q2: has an answer"),
  ])
  func badFilesAreRefusedBySentence(_ task: JGLUEBenchmark, _ text: String, _ message: String) throws {
    #expect { try read(task, text) } throws: { "\($0)".contains(message) }
  }

  @Test(.needsRealTexts) func jglueIsReadWhole() throws {
    let folder = try #require(realDataPath) + "/jglue/"
    func count(_ task: JGLUEBenchmark, _ name: String) throws -> Int {
      try BenchmarkExamples.read(task, path: "\(folder)\(task.rawValue)/\(name)-v1.3.json").count
    }
    #expect(try count(.jsts, "train") == 12_451 && count(.jsts, "valid") == 1457)
    #expect(try count(.jnli, "valid") == 2434)
    #expect(try count(.jcommonsenseqa, "train") == 8939 && count(.jcommonsenseqa, "valid") == 1119)
  }
}

@Suite struct TaskFeatureTests {
  private let tokenizer: WordPieceTokenizer

  init() throws {
    let characters = Set("犬白い庭で三年暮らした。どこか何問答のが".unicodeScalars.map { Array(String($0).utf8) })
    let sorted = characters.sorted { $0.lexicographicallyPrecedes($1) }
    tokenizer = try WordPieceTokenizer(
      tokens: WordPieceTrainer.bertTokens.map { Array($0.utf8) } + sorted + sorted.map { Array("##".utf8) + $0 },
      specialTokens: WordPieceTrainer.bertTokens)
  }

  private func encoder(_ length: Int) throws -> SequenceEncoder {
    try SequenceEncoder(Tokenizer(tokenizer), maximumLength: length)
  }

  @Test func pairsLoseTheEndOfTheirLongerPart() throws {
    let whole = try encoder(64).pair("犬", "白い庭")
    #expect(whole.ids.count == 7 && whole.types == [0, 0, 0, 1, 1, 1, 1])
    #expect(whole.ids[0] == 2 && whole.ids[2] == 3 && whole.ids[6] == 3)
    let cut = try encoder(6).pair("犬", "白い庭で三年")
    #expect(cut.ids == whole.ids.prefix(5) + [3])
    #expect(try encoder(4).text("白い庭").ids.count == 4)
  }

  private static let transformers = PeerScript("huggingface_transformers.py")
  private static let bertJapanese = PeerScript("bert_japanese_words.py")

  private func expectPairsLikeTransformers(
    _ words: WordPieceTokenizer.Words, dictionary: String? = nil
  ) throws {
    var tokenizer = try WordPieceTokenizer(
      tokens: self.tokenizer.tokens, specialTokens: WordPieceTrainer.bertTokens, words: words)
    if dictionary != nil { tokenizer.dictionary.name = "ipadic" }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for (name, bytes) in HuggingFaceTokenizerFiles(tokenizer).contents {
      try FileSystem.write(bytes, to: "\(folder)/\(name)")
    }
    let long = "白い犬が庭で三年暮らした。", short = "犬の庭。", other = "何が庭で暮らしたか問の答。"
    for (a, b) in [(long, short), (short, long), (long, other), (other, long), (long, long), (short, short)] {
      let lengths = Array(4...34)
      let theirs = String(
        decoding: try #require(Self.transformers.run(["pairs", folder, a, b] + lengths.map { "\($0)" })), as: UTF8.self)
      let ours = try lengths.map { length in
        let encoder = try SequenceEncoder(Tokenizer(tokenizer), dictionary: dictionary, maximumLength: length)
        return try encoder.pair(a, b).ids.map { "\($0)" }.joined(separator: " ")
      }
      #expect(ours == theirs.split(separator: "\n").map(String.init), "\(a) \(b)")
    }
  }

  @Test(.needs(transformers.isUsable, "the Python package transformers is not installed"))
  func pairsAreCutLikeTransformers() throws { try expectPairsLikeTransformers(.scripts) }

  /// transformers has MeCab in a slow tokenizer, which leaves the first part the odd token.
  @Test(
    .needs(
      bertJapanese.isUsable && transformers.isUsable && (try? MeCab()) != nil,
      "MeCab, transformers, fugashi or ipadic is not installed"))
  func mecabsPairsAreCutLikeTransformers() throws {
    let dictionary = String(decoding: try #require(Self.bertJapanese.run("dictionary")), as: UTF8.self)
    try expectPairsLikeTransformers(.mecab, dictionary: dictionary)
  }

  /// Every window's answer, read back by its places, is the answer.
  @Test func windowsHoldTheAnswerWhereTheySay() throws {
    let text = String(repeating: "白い犬が庭で。", count: 40) + "三年暮らした。" + String(repeating: "犬の庭。", count: 40)
    let context = Array(text.utf8)
    let start = Array(text.utf8).count - 40 * "犬の庭。".utf8.count - "三年暮らした。".utf8.count
    let range = start..<(start + "三年".utf8.count)
    let passage = BenchmarkExample.Passage(
      id: "q", question: "何年か", context: context, answers: [.init(text: "三年", range: range)])
    let features = try FeatureMaker(encoder: encoder(160)).features([.answer(passage)])
    #expect(features.count == 4)
    var held = 0
    for feature in features {
      #expect(feature.inputs[0].ids.count <= 160)
      guard feature.targets != [0, 0] else { continue }
      held += 1
      let first = feature.places[Int(feature.targets[0]) - feature.contextStart]
      let last = feature.places[Int(feature.targets[1]) - feature.contextStart]
      #expect(context[first.lowerBound..<last.upperBound].elementsEqual("三年".utf8))
      var choice = AnswerChoice()
      var scores = [Float](repeating: 0, count: feature.length), ends = scores
      scores[Int(feature.targets[0])] = 3
      ends[Int(feature.targets[1])] = 2
      scores[0] = 9  // [CLS] is no answer
      choice.add(feature, first: scores, last: ends)
      #expect(choice.range == range && choice.score == 5)
    }
    #expect(held >= 1)
  }

  @Test func answersEndBehindTheirBeginningAndAreShort() throws {
    let passage = BenchmarkExample.Passage(
      id: "q", question: "何", context: Array(String(repeating: "犬の庭。", count: 20).utf8),
      answers: [.init(text: "犬", range: 0..<3)])
    let feature = try FeatureMaker(encoder: encoder(120)).features([.answer(passage)])[0]
    var first = [Float](repeating: 0, count: feature.length), last = first
    first[feature.contextStart + 40] = 5
    last[feature.contextStart + 2] = 5  // before the first token
    last[feature.contextStart + 75] = 4  // 36 tokens on
    last[feature.contextStart + 44] = 3
    var choice = AnswerChoice()
    choice.add(feature, first: first, last: last)
    #expect(choice.score == 8)
    #expect(choice.range == feature.places[40].lowerBound..<feature.places[44].upperBound)
  }
}
