import CKernels
import TestKit
import Testing

@testable import TextKit

/// Texts in which what the kernels look for is frequent, at every place of a block.
enum MixedText {
  static let parts = [
    "雨", "かな", "カナ", "ー", "、", "。", "「", "」", "（", "）", "()", " ", "  ", "　", "\n", "\t", "\r\n", "a", "Word", "9",
    "+81",
    "http://a.jp", "www.b", "ｗｗｗ．", "：／／", "w", "ww", ":", ":/", "＠", "@", "が", "か\u{3099}", "ｶﾞ", "ゟ", "ヿ", "々", "〇",
    "㌔",
    "é", "e\u{301}", "\u{85}", "\u{A0}", "\u{200B}", "\u{2028}", "\u{FEFF}", "\u{FFFD}", "縺", "繧", "繝", "䷀", "龿", "한",
    "𠮷", "😀",
    "\u{1FFFE}", "ａ", "１", "\u{302A}", "\u{3000}", "、", "(、", "（、",
  ].map { Array($0.utf8) }

  static func valid(_ pieces: Int, _ random: inout SplitMix) -> [UInt8] {
    var out: [UInt8] = []
    for _ in 0..<pieces {
      // Long plain runs too.
      if Int.random(in: 0..<4, using: &random) == 0 {
        for _ in 0..<Int.random(in: 0..<40, using: &random) { out += parts[Int.random(in: 0..<3, using: &random)] }
      }
      out += parts.randomElement(using: &random)!
    }
    return out
  }

  /// The same with bytes that do not belong there.
  static func damaged(_ pieces: Int, _ random: inout SplitMix) -> [UInt8] {
    var out = valid(pieces, &random)
    for _ in 0..<out.count / 20 {
      let place = Int.random(in: 0..<out.count, using: &random)
      if Bool.random(using: &random) {
        out[place] = .random(in: 0...255, using: &random)
      } else {
        out.remove(at: place)
      }
    }
    return out
  }

  static func scalars(_ text: [UInt8]) -> [(value: UInt32, start: Int, end: Int)] {
    var out: [(UInt32, Int, Int)] = []
    text.withUnsafeBufferPointer { text in UTF8Scanning.forEachScalar(text) { out.append(($0, $1, $2)) } }
    return out
  }
}

@Suite struct ScanningKernelTests {
  /// All places that a search stops at, going on behind the scalar of each.
  private func places(
    _ text: [UInt8], from first: Int = 0, _ find: (UnsafePointer<UInt8>, Int, inout pl_scan) -> Int
  ) -> [Int] {
    var out: [Int] = [], scan = pl_scan(), i = first
    text.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return }
      while i < text.count {
        i = find(start, i, &scan)
        guard i < text.count else { break }
        out.append(i)
        i += UTF8Scanning.scalar(at: i, in: start, end: text.count).count
      }
    }
    return out
  }

  @Test(arguments: levels) func stopsAtEveryScalarThatMayChange(level: pl_simd_level) {
    var random = SplitMix(seed: 1)
    for round in 0..<2000 {
      let text = MixedText.damaged(round % 60, &random)
      let expected = MixedText.scalars(text).filter { scalar in
        !NFKC.settled.contains { $0.contains(Int(scalar.value)) }
      }
      let found = places(text) { pl_find_unsettled(level, $0, $1, text.count, &$2) }
      #expect(found == expected.map(\.start), "\(text)")
    }
  }

  @Test func composingFormsLeaveSettledScalars() {
    for form in [NFKC.current, .tokenizers, .cleaning, .tokenizersC] { #expect(form.skipsSettled) }
    for form in [NFKC.tokenizersD, .tokenizersKD] { #expect(!form.skipsSettled) }
  }

  /// Normalizing a text is normalizing it scalar by scalar from boundary to boundary.
  @Test func normalFormsAreThoseOfTheParts() {
    var random = SplitMix(seed: 2)
    for round in 0..<1000 {
      let text = MixedText.damaged(round % 60, &random)
      for form in [NFKC.current, .cleaning] {
        var parts: [UInt8] = [], scratch: [UInt32] = []
        text.withUnsafeBufferPointer { text in
          var i = 0
          while i < text.count { i = form.segment(text, from: i, scratch: &scratch, into: &parts) }
        }
        #expect(form.normalize(text) == parts, "\(text)")
      }
    }
  }

  @Test(arguments: levels, [false, true]) func stopsAtWhatCleaningMayChange(level: pl_simd_level, numbers: Bool) {
    var random = SplitMix(seed: 3)
    for round in 0..<2000 {
      let text = [0x61] + MixedText.valid(round % 60, &random)
      let found = Set(places(text, from: 1) { pl_find_unclean(level, $0, $1, text.count, numbers ? 1 : 0, &$2) })
      for scalar in MixedText.scalars(text).dropFirst() where mayChange(scalar.value, text, scalar.start, numbers) {
        #expect(found.contains(scalar.start), "\(scalar) in \(text)")
      }
      #expect(!found.contains { text[$0].isContinuation })
    }
  }

  private func mayChange(_ scalar: UInt32, _ text: [UInt8], _ i: Int, _ numbers: Bool) -> Bool {
    switch scalar {
    case 0x20:
      let next = i + 1 < text.count ? text[i + 1] : 0x0A
      return !(text[i - 1] > 0x20 && (0x21...0x7F ~= next || 0xE4...0xEC ~= next))
    case 0..<0x20, 0x7F, 0x29, 0xFF09: return true
    case 0x3009, 0x300B, 0x300D, 0x300F, 0x3011, 0x3015, 0x3017: return true
    case 0x3001: return [0x28, 0x88, 0x81].contains(text[i - 1])
    case 0x2B, 0x30...0x39, 0xFF0B, 0xFF10...0xFF19: return numbers
    default: return InvisibleKind(scalar) != .none
    }
  }

  /// Lines in front of a text shift its blocks, and change nothing in it.
  @Test func cleaningDoesNotDependOnThePlace() {
    var random = SplitMix(seed: 4)
    var rules = CleaningRules()
    rules.boilerplate = nil
    for round in 0..<600 {
      rules.nfkc = round % 2 == 0
      rules.unifiesPunctuation = false
      rules.phones = round % 3 == 0 ? .keep : .mask
      let text = Array("始".utf8) + MixedText.valid(round % 40, &random)
      var alone = text
      var cleaner = TextCleaner(rules)
      cleaner.clean(&alone)
      let front = Array(repeating: UInt8(0x78), count: Int.random(in: 0..<130, using: &random)) + Array("雨\n".utf8)
      var behind = front + text
      cleaner.clean(&behind)
      #expect(behind == front + alone, "\(String(decoding: text, as: UTF8.self))")
    }
  }

  @Test(arguments: levels) func stopsAtAddresses(level: pl_simd_level) {
    var random = SplitMix(seed: 5)
    for round in 0..<2000 {
      let text = MixedText.valid(round % 60, &random)
      let found = Set(places(text) { pl_find_address(level, $0, $1, text.count, &$2) })
      let scalars = MixedText.scalars(text)
      for (k, scalar) in scalars.enumerated() {
        let next = k + 1 < scalars.count ? scalars[k + 1].value : 0
        let isPlace =
          switch scalar.value {
          case 0x3A, 0xFF1A: next == 0x2F || next == 0xFF0F
          case 0x77, 0xFF57: next == scalar.value
          case 0x40, 0xFF20: true
          default: false
          }
        if isPlace { #expect(found.contains(scalar.start), "\(scalar) in \(text)") }
      }
    }
  }

  @Test(arguments: levels) func stopsAtWhatIsNoPlainText(level: pl_simd_level) {
    var random = SplitMix(seed: 2)
    let parts = [
      "<", "&", ">", "]]>", "]]", "]>", "\n", "\t", "\r", "\u{0}", "\u{1F}", "\u{7F}", "\u{FFFD}", "\u{FFFE}",
      "\u{FFFF}", "ﾞ",
    ]
    .map { Array($0.utf8) }
    for round in 0..<2000 {
      var text: [UInt8] = []
      while text.count < round % 300 {
        text += Array(repeating: 0x61, count: Int.random(in: 0..<70, using: &random))
        text += parts.randomElement(using: &random)!
      }
      let expected = text.indices.filter { i in
        let next = text[i...].prefix(3)
        return [0x3C, 0x26].contains(text[i]) || text[i] < 0x20 && text[i] != 0x0A && text[i] != 0x09
          || next.elementsEqual([0x5D, 0x5D, 0x3E]) || next.elementsEqual([0xEF, 0xBF, 0xBE])
          || next.elementsEqual([0xEF, 0xBF, 0xBF])
      }
      var found: [Int] = [], scan = pl_scan(), place = 0
      while place < text.count {
        place = pl_find_markup(level, text, place, text.count, &scan)
        if place < text.count { found.append(place) }
        place += 1
      }
      #expect(found == expected, "\(text)")
      #expect(text.isEmpty || pl_count_lines(level, text, text.count) == text.count { $0 == 0x0A })
    }
  }

  @Test(arguments: levels) func countsMojibake(level: pl_simd_level) {
    var random = SplitMix(seed: 6)
    for round in 0..<2000 {
      let text = MixedText.valid(round % 60, &random)
      var characters = 0, signs = 0
      if !text.isEmpty { pl_count_mojibake(level, text, text.count, &characters, &signs) }
      let scalars = MixedText.scalars(text)
      #expect(characters == scalars.count)
      #expect(signs == scalars.count { [0xFFFD, 0x7E3A, 0x7E67, 0x7E5D].contains($0.value) })
    }
  }

  @Test(arguments: levels) func countsScriptsAsTheirClassesDo(level: pl_simd_level) {
    for first in stride(from: 0, to: 0x11_0000, by: 0x1000) where first != 0xD000 || level == PL_SIMD_BASELINE {
      var text: [UInt8] = []
      for scalar in first..<first + 0x1000 where !(0xD800...0xDFFF ~= scalar) {
        UTF8Scanning.append(UInt32(scalar), to: &text)
      }
      check(text, level)
    }
    var random = SplitMix(seed: 7)
    for round in 0..<1000 { check(MixedText.valid(round % 60, &random), level) }
  }

  private func check(_ text: [UInt8], _ level: pl_simd_level) {
    guard !text.isEmpty else { return }
    var counts = pl_script_counts()
    var rest = [UInt16](repeating: 0, count: text.count)
    let middle = text.count / 2
    var places: Set<Int> = []
    for (start, stop) in [(0, middle), (middle, text.count)] {
      let found = pl_count_scripts(level, text, start, stop, text.count, &counts, &rest)
      for i in 0..<found { places.insert(start + Int(rest[i])) }
    }
    var expected = pl_script_counts()
    for scalar in MixedText.scalars(text) where !places.contains(scalar.start) {
      let kind = ScriptClass(rawValue: ScriptClass.table[scalar.value])
      expected.kana += kind.isDisjoint(with: .kana) ? 0 : 1
      expected.kanji += kind.contains(.kanji) ? 1 : 0
      expected.letters += kind.contains(.wordCharacter) && !kind.contains(.digit) ? 1 : 0
    }
    #expect(counts.kana == expected.kana && counts.kanji == expected.kanji && counts.letters == expected.letters)
  }
}
