/// What a scalar says of cutting a text before or behind it.
struct CutTraits: OptionSet {
  let rawValue: UInt8

  /// Belongs to the character before it: marks, variation selectors, joiners, skin tones, parts of Hangul syllables, and
  /// ゛ ゜ ﾞ ﾟ.
  static let extends = CutTraits(rawValue: 0x01)
  /// A letter or digit of a script with spaces between words.
  static let spaced = CutTraits(rawValue: 0x02)
  static let blank = CutTraits(rawValue: 0x04)
  static let lineBreak = CutTraits(rawValue: 0x08)
  /// A regional indicator, two of which are a flag.
  static let regional = CutTraits(rawValue: 0x10)

  private static let table = ScalarTable<UInt8>(rest: 0, letters + marks + whiteSpace)

  init(rawValue: UInt8) { self.rawValue = rawValue }

  @inline(__always)
  init(of scalar: UInt32) { self.init(rawValue: Self.table[scalar]) }

  private typealias Ranges = [(range: ClosedRange<UInt32>, value: UInt8)]

  private static func ranges(_ ranges: [ClosedRange<UInt32>], _ traits: CutTraits) -> Ranges {
    ranges.map { ($0, traits.rawValue) }
  }

  private static func scalars(_ properties: ScalarProperties, _ traits: CutTraits) -> Ranges {
    let words = UnicodeData.words(UnicodeData.properties)
    let those = words.filter { !ScalarProperties(rawValue: UInt8($0.values[0])).isDisjoint(with: properties) }
    return ranges(those.map(\.range), traits)
  }

  private static var letters: Ranges {
    scalars([.letter, .digit], .spaced)
      // Thai, Lao, Tibetan, Myanmar, Khmer, Tai; Chinese, Japanese and Yi.
      + ranges(
        [
          0x0E00...0x109F, 0x1780...0x17FF, 0x1950...0x19FF, 0x1A20...0x1AAF, 0x2E80...0xA4CF, 0xA9E0...0xA9FF,
          0xAA60...0xAADF, 0xF900...0xFAFF, 0xFF66...0xFF9F, 0x1_6FE0...0x1_B2FF, 0x2_0000...0x3_FFFF,
        ], [])
  }

  private static var marks: Ranges {
    ranges(UnicodeData.words(UnicodeData.marks).map(\.range), .extends)
      + ranges(
        [
          0x1160...0x11FF, 0x180B...0x180F, 0x200C...0x200D, 0x309B...0x309C, 0xD7B0...0xD7FB, 0xFE00...0xFE0F,
          0xFF9E...0xFF9F, 0x1_F3FB...0x1_F3FF, 0xE_0020...0xE_007F, 0xE_0100...0xE_01EF,
        ], .extends) + ranges([0x1_F1E6...0x1_F1FF], .regional)
  }

  private static var whiteSpace: Ranges {
    scalars(.whitespace, .blank) + ranges([0x0A...0x0D, 0x85...0x85, 0x2028...0x2029], .lineBreak)
  }
}
