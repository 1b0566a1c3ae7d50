import CKernels

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
    let counts = pl_count_characters(Kernels.level, text.scalars, text.classes, text.count)
    characters = text.count
    hiragana = counts.hiragana
    katakana = counts.katakana
    kanji = counts.kanji
    japanesePunctuation = counts.punctuation
    special = counts.special
    kuten = counts.stops
    lineBreaksAndSpaces = counts.spaces
    longestRun = counts.longest_run
    for i in 0..<min(Self.leadingCharacters, text.count) {
      leadingKana += text.classes[i] & ScriptClass.kana.rawValue != 0 ? 1 : 0
    }
  }
}
