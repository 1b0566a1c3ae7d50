import ShardKit
import TestKit
import Testing

@testable import TextKit

private let hasMeCab = (try? MeCab()) != nil
private let bertJapanese = PeerScript("bert_japanese_words.py")

/// Every character that Python's `str.isspace` or Unicode's White_Space holds for.
private let whiteSpace: [UInt32] =
  Array(0x09...0x0D) + Array(0x1C...0x20) + [0x85, 0xA0, 0x1680] + Array(0x2000...0x200A)
  + [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]

@Suite(.needs(hasMeCab, "MeCab is not installed")) struct MeCabTests {
  private func words(_ text: [UInt8], dictionary: String? = nil) throws -> [String] {
    var words: [String] = []
    let reader = try WordReader(.mecab, dictionary: dictionary)
    try text.withUnsafeBufferPointer { text in
      try reader.forEachWord(text) { words.append(String(decoding: $0, as: UTF8.self)) }
    }
    return words
  }

  /// White space before, between, within and behind words.
  static let texts: [[UInt8]] = whiteSpace.flatMap { value -> [[UInt8]] in
    var space: [UInt8] = []
    UTF8Scanning.append(value, to: &space)
    let pieces = ["", "一行目である。", "二行目", "abc", "猫", ""].map { Array($0.utf8) }
    return [
      Array(pieces.joined(separator: space)), Array(pieces.joined(separator: space + space)),
      Array("x".utf8) + space + Array("y".utf8), space, Array("東京".utf8) + space + Array("都\r\n".utf8),
    ]
  }

  @Test func noWordHoldsWhiteSpace() throws {
    for text in Self.texts {
      for word in try words(text) {
        #expect(
          !word.isEmpty && !word.unicodeScalars.contains { whiteSpace.contains($0.value) }, "\(word.debugDescription)")
      }
    }
    #expect(try words(Array("猫が\r\n走る".utf8)) == ["猫", "が", "走る"])
  }

  @Test(.needs(bertJapanese.isUsable, "transformers, fugashi or ipadic is not installed"))
  func wordsAreThoseOfTransformers() throws {
    let dictionary = String(decoding: try #require(bertJapanese.run("dictionary")), as: UTF8.self)
    let file = try TextFile(Self.texts)
    let theirs = split(bertJapanese.run("words", file.path))
    try #require(theirs.count == Self.texts.count)
    for (text, expected) in zip(Self.texts, theirs) {
      let ours = try words(text, dictionary: dictionary).joined(separator: "\n")
      #expect(Array(ours.utf8) == expected, "\(String(decoding: text, as: UTF8.self).debugDescription)")
    }
  }

  @Test func aNULPartsWordsAndLosesNothing() throws {
    #expect(try words(Array("猫\0犬".utf8)) == ["猫", "犬"])
    #expect(try words([0]) == [] && words([]) == [])
  }

  /// Longer than a piece: cut at line ends, or where there are none.
  @Test func longTextsAreReadInPieces() throws {
    let line = "猫が走る。\n"
    let count = MeCab.pieceBytes / line.utf8.count + 50
    #expect(try words(Array(String(repeating: line, count: count).utf8)).count == 4 * count)
    #expect(try words(Array(String(repeating: "猫が走る。", count: count).utf8)).count == 4 * count)
    let letters = try words(Array(String(repeating: "あ", count: MeCab.pieceBytes).utf8))
    #expect(letters.reduce(0) { $0 + $1.utf8.count } == 3 * MeCab.pieceBytes)
  }

  @Test func theIdentityFollowsTheDictionary() throws {
    let identity = try MeCab().dictionaryIdentity()
    #expect(identity.hasPrefix("mecab-0.") && identity.split(separator: "-").count > 4)
    #expect(try MeCab(output: .partsOfSpeech).dictionaryIdentity() == identity)
    #expect(try WordReader.identity(.scripts) == "" && WordReader.identity(.mecab) == identity)
  }
}
