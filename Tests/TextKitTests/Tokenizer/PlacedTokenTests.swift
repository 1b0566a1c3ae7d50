import ShardKit
import TestKit
import Testing

@testable import TextKit

@Suite struct PlacedTokenTests {
  private func tokenizer() throws -> WordPieceTokenizer {
    let letters = "東京タワー高さ年がABcdé1３㌢センチ一株式会社。".precomposed
    return try WordPieceTokenizer(
      tokens: WordPieceTrainer.bertTokens.map { Array($0.utf8) } + letters + letters.map { Array("##".utf8) + $0 }
        + [Array("##タワー".utf8)],
      specialTokens: WordPieceTrainer.bertTokens)
  }

  private func parts(_ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    return try TokenizerSession(tokenizer()).encodeWithPlaces(bytes).map {
      String(decoding: bytes[$0.range], as: UTF8.self)
    }
  }

  @Test func placesAreOfTheRawText() throws {
    #expect(try parts("東京タワー。") == ["東", "京", "タワー", "。"])
    #expect(try parts("  Ａ\u{3000}東 京") == ["Ａ", "東", "京"], "full width and white space")
    #expect(try parts("ﾀﾜｰ") == ["ﾀ", "ﾜ", "ｰ"] || parts("ﾀﾜｰ") == ["ﾀﾜｰ"])
    #expect(try parts("㌢") == ["㌢", "㌢", "㌢"], "one character, three tokens")
    #expect(try parts("e\u{301}") == ["e\u{301}"], "two scalars, one token")
    #expect(try parts("東[MASK]京") == ["東", "[MASK]", "京"])
    #expect(try parts("東鑫京。") == ["東鑫京", "。"], "a word with an unknown character is one token")
    #expect(try parts("").isEmpty)
  }

  /// Ids are those of `encode`, and places ascend, for texts of every kind of character.
  @Test func idsAreThoseOfTheFastPath() throws {
    let session = try TokenizerSession(tokenizer())
    var texts = ["東京タワーの高さ。", "ＡＢｃ　ｄé ３年が㌢㌢", "\u{309A}東\u{3099}京", "[SEP]東[UNK]", "a\u{0}b\u{1F600}"]
    texts.append(String(repeating: "東京 タワー", count: 500))
    for text in texts {
      let bytes = Array(text.utf8)
      var fast = TokenBuffer()
      try bytes.withUnsafeBufferPointer { try session.encode($0, into: &fast) }
      let placed = try session.encodeWithPlaces(bytes)
      #expect(placed.map(\.id) == Array(fast.ids), "\(text.prefix(20))")
      for (a, b) in zip(placed, placed.dropFirst()) { #expect(a.range.lowerBound <= b.range.lowerBound) }
      #expect(placed.allSatisfy { $0.range.upperBound <= bytes.count && !$0.range.isEmpty })
    }
  }

  /// Hugging Face's own places, over real sentences.
  @Test(.needs(huggingFace.isUsable, "needs Python with tokenizers"), .needsRealTexts) func placesEqualHuggingFaces()
    throws
  {
    let path = try #require(realDataPath) + "/jglue/jsts/valid-v1.3.json"
    let texts = try FileSystem.read(path).split(separator: 0x0A).prefix(400).map { Array($0) }
    var seen = Set<[UInt8]>()
    var characters: [[UInt8]] = []
    for text in texts {
      for character in String(decoding: NFKC.tokenizers.normalize(text), as: UTF8.self).unicodeScalars {
        let bytes = Array(String(character).utf8)
        if !character.properties.isWhitespace, seen.insert(bytes).inserted { characters.append(bytes) }
      }
    }
    let own = try WordPieceTokenizer(
      tokens: WordPieceTrainer.bertTokens.map { Array($0.utf8) } + characters
        + characters.map { Array("##".utf8) + $0 },
      specialTokens: WordPieceTrainer.bertTokens)
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(HuggingFaceTokenizerFiles(own).contents[0].bytes, to: folder + "/tokenizer.json")
    let file = try TextFile(texts)
    let theirs = split(huggingFace.run("places", file.path, folder + "/tokenizer.json"))
    try #require(theirs.count == texts.count)
    let session = try TokenizerSession(own)
    for (text, line) in zip(texts, theirs) {
      let mine = try session.encodeWithPlaces(text).map { "\($0.range.lowerBound)-\($0.range.upperBound)" }
      #expect(mine.joined(separator: " ") == String(decoding: line, as: UTF8.self))
    }
  }
}

extension String {
  /// Distinct scalars of the normal form.
  fileprivate var precomposed: [[UInt8]] {
    var seen = Set<[UInt8]>()
    return String(decoding: NFKC.tokenizers.normalize(Array(utf8)), as: UTF8.self).unicodeScalars
      .map { Array(String($0).utf8) }.filter { seen.insert($0).inserted }
  }
}
