import ShardKit
import TestKit
import Testing

@testable import TextKit

private let transformers = PeerScript("huggingface_transformers.py")

/// A tokenizer of BERT's kind, learned from English sentences, in a folder.
private final class EnglishTokenizer {
  let tokenizer: WordPieceTokenizer
  let folder = temporaryDirectory()

  static let sentences = [
    "The café's naïve résumé — déjà vu!", "Don't stop: it's 3.14 o'clock in Zürich, isn't it?",
    "Ångström and Łódź; SMØRREBRØD costs €5.", "The ship, THE SHOP and the sheep.", "漢字 and かな are words of Japanese.",
    "the quick brown fox jumps over the lazy dog", "Ελληνικά και ΣΊΣΥΦΟΣ", "İstanbul ıssız", "한국어 텍스트",
  ]

  init(_ words: WordPieceTokenizer.Words) throws {
    let reader = try WordReader(words)
    var counts = WordCounts()
    for sentence in Self.sentences {
      try Array(sentence.utf8).withUnsafeBufferPointer { try reader.forEachWord($0) { counts.add($0) } }
    }
    var training = TrainingWords()
    try counts.forEachSorted { (word, count) throws(ShardError) in training.add(word, count: count) }
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = 260
    trainer.minimumFrequency = 1
    let result = try trainer.train(training)
    tokenizer = try WordPieceTokenizer(tokens: result.tokens, specialTokens: trainer.specialTokens, words: words)
    for (name, bytes) in HuggingFaceTokenizerFiles(tokenizer).contents {
      try FileSystem.write(bytes, to: "\(folder)/\(name)")
    }
  }

  deinit { try? FileSystem.removeTree(folder) }

  func ids(_ text: [UInt8]) throws -> [UInt32] {
    var ids = TokenBuffer()
    try text.withUnsafeBufferPointer { try TokenizerSession(tokenizer).encode($0, into: &ids) }
    return Array(ids.ids)
  }
}

/// `bert-base-uncased` and its kind.
@Suite(.needs(huggingFace.isUsable, "the Python package tokenizers is not installed")) struct BERTTokenizerTests {
  @Test(arguments: [WordPieceTokenizer.Words.uncased, .cased])
  func everyScalarIsCutAlike(_ words: WordPieceTokenizer.Words) throws {
    let file = try TextFile(everyScalar)
    let theirs = split(huggingFace.run("words", file.path, words.rawValue))
    try #require(theirs.count == everyScalar.count)
    let reader = try WordReader(words)
    var different: [String] = []
    for (text, expected) in zip(everyScalar, theirs) {
      var found: [UInt8] = []
      try text.withUnsafeBufferPointer { try reader.forEachWord($0) { found += Array($0) + [0x0A] } }
      if found != expected { different.append(String(decoding: text, as: UTF8.self)) }
    }
    #expect(different.isEmpty, "\(different.count): \(different.prefix(5))")
  }

  @Test(arguments: [WordPieceTokenizer.Words.uncased, .cased])
  func idsAndPlacesAreTheSame(_ words: WordPieceTokenizer.Words) throws {
    let english = try EnglishTokenizer(words)
    let pool = EnglishTokenizer.sentences.joined(separator: "[SEP]e\u{301}\u{AD}\u{200B}\u{FEFF}K").unicodeScalars
      .map(\.value)
    var random = SystemRandomNumberGenerator()
    var texts = (0..<4_000).map { _ in randomText(&random, pool, 0...40) } + everyScalar
    texts += EnglishTokenizer.sentences.map { Array($0.utf8) } + [Array(String(repeating: "É", count: 101).utf8)]
    let file = try TextFile(texts)
    let theirs = split(huggingFace.run("ids", file.path, english.folder + "/tokenizer.json"))
    try #require(theirs.count == texts.count)
    let session = try TokenizerSession(english.tokenizer)
    var different: [String] = []
    var ids = TokenBuffer()
    for (number, (text, expected)) in zip(texts, theirs).enumerated() {
      ids.removeAll()
      try text.withUnsafeBufferPointer { try session.encode($0, into: &ids) }
      let own = Array(ids.ids)
      if Array(own.map { String($0) }.joined(separator: " ").utf8) != expected {
        different.append(String(decoding: text, as: UTF8.self))
      }
      if number < 1_000 { #expect(try session.encodeWithPlaces(text).map(\.id) == own) }
    }
    #expect(different.isEmpty, "\(different.count): \(different.prefix(5))")
  }

  @Test(arguments: [WordPieceTokenizer.Words.uncased, .cased])
  func theFileComesBack(_ words: WordPieceTokenizer.Words) throws {
    let english = try EnglishTokenizer(words)
    let path = english.folder + "/tokenizer.json"
    #expect(try WordPieceTokenizer(path: path).words == words)
    #expect(huggingFace.run("saved", path) == Array(try FileSystem.read(path).dropLast()))
    let configuration = try JSONValue.parse(try FileSystem.read(english.folder + "/tokenizer_config.json")).value
    let settings = try HuggingFaceTokenizerSettings(configuration)
    #expect(settings.words == words)
    #expect(try WordPieceTokenizer(vocabulary: english.tokenizer.tokens, settings).tokens == english.tokenizer.tokens)
    for (key, value) in [
      ("strip_accents", "true"), ("tokenize_chinese_chars", "false"), ("do_basic_tokenize", "false"),
      ("do_lower_case", "0"),
    ] {
      let text = #"{"tokenizer_class": "BertTokenizerFast", "\#(key)": \#(value)}"#
      #expect(throws: TokenizerError.self) {
        try HuggingFaceTokenizerSettings(JSONValue.parse(Array(text.utf8)).value)
      }
    }
  }

  @Test(
    .needs(transformers.isUsable, "the Python package transformers is not installed"),
    arguments: [WordPieceTokenizer.Words.uncased, .cased])
  func transformersTakesItForBERTs(_ words: WordPieceTokenizer.Words) throws {
    let english = try EnglishTokenizer(words)
    let text = "The CAFÉ is déjà-vu [MASK] 漢字"
    let special = english.tokenizer
    let ids = [special.classification] + (try english.ids(Array(text.utf8))) + [special.separator]
    let output = String(decoding: try #require(transformers.run(english.folder, text)), as: UTF8.self)
    #expect(output.hasPrefix("BertTokenizer") && output.hasSuffix(ids.map { String($0) }.joined(separator: " ") + "\n"))
  }
}
