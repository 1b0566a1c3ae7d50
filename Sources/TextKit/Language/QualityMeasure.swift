/// The measures of a text. Fractions are 0…1; a fraction of nothing is 0.
public enum QualityMeasure: String, CaseIterable, CodingKey, Sendable {
  /// Unicode scalars, including line ends.
  case characters
  /// Hiragana, katakana (with ー), kanji of every plane, 、。，．！？.
  case japaneseCharacters
  /// `japaneseCharacters` as a fraction of `characters`.
  case japaneseFraction
  /// Hiragana as a fraction of `characters`.
  case hiraganaFraction
  /// Hiragana as a fraction of `japaneseCharacters`.
  case hiraganaOfJapanese
  /// Katakana and ー as a fraction of `japaneseCharacters`.
  case katakanaOfJapanese
  /// Kana among the first 50 characters.
  case leadingKana
  /// 。 as a fraction of `characters`.
  case kutenFraction
  /// Characters other than letters and decimal digits, as a fraction of `characters`.
  case specialFraction
  /// Line ends, tabs and spaces as a fraction of `characters`.
  case lineBreakAndSpaceFraction
  /// The longest run of one character.
  case characterRun
  /// Characters of http, https and www addresses, as a fraction of `characters`.
  case linkFraction

  /// Lines that are equal to an earlier line, as a fraction of all lines; blank lines do not count.
  case duplicateLineFraction
  /// Characters of such lines, as a fraction of the characters of all lines.
  case duplicateLineCharacterFraction
  /// Sentences that are equal to an earlier one, as a fraction of all sentences.
  case duplicateSentenceFraction
  case duplicateSentenceCharacterFraction
  /// Characters.
  case meanSentenceLength
  case longestSentence
  /// Sentences that end in …, ... or ・, as a fraction of all sentences.
  case ellipsisSentenceFraction
  /// Lines that end in …, ... or ・・・.
  case ellipsisLineFraction
  /// Lines of at most 10 characters, as a fraction of all lines.
  case shortLineFraction
  /// Characters in lines of at most 5 characters, as a fraction of `characters`.
  case tinyLineCharacterFraction

  case adPhrases
  /// Forum phrases, dates, weekdays in brackets, `ID:` marks.
  case forumSigns
  case ngWords
  /// Characters in NG words, as a fraction of `characters`.
  case ngCharacterFraction

  /// Occurrences of the most frequent character n-gram, as a fraction of all n-grams.
  case top2Gram
  case top3Gram
  case top4Gram
  /// Character n-grams that occur more than once, as a fraction of all: distinct n-grams of distinct ones (as Swallow's
  /// code does), or occurrences of occurrences, depending on the `QualityMeasurer` setting.
  case duplicate5Gram
  case duplicate6Gram
  case duplicate7Gram
  case duplicate8Gram
  case duplicate9Gram
  case duplicate10Gram
  /// Occurrences of the √distinct most frequent repeated character 5-grams, as a fraction of all occurrences
  /// (BigScience).
  case frequent5Gram
  /// Occurrences of 7-grams of word-like units that occur more than once, as a fraction of all occurrences
  /// (BigScience).
  case repeatedWord7Gram

  /// Compressed size as a fraction of the size, one LZ4 block.
  case lz4Ratio
  /// Compressed size as a fraction of the size, zlib level 9.
  case zlibRatio

  /// Nouns as a fraction of all words except symbols, by MeCab; only if a `NounCensus` is given.
  case nounFraction
}
