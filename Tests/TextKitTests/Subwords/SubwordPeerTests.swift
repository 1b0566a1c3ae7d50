import ShardKit
import TestKit
import Testing

@testable import TextKit

private let peer = PeerScript("subword_tokenizers.py")

/// The small tokenizers that the peer trains, and texts to try them on.
private final class SubwordBench: @unchecked Sendable {
  static let shared = try? SubwordBench()

  let folder = temporaryDirectory()
  let texts: [[UInt8]]
  private let file: TextFile

  init() throws {
    let training = try TextFile(SmallTokenizer.sentences.flatMap { [$0, $0] }.map { Array($0.utf8) })
    _ = try #require(peer.run("build", folder, training.path))
    texts = Self.makeTexts()
    file = try TextFile(texts)
  }

  /// What the peer prints for each text.
  func theirs(_ command: String, _ kind: String) throws -> [[UInt8]] {
    let lines = split(huggingFace.run(command, file.path, path(kind)))
    try #require(lines.count == texts.count)
    return lines
  }

  func path(_ kind: String) -> String { "\(folder)/\(kind).json" }

  private static let chosen = [
    "", " ", "\n", "\n\n a", "a  b", "word", "words", "aword word.", "<left", "x <left> <right> y", "  <left>",
    "<right>  ", "<mask><ma", " <mask>", "か\u{3099}くこう", "ＡＢ１２", "e\u{301}e\u{308}", "x\r\ny", "魚 市Ｎorm", "㌔a",
    "\u{3000}あ", "<unk>謎謎<unk>", "'LL it'ſ", "1234567", "<0xE3>", "\u{E000}\u{E000}", "©\u{200D}©", "\u{600}e\u{301}",
    String(repeating: "あ", count: 300), String(repeating: "h", count: 500), String(repeating: " ", count: 90) + "x",
  ]
  private static let parts = [
    "<left>", "<right>", "<mask>", "word", "Ｎorm", "ｎorm", "魚 市", "  ", " ", "\n", "\r\n", "<extra>", "e\u{301}",
    "ＡＢ", "'s", "'LL", "123456", "Hello", "WORLD", "\u{200B}", "\u{A0}", "\t", "①Ⅳ٣", "\u{AD}", "👨‍👩‍👧", "각",
  ]

  private static func makeTexts() -> [[UInt8]] {
    var random = SplitMix(seed: 41)
    let pool = SmallTokenizer.sentences.joined().unicodeScalars.map(\.value) + [0x3099, 0x301, 0x20, 0x2581, 0xFFFD]
    var texts = chosen.map { Array($0.utf8) }
    for _ in 0..<1500 {
      var text: [UInt8] = []
      for _ in 0..<Int.random(in: 0...12, using: &random) {
        text += randomText(&random, pool, 0...8)
        if Bool.random(using: &random) { text += Array(parts.randomElement(using: &random)!.utf8) }
      }
      texts.append(text)
    }
    for scalar in everyAssignedScalar where scalar < 0x3400 || scalar % 61 == 0 {
      var text = Array("x".utf8)
      UTF8Scanning.append(scalar, to: &text)
      text += Array("あ".utf8)
      UTF8Scanning.append(scalar, to: &text)
      UTF8Scanning.append(0x3099, to: &text)
      text += Array(" ".utf8)
      UTF8Scanning.append(scalar, to: &text)
      UTF8Scanning.append(scalar, to: &text)
      texts.append(text + Array("漢1".utf8))
    }
    return texts
  }
}

/// Tokenizers of all supported kinds, made by Hugging Face's tokenizers, give the ids that these give.
@Suite(.needs(peer.isUsable, "the Python package tokenizers is not installed"))
struct SubwordPeerTests {
  static let kinds = [
    "bytes", "bytes-space", "bytes-llama", "bytes-o200k", "bytes-bloom", "bytes-whole", "metaspace", "prepend", "words",
    "silent", "unigram", "unigram-bytes", "unigram-map", "unigram-strip", "pieces", "pieces-digits",
  ]

  @Test(arguments: kinds) func givesTheSameIDs(kind: String) throws {
    let bench = try #require(SubwordBench.shared)
    let tokenizer = try SubwordTokenizer(path: bench.path(kind)), theirs = try bench.theirs("ids", kind)
    let session = SubwordSession(tokenizer)
    var ids = TokenBuffer()
    var different: [String] = []
    for (text, expected) in zip(bench.texts, theirs) {
      ids.removeAll()
      try text.withUnsafeBufferPointer { try session.encode($0, into: &ids) }
      if Array(ids.ids.map { String($0) }.joined(separator: " ").utf8) != expected {
        different.append(String(decoding: text, as: UTF8.self))
      }
    }
    #expect(different.isEmpty, "\(different.count): \(different.prefix(3))")
  }

  /// Tokens with their places are the same tokens, and their places are in order and within the text.
  @Test(arguments: kinds) func placesGoWithTheSameIDs(kind: String) throws {
    let bench = try #require(SubwordBench.shared)
    let session = SubwordSession(try SubwordTokenizer(path: bench.path(kind)))
    var ids = TokenBuffer()
    for text in bench.texts {
      ids.removeAll()
      var placed: [UInt32] = []
      var last = 0
      try text.withUnsafeBufferPointer { text in
        try session.encode(text, into: &ids)
        try session.encodeWithPlaces(text) { id, range in
          placed.append(id)
          #expect(range.lowerBound >= 0 && range.upperBound <= text.count)
          if kind == "bytes" { #expect(range.lowerBound >= last) }
          last = range.lowerBound
        }
      }
      #expect(placed == Array(ids.ids), "\(String(decoding: text, as: UTF8.self))")
    }
  }

  @Test(arguments: kinds) func addsTheSameSpecialTokens(kind: String) throws {
    let bench = try #require(SubwordBench.shared)
    let tokenizer = try SubwordTokenizer(path: bench.path(kind))
    let theirs = String(decoding: try #require(peer.run("frames", bench.path(kind))), as: UTF8.self)
      .split(separator: "\n").map { $0.split(separator: " ").map { Int($0)! } }
    func ids(_ text: String) throws -> [UInt32] {
      var ids = TokenBuffer()
      try Array(text.utf8).withUnsafeBufferPointer { try SubwordSession(tokenizer).encode($0, into: &ids) }
      return Array(ids.ids)
    }
    let first = try ids("a"), second = try ids("b")
    for (number, parts) in [tokenizer.frame.single, tokenizer.frame.pair].enumerated() {
      var all: [Int] = [], types: [Int] = []
      for part in parts {
        let (new, type): ([UInt32], Int) =
          switch part {
          case .first(let type): (first, type)
          case .second(let type): (second, type)
          case .special(let ids, let type): (ids, type)
          }
        all += new.map { Int($0) }
        types += new.map { _ in type }
      }
      #expect(all == theirs[number * 2])
      #expect(types == theirs[number * 2 + 1])
    }
  }
}
