import ShardKit
import TestKit
import Testing

@testable import TextKit

/// Longest match first, tried from the longest piece down.
private func longestMatch(_ word: String, _ ids: [String: UInt32]) -> [UInt32] {
  let scalars = Array(word.unicodeScalars)
  var out: [UInt32] = []
  var start = 0
  while start < scalars.count {
    var end = scalars.count
    var found: UInt32?
    while end > start, found == nil {
      var piece = start > 0 ? "##" : ""
      piece.unicodeScalars.append(contentsOf: scalars[start..<end])
      found = ids[piece]
      if found == nil { end -= 1 }
    }
    guard let found else { return [1] }
    out.append(found)
    start = end
  }
  return out
}

@Suite struct WordPieceEncoderTests {
  /// Random vocabularies over few letters: pieces overlap in every way, many words are unknown.
  @Test func matchesAsLongestFirst() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<100 {
      let letters = Array("abcd".prefix(Int.random(in: 1...4, using: &random)))
      func word(_ count: ClosedRange<Int>) -> String {
        String((0..<Int.random(in: count, using: &random)).map { _ in letters.randomElement(using: &random)! })
      }
      var tokens = ["[PAD]", "[UNK]"]
      for _ in 0..<Int.random(in: 1...25, using: &random) {
        let token = (Bool.random(using: &random) ? "##" : "") + word(1...5)
        if !tokens.contains(token) { tokens.append(token) }
      }
      let ids = Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($1, UInt32($0)) })
      let encoder = WordPieceEncoder(tokens: tokens.map { Array($0.utf8) }, unknown: 1)
      for _ in 0..<30 {
        let text = word(1...12)
        var found = TokenBuffer()
        Array(text.utf8).withUnsafeBufferPointer { encoder.encode($0, into: &found) }
        #expect(Array(found.ids) == longestMatch(text, ids), "\(text) in \(tokens)")
      }
    }
  }

  @Test func oneUnknownCharacterMakesTheWordUnknown() throws {
    let small = try SmallTokenizer()
    let known = try small.ids(Array("朝の港".utf8))
    #expect(!known.contains(small.tokenizer.unknown))
    #expect(try small.ids(Array("朝の鬱港".utf8)) == [small.tokenizer.unknown])
    #expect(try small.ids(Array("鬱、朝の港".utf8)).suffix(known.count) == known[...])
  }

  @Test func aWordMayHaveAHundredCharacters() throws {
    let small = try SmallTokenizer()
    func ids(_ count: Int) throws -> [UInt32] { try small.ids(Array(String(repeating: "朝", count: count).utf8)) }
    #expect(try !ids(100).contains(small.tokenizer.unknown))
    #expect(try ids(101) == [small.tokenizer.unknown])
    #expect(try ids(100_000) == [small.tokenizer.unknown])
  }

  @Test func emptyAndMalformedTextsAreNoTrouble() throws {
    let small = try SmallTokenizer()
    #expect(try small.ids([]) == [])
    #expect(try small.ids(Array(" \n　".utf8)) == [])
    #expect(try small.ids([0xFF, 0xE3]) == [small.tokenizer.unknown])
  }

  /// Characters that normalization lengthens eighteenfold leave the buffer whole.
  @Test func normalisationMayLengthenTexts() throws {
    let small = try SmallTokenizer()
    let text = Array(String(repeating: "\u{FDFA}", count: 5_000).utf8)
    #expect(try small.ids(text).count <= 5_000 * 18)
    #expect(try small.ids(Array(String(repeating: "㌔", count: 3).utf8)) == small.ids(Array("キロキロキロ".utf8)))
  }

  @Test func theFileComesBackAsTheSameTokenizer() throws {
    let small = try SmallTokenizer()
    let read = try WordPieceTokenizer(path: small.path)
    #expect(read.tokens == small.tokenizer.tokens && read.specialTokens == small.tokenizer.specialTokens)
    #expect(read.words == .scripts && read.maximumCharacters == 100)
  }

  @Test(arguments: [
    (#""NFKC""#, #""NFC""#, #"normalizer is {"type":"NFC"}, which is not supported"#),
    (#""UnicodeScripts""#, #""Digits""#, "which is not supported"),
    (#""max_input_chars_per_word": 100"#, #""max_input_chars_per_word": 0"#, "not between 1 and 10000"),
    (#""[UNK]": 1"#, #""[UNK]": 2"#, "gives '[CLS]' an id that is out of range or taken"),
    (#""lstrip": false"#, #""lstrip": true"#, "added_tokens.lstrip is true, but only false is supported"),
    (#""version""#, #"version"#, "is not valid JSON at byte"),
  ])
  func otherTokenizersAreRefused(_ old: String, _ new: String, _ message: String) throws {
    let small = try SmallTokenizer()
    let text = String(decoding: try FileSystem.read(small.path), as: UTF8.self)
    let at = try #require(text.firstRange(of: old))
    let path = small.folder + "/other.json"
    let file = try FileSink(path)
    try file.write(text.replacingCharacters(in: at, with: new))
    try file.commit()
    #expect {
      _ = try WordPieceTokenizer(path: path)
    } throws: {
      "\($0)".contains(message)
    }
  }
}

extension String {
  fileprivate func replacingCharacters(in range: Range<String.Index>, with other: String) -> String {
    var copy = self
    copy.replaceSubrange(range, with: other)
    return copy
  }
}
