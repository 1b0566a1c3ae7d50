import ShardKit
import TestKit
import Testing

@testable import TextKit

@Suite struct PassageIndexTests {
  private func index(_ texts: [String], _ rule: PassageRule) throws -> PassageIndex {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var builder = PassageIndexBuilder(rule)
    for text in texts { _ = builder.add(Array(text.utf8), answers: []) }
    let sink = try FileSink(folder + "/index")
    try builder.write(to: sink)
    try sink.commit()
    return try PassageIndex(folder + "/index")
  }

  /// Every maximal common run that holds a passage, found by trying every pair of places.
  private func expected(_ index: PassageIndex, _ searched: [UInt32]) -> Set<[Int]> {
    var found: Set<[Int]> = []
    for text in 0..<index.count {
      let own = Array(index.letters(of: text)), passages = index.passages(of: text)
      for shift in (1 - own.count)..<searched.count {
        var offset = max(0, -shift)
        while offset < own.count, offset + shift < searched.count {
          var end = offset
          while end < own.count, end + shift < searched.count, own[end] == searched[end + shift] { end += 1 }
          if passages.contains(where: { offset <= $0.lowerBound && $0.upperBound <= end }) {
            found.insert([text, offset, end, offset + shift])
          }
          offset = max(end, offset + 1)
        }
      }
    }
    return found
  }

  /// A grid of one digit matches itself at every shift.
  @Test func aPeriodicTextHasFewMatches() throws {
    let rule = PassageRule(characters: 20, words: 4, minimumCharacters: 8, minimumWords: 3)
    let index = try index([String(repeating: "水", count: 40)], rule)
    let searched = [UInt32](repeating: 0x6C34, count: 20_000)
    let matches = searched.withUnsafeBufferPointer { index.matches(in: $0) }
    #expect(matches.count < 1000)
    var covered = [Bool](repeating: false, count: searched.count)
    for match in matches { for i in match.place..<(match.place + match.range.count) { covered[i] = true } }
    #expect(covered.allSatisfy { $0 })
  }

  @Test func findsWhatTryingEveryPlaceFinds() throws {
    var random = SplitMix(seed: 3)
    let letters = Array("あいうえお水山川"),
      rule = PassageRule(characters: 20, words: 4, minimumCharacters: 8, minimumWords: 3)
    func text(_ count: Int) -> String { String((0..<count).map { _ in letters.randomElement(using: &random)! }) }
    func words(_ count: Int) -> String {
      (0..<count).map { _ in ["river", "stone", "a", "lamp-light", "of"].randomElement(using: &random)! }.joined(
        separator: " ")
    }
    for _ in 0..<2 {
      let texts = (0..<7).map { text(8 + $0 * 6) } + (0..<5).map { words(3 + $0 * 2) }
      let index = try index(texts, rule)
      var fold = LetterText()
      let joined = texts.map { part in
        let cut = part.dropFirst(Int.random(in: 0...4, using: &random)).dropLast(Int.random(in: 0...4, using: &random))
        return text(5) + cut + (Bool.random(using: &random) ? "、" : "") + part
      }.joined(separator: "。\n")
      Array(joined.utf8).withUnsafeBufferPointer { fold.fold($0) }
      let searched = Array(fold.letters)
      let found = index.matches(in: fold.letters).map { [$0.text, $0.range.lowerBound, $0.range.upperBound, $0.place] }
      let wanted = expected(index, searched)
      #expect(Set(found) == wanted && found.count == wanted.count && wanted.count > 10)
    }
  }

  /// A phrase that very many texts have is never searched for; what is their own still is.
  @Test func phrasesOfTheSetAreNoAnchors() throws {
    let phrase = "次の文章を読んで、内容に合うものを一つ選び、その番号だけを答えなさい。"
    let texts = (0..<300).map { "\(phrase)第\($0)の村では\($0 * 7)年ごとに橋が架け替えられてきたという。" }
    let index = try index(texts, PassageRule(characters: 20, words: 13, minimumCharacters: 12, minimumWords: 8))
    var fold = LetterText()
    Array(phrase.utf8).withUnsafeBufferPointer { fold.fold($0) }
    #expect(index.matches(in: fold.letters).isEmpty)
    Array(texts[231].utf8).withUnsafeBufferPointer { fold.fold($0) }
    #expect(index.matches(in: fold.letters).contains { $0.text == 231 && $0.range.lowerBound == 0 })
  }

  @Test func lettersHaveTheirPlaces() {
    let texts = [
      "", "  ", "ＡＢＣ①㍻―か゛がｶﾞ", "e\u{301}é\u{323}x", "\u{FB01}nd ﷺ", "a\u{200B}b\u{AD}c", "〇〜~ー々",
      "\u{1100}\u{1161}\u{11A8}",
      "½ Ⅷ", "😀か\u{3099}\u{3099}", "İß", "\u{3099}a", "x" + String(repeating: "\u{301}", count: 50),
    ]
    var fold = LetterText(), part = LetterText()
    for text in texts + [texts.joined(), texts.reversed().joined(separator: "、")] {
      Array(text.utf8).withUnsafeBufferPointer { bytes in
        fold.fold(bytes)
        let places = fold.places(bytes), letters = Array(fold.letters)
        #expect(places.count == letters.count, "\(text)")
        var start = 0
        // The letters of each place are those of its bytes alone.
        while start < places.count {
          let end = places[start...].firstIndex { $0 != places[start] } ?? places.count
          part.fold(UnsafeBufferPointer(rebasing: bytes[places[start]]))
          #expect(letters[start..<end].elementsEqual(part.letters), "\(text)")
          start = end
        }
      }
    }
    Array("「第１２回」 ＧＰＴ―Ⅲ！".utf8).withUnsafeBufferPointer { fold.fold($0) }
    #expect(String(String.UnicodeScalarView(fold.letters.compactMap { Unicode.Scalar($0) })) == "第12回gptiii")
  }
}
