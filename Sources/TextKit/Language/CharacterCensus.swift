/// Counts of the characters of a text, in one pass.
public struct CharacterCensus: Equatable, Sendable {
  /// Unicode scalars, including line ends.
  public var characters = 0
  public var hiragana = 0
  public var katakana = 0
  public var kanji = 0
  /// 、。，．！？ and half-width ones.
  public var japanesePunctuation = 0
  /// 。 and ｡.
  public var kuten = 0
  /// LF, spaces and tabs, the ideographic space.
  public var lineBreaksAndSpaces = 0
  /// Everything except letters and decimal digits: punctuation, symbols, emoji, white space, controls.
  public var special = 0
  /// Kana among the first 50 characters.
  public var leadingKana = 0
  /// The longest run of the same character.
  public var longestRun = 0

  static let leadingCharacters = 50

  /// Hiragana, katakana (with ー), kanji of every plane, and 、。，．！？.
  public var japanese: Int { hiragana + katakana + kanji + japanesePunctuation }

  public init(_ text: DecodedText) {
    characters = text.count
    countClasses(text)
    countRuns(text)
    for i in 0..<min(Self.leadingCharacters, text.count) {
      leadingKana += text.classes[i] & ScriptClass.kana.rawValue != 0 ? 1 : 0
    }
  }

  private mutating func countClasses(_ text: DecodedText) {
    // Sixteen bits for each of four kinds would overflow; a table of 256 counters does not, and needs no branches.
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { counts in
      counts.initialize(repeating: 0)
      for i in 0..<text.count { counts[Int(text.classes[i])] &+= 1 }
      for value in 0..<256 where counts[value] > 0 {
        let kind = ScriptClass(rawValue: UInt8(value))
        // Characters such as 〆 belong to a single class; if two apply, the first counts.
        if kind.contains(.hiragana) {
          hiragana += counts[value]
        } else if kind.contains(.katakana) {
          katakana += counts[value]
        } else if kind.contains(.kanji) {
          kanji += counts[value]
        } else if kind.contains(.japanesePunctuation) {
          japanesePunctuation += counts[value]
        }
        if !kind.contains(.wordCharacter) { special += counts[value] }
      }
    }
  }

  private mutating func countRuns(_ text: DecodedText) {
    var start = 0, stops = 0, spaces = 0
    let scalars = text.scalars
    for i in 0..<text.count {
      let scalar = scalars[i]
      stops &+= scalar == 0x3002 || scalar == 0xFF61 ? 1 : 0
      spaces &+= scalar == 0x20 || scalar == 0x0A || scalar == 0x09 || scalar == 0x3000 ? 1 : 0
      if i > 0 && scalar != scalars[i &- 1] {
        longestRun = max(longestRun, i &- start)
        start = i
      }
    }
    if text.count > 0 { longestRun = max(longestRun, text.count - start) }
    kuten = stops
    lineBreaksAndSpaces = spaces
  }
}
