import Glibc
import ShardKit
import TestKit
import Testing

@testable import TextKit

let huggingFace = PeerScript("huggingface_tokenizers.py")

/// Texts in a file, each ended by a NUL, as the peer reads them.
final class TextFile {
  let path: String
  private let folder: String

  init(_ texts: [[UInt8]]) throws {
    folder = temporaryDirectory()
    path = folder + "/texts"
    let file = try FileSink(path)
    for text in texts { try file.write(text + [0]) }
    try file.commit()
  }

  deinit { try? FileSystem.removeTree(folder) }
}

/// What the peer prints for each text.
func split(_ output: [UInt8]?) -> [[UInt8]] {
  (output ?? []).split(separator: 0, omittingEmptySubsequences: false).dropLast().map { Array($0) }
}

/// Scalars, alone between letters, before a mark, and doubled; NUL is the peer's separator.
let everyScalar: [[UInt8]] = everyAssignedScalar.map { value in
  var text = Array("x".utf8)
  UTF8Scanning.append(value, to: &text)
  text += Array("あ".utf8)
  UTF8Scanning.append(value, to: &text)
  UTF8Scanning.append(0x3099, to: &text)
  text += Array(" ".utf8)
  UTF8Scanning.append(value, to: &text)
  UTF8Scanning.append(value, to: &text)
  return text + Array("漢1".utf8)
}

/// A tokenizer learned from a few sentences, in a folder.
final class SmallTokenizer {
  let tokenizer: WordPieceTokenizer
  let folder = temporaryDirectory()

  init(_ sentences: [String] = SmallTokenizer.sentences, size: Int = 400) throws {
    var words = WordCounts()
    let reader = try WordReader(.scripts)
    for sentence in sentences {
      try Array(sentence.utf8).withUnsafeBufferPointer { try reader.forEachWord($0) { words.add($0) } }
    }
    var training = TrainingWords()
    try words.forEachSorted { (word, count) throws(ShardError) in training.add(word, count: count) }
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = size
    let result = try trainer.train(training)
    tokenizer = try WordPieceTokenizer(tokens: result.tokens, specialTokens: trainer.specialTokens)
    for (name, bytes) in HuggingFaceTokenizerFiles(tokenizer).contents {
      let file = try FileSink("\(folder)/\(name)")
      try file.write(bytes)
      try file.commit()
    }
  }

  deinit { try? FileSystem.removeTree(folder) }

  var path: String { folder + "/tokenizer.json" }

  func ids(_ text: [UInt8]) throws -> [UInt32] {
    var ids = TokenBuffer()
    try text.withUnsafeBufferPointer { try TokenizerSession(tokenizer).encode($0, into: &ids) }
    return Array(ids.ids)
  }

  static let sentences = [
    "朝の港では、漁船がゆっくりと帰ってくる。", "港の市場で、朝に獲れた魚をならべる人たちがいる。", "猫は魚のにおいで目をさます。",
    "「おはよう」と声をかけると、漁師は笑って手をふった。", "Tokenizers split words into pieces; 1234 pieces in 2026.",
    "ゆっくりと帰る船を、朝の光がてらしている。", "図書館のパソコンで、がっこうの宿題をしている。",
    "ハンバーグとビールとコーヒー、サーバーのエラー！", "魚市場の人たちは、朝の四時から働いている。", "the ship, the shop and the sheep",
  ]
}

@Suite(.needs(huggingFace.isUsable, "the Python package tokenizers is not installed"))
struct HuggingFaceTests {
  @Test func normalisesEveryScalarAlike() throws {
    let file = try TextFile(everyScalar)
    let theirs = split(huggingFace.run("normalize", file.path))
    try #require(theirs.count == everyScalar.count)
    let different = zip(everyScalar, theirs).filter { NFKC.tokenizers.normalize($0) != $1 }
    #expect(different.isEmpty, "\(different.prefix(5).map { String(decoding: $0.0, as: UTF8.self) })")
  }

  @Test func cutsEveryScalarAlike() throws {
    let file = try TextFile(everyScalar)
    let theirs = split(huggingFace.run("words", file.path))
    try #require(theirs.count == everyScalar.count)
    let reader = try WordReader(.scripts)
    var different: [String] = []
    for (text, expected) in zip(everyScalar, theirs) {
      var words: [UInt8] = []
      try text.withUnsafeBufferPointer { try reader.forEachWord($0) { words += Array($0) + [0x0A] } }
      if words != expected { different.append(String(decoding: text, as: UTF8.self)) }
    }
    #expect(different.isEmpty, "\(different.prefix(5))")
  }

  @Test func givesTheSameIDs() throws {
    let small = try SmallTokenizer()
    var random = SystemRandomNumberGenerator()
    let pool = SmallTokenizer.sentences.joined(separator: "[SEP] [MASK]\u{3099}ﾊﾟ㌔①［𠮷\u{E000}").unicodeScalars.map(
      \.value)
    var texts = (0..<4_000).map { _ in randomText(&random, pool, 0...40) }
    texts += ["", " ", "[MASK]", "x[CLS]y[SEP", "[[UNK]]", "##が", "か\u{3099}くこう", "\u{3099}か", "ＡＢ１２"].map {
      Array($0.utf8)
    }
    for length in [99, 100, 101, 250] {
      texts.append(Array(String(repeating: "朝", count: length).utf8) + Array("、港".utf8))
      texts.append(Array(String(repeating: "h", count: length).utf8))
    }
    texts += everyScalar
    let file = try TextFile(texts)
    let theirs = split(huggingFace.run("ids", file.path, small.path))
    try #require(theirs.count == texts.count)
    let session = try TokenizerSession(small.tokenizer)
    var ids = TokenBuffer()
    var different: [String] = []
    for (text, expected) in zip(texts, theirs) {
      ids.removeAll()
      try text.withUnsafeBufferPointer { try session.encode($0, into: &ids) }
      if Array(ids.ids.map { String($0) }.joined(separator: " ").utf8) != expected {
        different.append(String(decoding: text, as: UTF8.self))
      }
    }
    #expect(different.isEmpty, "\(different.prefix(5))")
  }

  /// Keys, their order and every value are what they would write themselves.
  @Test func savesTheSameFile() throws {
    let small = try SmallTokenizer()
    let ours = try FileSystem.read(small.path)
    #expect(huggingFace.run("saved", small.path) == Array(ours.dropLast()))
  }

  /// Where counts are far apart nothing is left to chance, and the vocabularies are the same.
  @Test func learnsTheSameVocabulary() throws {
    let words = ["あさひ", "あさ", "みなと", "みなとまち", "さかな", "さかなや", "ふね"]
    var sentences: [String] = []
    for (i, word) in words.enumerated() { sentences += Array(repeating: word + "。", count: 3 << (2 * i)) }
    let file = try TextFile(sentences.map { Array($0.utf8) })
    let theirs = try #require(huggingFace.run("train", file.path, "60", "100"))
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = 60
    trainer.seedsAlphabet = false
    var training = TrainingWords()
    let reader = try WordReader(.scripts)
    for sentence in sentences {
      try Array(sentence.utf8).withUnsafeBufferPointer { try reader.forEachWord($0) { training.add($0, count: 1) } }
    }
    let ours = try trainer.train(training).tokens
    let expected = theirs.split(separator: 0x0A).map { Array($0) }
    #expect(Set(ours) == Set(expected) && ours.count == expected.count)
  }
}

private let transformers = PeerScript("huggingface_transformers.py")

@Suite(.needs(transformers.isUsable, "the Python package transformers is not installed"))
struct TransformersTests {
  @Test func loadsTheFolder() throws {
    let small = try SmallTokenizer()
    let text = "朝の港で、猫がMASK"
    let ids = [small.tokenizer.classification] + (try small.ids(Array(text.utf8))) + [small.tokenizer.separator]
    let expected = "PreTrainedTokenizerFast " + ids.map { String($0) }.joined(separator: " ") + "\n"
    let output = try #require(transformers.run(small.folder, text))
    #expect(String(decoding: output, as: UTF8.self) == expected)
  }
}
