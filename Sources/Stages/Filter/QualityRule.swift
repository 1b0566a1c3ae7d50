import ShardKit
import TextKit

/// The gates of `filter.quality`, in the order in which they are tried, whatever the order of the options: cheap ones
/// first, compression after them, MeCab's words last. A drop's reason is the first gate missed in this order.
///
/// A text is dropped when it measures less than a minimum or more than a maximum; at the threshold it stays. The raw
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

  /// The option's name in the last release, where it was another one.
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
    case .minimumJapaneseFraction: "Japanese characters of all characters, 0…1."
    case .minimumHiraganaFraction: "Hiragana of all characters, 0…1."
    case .minimumHiraganaOfJapanese: "Hiragana of the Japanese characters, 0…1."
    case .maximumKatakanaOfJapanese: "Katakana and ー of the Japanese characters, 0…1."
    case .minimumLeadingKana: "Kana among the first 50 characters."
    case .minimumKutenFraction: "。 of all characters, 0…1; 0.01 is one in a hundred characters."
    case .maximumSpecialFraction: "Characters that are no letters and no decimal digits, of all characters, 0…1."
    case .maximumLineBreakAndSpaceFraction: "Line ends, tabs and spaces of all characters, 0…1."
    case .maximumCharacterRun: "The longest run of one character."
    case .maximumLinkFraction:
      "Characters of http, https and www addresses of all characters, 0…1. Where the text of links is not known, this "
        + "stands for the share of linked text."
    case .maximumDuplicateLineFraction: "Lines equal to an earlier one, of the lines that are not blank, 0…1."
    case .maximumDuplicateLineCharacterFraction: "Characters of lines equal to an earlier one, of all lines', 0…1."
    case .maximumDuplicateSentenceFraction:
      "Sentences equal to an earlier one, of all sentences, 0…1. A sentence ends at 。．！？!? or at the line's end."
    case .maximumDuplicateSentenceCharacterFraction:
      "Characters of sentences equal to an earlier one, of all sentences', 0…1."
    case .minimumMeanSentenceLength, .maximumMeanSentenceLength: "Mean sentence length in characters."
    case .maximumSentenceLength: "The longest sentence in characters."
    case .maximumEllipsisSentenceFraction:
      "Sentences that end in …, ... or ・, as they stand or before 続きを読む and the like, of all sentences, 0…1."
    case .maximumEllipsisLineFraction:
      "Lines that end in …, ... or ・・・, as they stand or before 続きを読む and the like, of the lines that are not blank, 0…1."
    case .maximumShortLineFraction: "Lines of at most 10 characters, of the lines that are not blank, 0…1."
    case .maximumTinyLineCharacterFraction: "Characters in lines of at most 5 characters, of all characters, 0…1."
    case .maximumAdPhrases: "Advertising phrases found ('adPhrases' gives another list)."
    case .maximumForumSigns: "Forum phrases ('forumPhrases'), dates, weekdays in brackets and 'ID:' marks found."
    case .maximumNGWords: "Words of 'ngWords' found."
    case .maximumNGCharacterFraction: "Characters in words of 'ngWords', of all characters, 0…1."
    case .maximumTop2Gram, .maximumTop3Gram, .maximumTop4Gram:
      "Occurrences of the most frequent n-gram of characters, of all n-grams, 0…1."
    case .maximumDuplicate5Gram, .maximumDuplicate6Gram, .maximumDuplicate7Gram, .maximumDuplicate8Gram,
      .maximumDuplicate9Gram, .maximumDuplicate10Gram:
      "n-grams of characters that occur more than once, of all, 0…1; 'duplicateGrams' says how they are counted."
    case .maximumFrequent5Gram:
      "Occurrences of the √n most frequent repeated ones of the n distinct 5-grams of characters, of all, 0…1."
    case .maximumRepeatedWord7Gram:
      "Occurrences of repeated 7-grams of word-like units, of all, 0…1. A unit is a run of one script."
    case .minimumLZ4Ratio, .maximumLZ4Ratio: "Bytes of one fast LZ4 block of the text's first MiB, of its bytes."
    case .minimumZlibRatio, .maximumZlibRatio: "Bytes of zlib at level 9, of the text's bytes."
    case .maximumNounFraction:
      "Nouns of the words that are no signs, 0…1, by MeCab, which must be installed; 'null' leaves it out. Decided last, so "
        + "that only documents which pass every other gate are read by MeCab, at some 3 MB/s a core: 20 to 30 times slower "
        + "than all other gates together."
    }
  }
}
