import Glibc
import ShardKit
import TestKit
import Testing

@testable import TextKit

/// Characters that NFKC treats in special ways, and common Japanese.
private let delicate: [UInt32] = {
  let marks = (UInt32(0x300)...0x36F).map { $0 } + [0x3099, 0x309A, 0x302A, 0x1161, 0x11A8, 0x11C2, 0xFF9E, 0xFF9F]
  let letters = Array(UInt32(0x3041)...0x30FF) + Array(0xFF01...0xFFDC) + Array(0x1100...0x1112) + [0xAC00, 0xAC01]
  return marks + letters + Array("abeoAÅǅﬁ①㍻㋿豈가각 ".unicodeScalars.map(\.value)) + marks
}()

func randomText(_ random: inout some RandomNumberGenerator, _ pool: [UInt32], _ count: ClosedRange<Int>) -> [UInt8] {
  var out: [UInt8] = []
  for _ in 0..<Int.random(in: count, using: &random) {
    UTF8Scanning.append(pool.randomElement(using: &random)!, to: &out)
  }
  return out
}

/// All scalars of the planes that have characters, and some of the others.
let everyAssignedScalar: [UInt32] = (UInt32(1)..<0x11_0000).filter {
  Unicode.Scalar($0) != nil && ($0 < 0x3_2400 || (0xE_0000..<0xE_0200).contains($0) || $0 % 257 == 0)
}

@Suite struct NFKCTests {
  @Test func dakutenAreComposedAndNeverDropped() {
    func form(_ text: String) -> String { String(decoding: NFKC.current.normalize(Array(text.utf8)), as: UTF8.self) }
    #expect(form("が") == "が" && form("が").unicodeScalars.count == 1)
    #expect(form("か\u{3099}").unicodeScalars.elementsEqual("が".unicodeScalars))
    #expect(form("ﾊﾞｽとﾊﾟｽ").unicodeScalars.elementsEqual("バスとパス".unicodeScalars))
    #expect(form("ＡＢＣ１２３！　㌔").unicodeScalars.elementsEqual("ABC123! キロ".unicodeScalars))
    #expect(form("") == "")
    #expect(form("\u{3099}が").unicodeScalars.elementsEqual("\u{3099}が".unicodeScalars))
  }

  @Test func tokenizersLeaveNewerCharactersAlone() {
    #expect(NFKC.tokenizers.normalize(Array("㋿".utf8)) == Array("㋿".utf8))
    #expect(NFKC.current.normalize(Array("㋿".utf8)) == Array("令和".utf8))
  }

  @Test func malformedBytesBecomeReplacementCharacters() {
    let text: [UInt8] = Array("あ".utf8) + [0xFF, 0xE3, 0x81] + Array("い".utf8)
    #expect(NFKC.current.normalize(text) == Array("あ\u{FFFD}\u{FFFD}い".utf8))
  }

  /// Text cut before any character that joins nothing gives the same in parts as whole.
  @Test func partsBetweenBoundariesMakeTheWhole() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      let text = randomText(&random, delicate, 2...30)
      var parts: [UInt8] = []
      var start = 0
      text.withUnsafeBufferPointer { bytes in
        UTF8Scanning.forEachScalar(bytes) { scalar, at, _ in
          guard NFKC.current.traits[scalar] & NFKC.joins == 0, Bool.random(using: &random) else { return }
          NFKC.current.normalize(UnsafeBufferPointer(rebasing: bytes[start..<at]), into: &parts)
          start = at
        }
        NFKC.current.normalize(UnsafeBufferPointer(rebasing: bytes[start...]), into: &parts)
      }
      #expect(parts == NFKC.current.normalize(text))
    }
  }

  /// A hundred thousand marks on one letter take no quadratic time.
  @Test func pilesOfMarks() {
    var text = Array("a".utf8), ordered = Array("á".utf8)
    for i in 0..<100_000 { UTF8Scanning.append(i % 2 == 0 ? 0x327 : 0x301, to: &text) }
    for _ in 0..<50_000 { UTF8Scanning.append(0x327, to: &ordered) }
    for _ in 1..<50_000 { UTF8Scanning.append(0x301, to: &ordered) }
    // The first acute accent composes with the letter over the cedillas, which are of a lower class.
    #expect(NFKC.current.normalize(text) == ordered)
  }

  /// A mark that stands by itself is a character of its own: no other mark is sorted past it, and it joins the kana
  /// right before it alone.
  @Test(arguments: [
    ("が\u{301}゛", "が\u{301}゛"), ("か\u{301}゛", "か\u{301}゛"), ("か゛\u{301}", "が\u{301}"), ("か゛゛", "が゛"),
    ("か\u{3099}゛", "が゛"), ("は゜゛", "ぱ゛"), ("゛\u{301}\u{327}", "゛\u{327}\u{301}"), ("あ゛\u{301}", "あ゛\u{301}"),
    ("ｶﾞ", "ガ"), ("ｱﾞ\u{3099}", "ア゛\u{3099}"), ("か\u{301}ﾞ", "か\u{301}゛"),
  ])
  func marksByThemselvesKeepTheirPlace(_ text: String, _ expected: String) {
    let form = NFKC.cleaning.normalize(Array(text.utf8))
    #expect(form == Array(expected.utf8))
    #expect(NFKC.cleaning.normalize(form) == form)
  }

  @Test func marksByThemselvesStayForReaders() {
    func form(_ text: String) -> String { String(decoding: NFKC.cleaning.normalize(Array(text.utf8)), as: UTF8.self) }
    for text in ["゛", "´", "¨", "￣", "\u{1FC1}", "あ゛", "あ\u{3099}"] {
      #expect(form(text).unicodeScalars.elementsEqual(text.unicodeScalars))
    }
    #expect(form("か゛").unicodeScalars.elementsEqual("が".unicodeScalars))
    #expect(form("ﾞｱﾞ").unicodeScalars.elementsEqual("゛ア゛".unicodeScalars))
  }
}

private let unicodeData = PeerScript("unicode_nfkc.py")

/// Beside Python's unicodedata, whose Unicode may be older: characters that it does not know are left out.
@Suite(.needs(unicodeData.isUsable, "Python is not installed"))
struct NFKCPeerTests {
  private func compared(_ texts: [[UInt8]]) throws -> [[UInt8]] {
    let file = try TextFile(texts)
    let theirs = split(unicodeData.run(file.path))
    try #require(theirs.count == texts.count)
    return zip(texts, theirs).filter { $1 != Array("?".utf8) && NFKC.current.normalize($0) != $1 }.map(\.0)
  }

  @Test func everyScalarAsPython() throws {
    let texts = everyAssignedScalar.map { value -> [UInt8] in
      var text: [UInt8] = []
      UTF8Scanning.append(value, to: &text)
      return text
    }
    #expect(
      try compared(texts) == [], "Python may be of another Unicode version than \(ScalarProperties.unicodeVersion)")
  }

  @Test func sequencesAsPython() throws {
    var random = SplitMix(seed: 3)
    #expect(try compared((0..<20_000).map { _ in randomText(&random, delicate, 1...8) }) == [])
  }
}
