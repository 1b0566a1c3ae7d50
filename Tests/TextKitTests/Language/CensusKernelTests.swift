import CKernels
import TestKit
import Testing

@testable import TextKit

@Suite struct CensusKernelTests {
  /// As `DecodedText` does, at a level.
  private func decoded(_ text: [UInt8], _ level: pl_simd_level) -> (scalars: [UInt32], classes: [UInt8]) {
    var scalars = [UInt32](repeating: 0, count: text.count + 16),
      classes = [UInt8](repeating: 0, count: text.count + 16)
    var n = 0, i = 0
    while i < text.count {
      var consumed = 0
      text.withUnsafeBufferPointer { text in
        scalars.withUnsafeMutableBufferPointer { scalars in
          classes.withUnsafeMutableBufferPointer { classes in
            n += pl_decode_utf8(
              level, text.baseAddress! + i, text.count - i, ScriptClass.basic, scalars.baseAddress! + n,
              classes.baseAddress! + n, &consumed)
          }
        }
        i += consumed
        guard i < text.count else { return }
        let (scalar, width) = UTF8Scanning.scalar(at: i, in: text.baseAddress!, end: text.count)
        #expect(scalar > 0xFFFF, "a kernel stopped at U+\(String(scalar, radix: 16)) of \(Array(text))")
        scalars[n] = scalar
        classes[n] = ScriptClass.table[scalar]
        n += 1
        i += width
      }
    }
    return (Array(scalars[..<n]), Array(classes[..<n]))
  }

  @Test(arguments: levels) func decodesAsScalarByScalar(level: pl_simd_level) {
    var random = SplitMix(seed: 8)
    for round in 0..<2000 {
      let text = round % 2 == 0 ? MixedText.valid(round % 60, &random) : MixedText.damaged(round % 60, &random)
      let expected = MixedText.scalars(text).map(\.value)
      let (scalars, classes) = decoded(text, level)
      #expect(scalars == expected, "\(text)")
      #expect(classes == expected.map { ScriptClass.table[$0] })
    }
  }

  @Test(arguments: levels) func decodesEveryScalar(level: pl_simd_level) {
    var text: [UInt8] = [], expected: [UInt32] = []
    for scalar in UInt32(0)..<0x2_0000 where !(0xD800...0xDFFF ~= scalar) {
      UTF8Scanning.append(scalar, to: &text)
      expected.append(scalar)
    }
    #expect(decoded(text, level).scalars == expected)
  }

  @Test(arguments: levels) func loadingIsDecoding(level: pl_simd_level) {
    var random = SplitMix(seed: 9)
    let text = MixedText.damaged(400, &random)
    let loaded = DecodedText()
    text.withUnsafeBufferPointer { loaded.load($0) }
    let (scalars, classes) = decoded(text, level)
    #expect(Array(UnsafeBufferPointer(start: loaded.scalars, count: loaded.count)) == scalars)
    #expect(Array(UnsafeBufferPointer(start: loaded.classes, count: loaded.count)) == classes)
    #expect(loaded.scalars[loaded.count] == 0 && loaded.classes[loaded.count] == 0)
  }

  @Test(arguments: levels) func countsCharactersAsOneByOne(level: pl_simd_level) {
    var random = SplitMix(seed: 10)
    for round in 0..<1000 {
      var text = MixedText.valid(round % 60, &random)
      // Runs across blocks.
      for _ in 0..<Int.random(in: 0..<200, using: &random) { text += Array("ー".utf8) }
      text += MixedText.valid(round % 7, &random)
      let (scalars, classes) = decoded(text, level)
      let counts = pl_count_characters(level, scalars + [0], classes + [0], scalars.count)
      let kinds = classes.map { ScriptClass(rawValue: $0) }
      let order: [ScriptClass] = [.hiragana, .katakana, .kanji, .japanesePunctuation]
      let found = order.map { kind in
        kinds.count { $0.isDisjoint(with: .japanese) ? false : order.first(where: $0.contains) == kind }
      }
      #expect([counts.hiragana, counts.katakana, counts.kanji, counts.punctuation] == found)
      #expect(counts.special == kinds.count { !$0.contains(.wordCharacter) })
      #expect(counts.stops == scalars.count { $0 == 0x3002 || $0 == 0xFF61 })
      #expect(counts.spaces == scalars.count { [0x20, 0x0A, 0x09, 0x3000].contains($0) })
      var longest = 0, run = 0
      for i in scalars.indices {
        run = i > 0 && scalars[i] == scalars[i - 1] ? run + 1 : 1
        longest = max(longest, run)
      }
      #expect(counts.longest_run == longest)
    }
  }
}
