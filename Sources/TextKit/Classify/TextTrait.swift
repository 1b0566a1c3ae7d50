/// A measure of a whole text for a classifier, after NFKC. All but the first are fractions.
public enum TextTrait: String, CaseIterable, Sendable {
  case characters
  /// Of all characters.
  case latin, digits, hiragana, katakana, kanji, spaces, commas, stops, marks, brackets, others
  /// Of kana and kanji.
  case hiraganaOfJapanese, katakanaOfJapanese
}

/// Counts the characters of a text by kind.
struct TraitCensus {
  /// By kind, in the order of `TextTrait` from `latin` to `others`.
  private var counts:
    (
      UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32
    ) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  private static let kinds = 11
  private static let table = ScalarTable<UInt8>(flat: (0..<UTF8Scanning.malformed + 256).map(kind))

  @inline(__always)
  mutating func add(_ scalar: UInt32) {
    let kind = Int(Self.table[scalar])
    withUnsafeMutableBytes(of: &counts) { bytes in
      let place = bytes.baseAddress!.assumingMemoryBound(to: UInt32.self) + kind
      place.pointee &+= 1
    }
  }

  private static func kind(_ scalar: UInt32) -> UInt8 {
    let script = ScriptClass(rawValue: ScriptClass.table[scalar])
    switch scalar {
    case 0x3001: return 6
    case 0x3002: return 7
    case 0x21, 0x3F: return 8
    case 0x28, 0x29, 0x5B, 0x5D, 0x7B, 0x7D, 0x3C, 0x3E, 0x3008...0x3011, 0x3014...0x301B: return 9
    default: break
    }
    if script.contains(.whitespace) { return 5 }
    if script.contains(.latinLetter) { return 0 }
    if script.contains(.digit) { return 1 }
    if script.contains(.hiragana) { return 2 }
    if script.contains(.katakana) { return 3 }
    return script.contains(.kanji) ? 4 : 10
  }

  /// As `TextTrait` has them.
  var values: [Float] {
    let counts = withUnsafeBytes(of: counts) { Array($0.bindMemory(to: UInt32.self)).map { Float($0) } }
    let all = counts.reduce(0, +), japanese = max(1, counts[2] + counts[3] + counts[4])
    return [all] + counts.map { $0 / max(1, all) } + [counts[2] / japanese, counts[3] / japanese]
  }
}
