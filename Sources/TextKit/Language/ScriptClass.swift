/// The class of a character, as counted by the quality measures. One bit each.
public struct ScriptClass: OptionSet, Equatable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Hiragana letters and ゝゞゟ.
  public static let hiragana = ScriptClass(rawValue: 0x01)
  /// Katakana letters, half-width ones, small extensions, ヽヾヿ, and ー.
  public static let katakana = ScriptClass(rawValue: 0x02)
  /// Han characters of every plane, 々, 〆 and 〇.
  public static let kanji = ScriptClass(rawValue: 0x04)
  /// 、。，．！？ and the half-width ､｡.
  public static let japanesePunctuation = ScriptClass(rawValue: 0x08)
  /// Letters of any script (kana and kanji too) and decimal digits.
  public static let wordCharacter = ScriptClass(rawValue: 0x10)
  public static let latinLetter = ScriptClass(rawValue: 0x20)
  public static let digit = ScriptClass(rawValue: 0x40)
  public static let whitespace = ScriptClass(rawValue: 0x80)

  public static let kana: ScriptClass = [.hiragana, .katakana]
  public static let japanese: ScriptClass = [.hiragana, .katakana, .kanji, .japanesePunctuation]

  static let table = ScalarTable<UInt8>(flat: (0..<UTF8Scanning.malformed + 256).map { classify($0).rawValue })

  /// The classes of the scalars below U+10000, one after the other. Created once per process and never freed.
  nonisolated(unsafe) static let basic: UnsafePointer<UInt8> = {
    let basic = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << 16)
    for scalar in 0..<UInt32(1 << 16) { basic[Int(scalar)] = table[scalar] }
    return UnsafePointer(basic)
  }()

  private static func classify(_ scalar: UInt32) -> ScriptClass {
    let properties = ScalarProperties(of: scalar)
    var found: ScriptClass = []
    if properties.contains(.hiragana) { found.insert(.hiragana) }
    if properties.contains(.katakana) || scalar == 0x30FC || scalar == 0xFF70 { found.insert(.katakana) }
    if properties.contains(.han) { found.insert(.kanji) }
    if [0x3001, 0x3002, 0xFF0C, 0xFF0E, 0xFF01, 0xFF1F, 0xFF61, 0xFF64].contains(scalar) {
      found.insert(.japanesePunctuation)
    }
    if properties.contains(.digit) { found.insert(.digit) }
    if properties.contains(.whitespace) { found.insert(.whitespace) }
    if isLatin(scalar) { found.insert(.latinLetter) }
    let isWord =
      !properties.isDisjoint(with: [.letter, .digit]) || !found.isDisjoint(with: [.hiragana, .katakana, .kanji])
    if isWord { found.insert(.wordCharacter) }
    return found
  }

  private static func isLatin(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x41...0x5A, 0x61...0x7A, 0xC0...0x24F, 0x1E00...0x1EFF, 0xFF21...0xFF3A, 0xFF41...0xFF5A:
      scalar != 0xD7 && scalar != 0xF7
    default: false
    }
  }
}
