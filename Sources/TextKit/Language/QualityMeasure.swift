/// What can be measured of a text. Shares are 0…1; a share of nothing is 0.
public enum QualityMeasure: String, CaseIterable, Sendable {
  /// Unicode scalars, line ends included.
  case characters
  /// Hiragana, katakana (with ー), kanji of every plane, 、。，．！？.
  case japaneseCharacters
  /// `japaneseCharacters` of `characters`.
  case japaneseFraction
  /// Hiragana of `characters`.
  case hiraganaFraction
  /// Hiragana of `japaneseCharacters`.
  case hiraganaOfJapanese
  /// Katakana and ー of `japaneseCharacters`.
  case katakanaOfJapanese
  /// Kana among the first 50 characters.
  case leadingKana
  /// 。 of `characters`.
  case kutenFraction
  /// Characters that are no letters and no decimal digits, of `characters`.
  case specialFraction
  /// Line ends, tabs and spaces of `characters`.
  case lineBreakAndSpaceFraction
  /// The longest run of one character.
  case characterRun
  /// Characters of http, https and www addresses, of `characters`.
  case linkFraction

  /// Lines that an earlier line equals, of all lines; blank lines do not count.
  case duplicateLineFraction
  /// Characters of such lines of the characters of all lines.
  case duplicateLineCharacterFraction
  /// Sentences that an earlier sentence equals, of all sentences.
  case duplicateSentenceFraction
  case duplicateSentenceCharacterFraction
  /// Characters.
  case meanSentenceLength
  case longestSentence
  /// Sentences that end in …, ... or ・, of all sentences.
  case ellipsisSentenceFraction
  /// Lines that end in …, ... or ・・・.
  case ellipsisLineFraction
  /// Lines of at most 10 characters, of all lines.
  case shortLineFraction
  /// Characters in lines of at most 5 characters, of `characters`.
  case tinyLineCharacterFraction

  case adPhrases
  /// Forum phrases, dates, weekdays in brackets, `ID:` marks.
  case forumSigns
  case ngWords
  /// Characters in NG words, of `characters`.
  case ngCharacterFraction

  /// Occurrences of the most frequent n-gram of characters, of all n-grams.
  case top2Gram
  case top3Gram
  case top4Gram
  /// n-grams of characters that occur more than once, of all n-grams: distinct of distinct (what Swallow's code
  /// computes), or occurrences of occurrences, as `QualityMeasurer` is told.
  case duplicate5Gram
  case duplicate6Gram
  case duplicate7Gram
  case duplicate8Gram
  case duplicate9Gram
  case duplicate10Gram
  /// Occurrences of the √distinct most frequent repeated 5-grams of characters, of all occurrences (BigScience).
  case frequent5Gram
  /// Occurrences of 7-grams of word-like units that occur more than once, of all occurrences (BigScience).
  case repeatedWord7Gram

  /// Compressed bytes of bytes, one LZ4 block.
  case lz4Ratio
  /// Compressed bytes of bytes, zlib level 9.
  case zlibRatio

  /// Nouns of all words but signs, by MeCab; only where a `NounCensus` is given.
  case nounFraction
}
