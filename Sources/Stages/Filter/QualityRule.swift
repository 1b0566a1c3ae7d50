import ShardKit
import TextKit

/// The gates of `filter.quality`, in the order in which they are checked, whatever the order of the options: cheap ones
/// first, then compression, MeCab last. A drop's reason is the first gate missed in this order.
///
/// A text is dropped if its measure is below a minimum or above a maximum; at the threshold it passes. The raw
/// value is the option's name; the drop's reason is the same in kebab case.
enum QualityRule: String, CaseIterable, CodingKey {
  case minimumCharacters, maximumCharacters, minimumJapaneseCharacters, minimumJapaneseFraction
  case minimumHiraganaFraction, minimumHiraganaOfJapanese, maximumKatakanaOfJapanese, minimumLeadingKana
  case minimumKutenFraction, maximumSpecialFraction, maximumLineBreakAndSpaceFraction, maximumCharacterRun,
    maximumLinkFraction
  case maximumDuplicateLineFraction, maximumDuplicateLineCharacterFraction
  case maximumDuplicateSentenceFraction, maximumDuplicateSentenceCharacterFraction
  case minimumMeanSentenceLength, maximumMeanSentenceLength, maximumSentenceLength
  case maximumEllipsisSentenceFraction, maximumEllipsisLineFraction
  case maximumShortLineFraction, maximumTinyLineCharacterFraction
  case maximumAdPhrases, maximumForumSigns, maximumNGWords, maximumNGCharacterFraction
  case maximumTop2Gram, maximumTop3Gram, maximumTop4Gram
  case maximumDuplicate5Gram, maximumDuplicate6Gram, maximumDuplicate7Gram
  case maximumDuplicate8Gram, maximumDuplicate9Gram, maximumDuplicate10Gram
  case maximumFrequent5Gram, maximumRepeatedWord7Gram
  case minimumLZ4Ratio, maximumLZ4Ratio, minimumZlibRatio, maximumZlibRatio
  case maximumNounFraction

  var isMinimum: Bool { rawValue.hasPrefix("minimum") }

  func passes(_ value: Double, _ threshold: Double) -> Bool { isMinimum ? value >= threshold : value <= threshold }

  /// `minimum-hiragana-fraction`, `maximum-top-2-gram`, `minimum-lz4-ratio`.
  var reason: String {
    let name = Array(rawValue)
    var out = ""
    for (i, character) in name.enumerated() {
      let isAfterWord = i > 0 && name[i - 1].isLowercase && !character.isLowercase
      let isBeforeWord = i > 0 && character.isUppercase && i + 1 < name.count && name[i + 1].isLowercase
      if isAfterWord || isBeforeWord { out += "-" }
      out += character.lowercased()
    }
    return out
  }

  /// The option's name in the last release, if it was different.
  var formerName: String? {
    guard rawValue.hasSuffix("Fraction") else { return nil }
    return rawValue.dropLast("Fraction".count) + (self == .minimumKutenFraction ? "Density" : "Share")
  }

  var index: Int { Self.indices[self]! }
  private static let indices = Dictionary(uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })
}

extension QualityRule {
  var measure: QualityMeasure {
    switch self {
    case .minimumCharacters, .maximumCharacters: .characters
    case .minimumJapaneseCharacters: .japaneseCharacters
    case .minimumJapaneseFraction: .japaneseFraction
    case .minimumHiraganaFraction: .hiraganaFraction
    case .minimumHiraganaOfJapanese: .hiraganaOfJapanese
    case .maximumKatakanaOfJapanese: .katakanaOfJapanese
    case .minimumLeadingKana: .leadingKana
    case .minimumKutenFraction: .kutenFraction
    case .maximumSpecialFraction: .specialFraction
    case .maximumLineBreakAndSpaceFraction: .lineBreakAndSpaceFraction
    case .maximumCharacterRun: .characterRun
    case .maximumLinkFraction: .linkFraction
    case .maximumDuplicateLineFraction: .duplicateLineFraction
    case .maximumDuplicateLineCharacterFraction: .duplicateLineCharacterFraction
    case .maximumDuplicateSentenceFraction: .duplicateSentenceFraction
    case .maximumDuplicateSentenceCharacterFraction: .duplicateSentenceCharacterFraction
    case .minimumMeanSentenceLength, .maximumMeanSentenceLength: .meanSentenceLength
    case .maximumSentenceLength: .longestSentence
    case .maximumEllipsisSentenceFraction: .ellipsisSentenceFraction
    case .maximumEllipsisLineFraction: .ellipsisLineFraction
    case .maximumShortLineFraction: .shortLineFraction
    case .maximumTinyLineCharacterFraction: .tinyLineCharacterFraction
    case .maximumAdPhrases: .adPhrases
    case .maximumForumSigns: .forumSigns
    case .maximumNGWords: .ngWords
    case .maximumNGCharacterFraction: .ngCharacterFraction
    case .maximumTop2Gram: .top2Gram
    case .maximumTop3Gram: .top3Gram
    case .maximumTop4Gram: .top4Gram
    case .maximumDuplicate5Gram: .duplicate5Gram
    case .maximumDuplicate6Gram: .duplicate6Gram
    case .maximumDuplicate7Gram: .duplicate7Gram
    case .maximumDuplicate8Gram: .duplicate8Gram
    case .maximumDuplicate9Gram: .duplicate9Gram
    case .maximumDuplicate10Gram: .duplicate10Gram
    case .maximumFrequent5Gram: .frequent5Gram
    case .maximumRepeatedWord7Gram: .repeatedWord7Gram
    case .minimumLZ4Ratio, .maximumLZ4Ratio: .lz4Ratio
    case .minimumZlibRatio, .maximumZlibRatio: .zlibRatio
    case .maximumNounFraction: .nounFraction
    }
  }

  /// What is measured and in which unit, for `pipeline stages filter.quality`.
  var documentation: String {
    switch self {
    case .minimumCharacters, .maximumCharacters: "Characters (Unicode scalars, line ends included)."
    case .minimumJapaneseCharacters: "Hiragana, katakana with ー, kanji of every plane, and 、。，．！？."
    case .minimumJapaneseFraction: "Japanese characters as a fraction of all characters, 0…1."
    case .minimumHiraganaFraction: "Hiragana as a fraction of all characters, 0…1."
    case .minimumHiraganaOfJapanese: "Hiragana as a fraction of the Japanese characters, 0…1."
    case .maximumKatakanaOfJapanese: "Katakana and ー as a fraction of the Japanese characters, 0…1."
    case .minimumLeadingKana: "Kana among the first 50 characters."
    case .minimumKutenFraction: "。 as a fraction of all characters, 0…1."
    case .maximumSpecialFraction: "Fraction of characters that are neither letters nor decimal digits, 0…1."
    case .maximumLineBreakAndSpaceFraction: "Line ends, tabs and spaces as a fraction of all characters, 0…1."
    case .maximumCharacterRun: "Length of the longest run of one character."
    case .maximumLinkFraction:
      "Characters of http, https and www URLs as a fraction of all characters, 0…1; approximates the fraction of "
        + "linked text, which is not known in plain text."
    case .maximumDuplicateLineFraction: "Fraction of non-blank lines that repeat an earlier one, 0…1."
    case .maximumDuplicateLineCharacterFraction:
      "Fraction of the lines' characters in lines that repeat an earlier one, 0…1."
    case .maximumDuplicateSentenceFraction:
      "Fraction of sentences that repeat an earlier one, 0…1. A sentence ends at 。．！？!? or at the line's end."
    case .maximumDuplicateSentenceCharacterFraction:
      "Fraction of the sentences' characters in sentences that repeat an earlier one, 0…1."
    case .minimumMeanSentenceLength, .maximumMeanSentenceLength: "Mean sentence length in characters."
    case .maximumSentenceLength: "Length of the longest sentence in characters."
    case .maximumEllipsisSentenceFraction:
      "Fraction of sentences that end in …, ... or ・, also if 続きを読む or the like follows, 0…1."
    case .maximumEllipsisLineFraction:
      "Fraction of non-blank lines that end in …, ... or ・・・, also if 続きを読む or the like follows, 0…1."
    case .maximumShortLineFraction: "Fraction of non-blank lines with at most 10 characters, 0…1."
    case .maximumTinyLineCharacterFraction: "Fraction of all characters in lines of at most 5 characters, 0…1."
    case .maximumAdPhrases: "Number of advertising phrases ('adPhrases' sets another list)."
    case .maximumForumSigns: "Number of forum phrases ('forumPhrases'), dates, weekdays in brackets and 'ID:' marks."
    case .maximumNGWords: "Number of words of 'ngWords'."
    case .maximumNGCharacterFraction: "Fraction of all characters in words of 'ngWords', 0…1."
    case .maximumTop2Gram, .maximumTop3Gram, .maximumTop4Gram:
      "Fraction of all character n-grams that are the most frequent one, 0…1."
    case .maximumDuplicate5Gram, .maximumDuplicate6Gram, .maximumDuplicate7Gram, .maximumDuplicate8Gram,
      .maximumDuplicate9Gram, .maximumDuplicate10Gram:
      "Fraction of character n-grams that occur more than once, 0…1; 'duplicateGrams' sets how they are counted."
    case .maximumFrequent5Gram:
      "Occurrences of the √n most frequent repeated 5-grams of characters, n being the number of distinct ones, as a "
        + "fraction of all, 0…1."
    case .maximumRepeatedWord7Gram:
      "Fraction of 7-grams of word-like units that are repeated, 0…1. A unit is a run of one script."
    case .minimumLZ4Ratio, .maximumLZ4Ratio:
      "Compression ratio of the text's first MiB as one fast LZ4 block: compressed bytes / bytes."
    case .minimumZlibRatio, .maximumZlibRatio: "Compression ratio with zlib at level 9: compressed bytes / bytes."
    case .maximumNounFraction:
      "Fraction of nouns among the words that are not symbols, 0…1, by MeCab, which must be installed; null: no check. "
        + "Checked last, since MeCab is slow (about 3 MB/s per core): 20 to 30 times slower than all other measures "
        + "together."
    }
  }
}
