import CICU
import Glibc
import ShardKit
import TestKit
import Testing

@testable import TextKit

/// ICU's answer.
private func icu(_ text: [UInt8]) -> [UInt8] {
  var out: [UInt8] = []
  withUnsafeMutablePointer(to: &out) { target in
    text.withUnsafeBytes { bytes in
      _ = pl_nfkc(bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count, target) { context, bytes, count in
        let out = context!.assumingMemoryBound(to: [UInt8].self)
        bytes.withMemoryRebound(to: UInt8.self, capacity: count) {
          out.pointee.append(contentsOf: UnsafeBufferPointer(start: $0, count: count))
        }
      }
    }
  }
  return out
}

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

  @Test func everyScalarAsICU() {
    var different: [UInt32] = []
    for value in everyAssignedScalar {
      var text: [UInt8] = []
      UTF8Scanning.append(value, to: &text)
      if NFKC.current.normalize(text) != icu(text) { different.append(value) }
    }
    #expect(different == [], "ICU may be of another Unicode version than \(ScalarProperties.unicodeVersion)")
  }

  @Test func sequencesAsICU() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<5_000 {
      let text = randomText(&random, delicate, 1...8)
      #expect(
        NFKC.current.normalize(text) == icu(text),
        "\(String(decoding: text, as: UTF8.self).unicodeScalars.map(\.value))")
    }
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
    var text = Array("a".utf8)
    for i in 0..<20_000 { UTF8Scanning.append(i % 2 == 0 ? 0x327 : 0x301, to: &text) }
    #expect(NFKC.current.normalize(text) == icu(text))
  }
}
