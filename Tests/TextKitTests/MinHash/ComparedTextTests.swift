import CKernels
import Testing

@testable import TextKit

func folded(_ text: String, level: pl_simd_level = pl_simd_widest(), oldForms: Bool = false) -> String {
  folded(Array(text.utf8), level: level, oldForms: oldForms)
}

func folded(_ utf8: [UInt8], level: pl_simd_level = pl_simd_widest(), oldForms: Bool = false) -> String {
  var compared = ComparedText(level: level, oldForms: oldForms)
  utf8.withUnsafeBufferPointer { compared.fold($0) }
  return String(String.UnicodeScalarView(compared.scalars.map { Unicode.Scalar($0)! }))
}

/// The rule without the table: NFKC of the whole text, then scalar by scalar.
private func foldedSlowly(_ text: String) -> String {
  var kept: [Unicode.Scalar] = []
  for scalar in String(decoding: NFKC.current.normalize(Array(text.utf8)), as: UTF8.self).unicodeScalars {
    FoldingTable.fold(scalar.value, .standard) { value in
      let folded = Unicode.Scalar(value)!
      if folded != " " || kept.last ?? " " != " " { kept.append(folded) }
    }
  }
  if kept.last == " " { kept.removeLast() }
  return kept.isEmpty ? text : String(String.UnicodeScalarView(kept))
}

/// Compares scalars, where `==` on strings would compare canonical equivalents.
private func same(_ a: String, _ b: String) -> Bool { a.unicodeScalars.elementsEqual(b.unicodeScalars) }

@Suite struct ComparedTextTests {
  @Test func foldsByTheStatedRule() {
    #expect(folded("ＡＢＣ　ａｂｃ、１２３。") == "abc abc、123。")
    #expect(folded("\r\n　「今日は、\r\n　晴れ！」\t\n") == "「今日は、 晴れ!」")
    #expect(folded("㍻３０年 ㌢ ﬁ") == "平成30年 センチ fi")
    #expect(folded("zero\u{200B}width\u{0}") == "zerowidth")
  }

  @Test func dakutenStay() {
    #expect(!same(folded("バス"), folded("パス")) && !same(folded("バス"), folded("ハス")))
    #expect(!same(folded("か"), folded("が")))
    #expect(same(folded("ﾊﾞｽ"), "バス") && same(folded("ﾊﾟｽ"), "パス"))
    #expect(same(folded("ハ\u{3099}ス"), "バス"))
    #expect(same(folded("ｶﾞｷﾞｸﾞ"), "ガギグ"))
  }

  @Test func textOfWhiteSpaceAloneStays() {
    #expect(folded("\u{200B}") == "\u{200B}")
    #expect(folded("") == "")
    #expect(folded(" \n") == " \n")
  }

  @Test func malformedBytesDoNoHarm() {
    #expect(folded([0xE3, 0x81]) == "\u{FFFD}")
    #expect(folded([0x61, 0xFF, 0x62]) == "a\u{FFFD}b")
    #expect(folded([0xED, 0xA0, 0x80, 0x61]).hasSuffix("a"))
    #expect(folded([0xF4, 0x90, 0x80, 0x80]).allSatisfy { $0 == "\u{FFFD}" })
  }

  /// Every scalar beside neighbors that it could join.
  @Test func tableAgreesWithTheRule() {
    var wrong: [UInt32] = []
    for value in UInt32(1)..<0x30000 {
      if (0x3500..<0x9F00).contains(value) || (0x20100..<0x2F000).contains(value) { continue }
      guard let scalar = Unicode.Scalar(value), value < 0xE100 || value > 0xF800 else { continue }
      let text = "カ\(Character(scalar))\u{3099}"
      if !same(folded(text), foldedSlowly(text)) { wrong.append(value) }
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(20).map { String($0, radix: 16) })")
  }

  @Test(arguments: levels) func randomTextsAgreeWithTheRule(level: pl_simd_level) {
    let pool: [UInt32] = [
      0x20, 0x41, 0x7A, 0x30, 0x2C, 0x0A, 0xA0, 0xE9, 0xDF, 0x130, 0x301, 0x323, 0x3042, 0x304B, 0x3099, 0x309A,
      0x30CF, 0x30FC, 0x3002, 0x4E00, 0x8A9E, 0xF900, 0xFF01, 0xFF21, 0xFF76, 0xFF9E, 0xFF9F, 0x337B, 0xFE0F,
      0x200D, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xFFA1, 0xFFC2, 0x1F468, 0x1D400, 0x20000, 0x2F800, 0xE0100, 0x9C7,
      0x9BE, 0xFB01, 0xFFFF, 0xFDFA, 0x2026, 0x2026, 0x2025,
    ]
    var dice = Dice(state: 5)
    for _ in 0..<4000 {
      var text = ""
      for _ in 0..<Int.random(in: 1...12, using: &dice) {
        text.unicodeScalars.append(Unicode.Scalar(pool.randomElement(using: &dice)!)!)
        // Plain stretches, for the kernel's wide steps.
        for _ in 0..<Int.random(in: 0...20, using: &dice) where text.unicodeScalars.count % 3 == 0 {
          text.unicodeScalars.append(Unicode.Scalar(UInt32.random(in: 0x3041...0x9000, using: &dice))!)
        }
      }
      let (fast, slow) = (folded(text, level: level), foldedSlowly(text))
      #expect(same(fast, slow), "\(text.unicodeScalars.map { String($0.value, radix: 16) })")
    }
  }

  @Test func longTextsGrowTheMemory() {
    let text = String(repeating: "長い文章と、ｶﾞｷﾞ 👍", count: 5000)
    #expect(same(folded(text), foldedSlowly(text)))
  }
}
