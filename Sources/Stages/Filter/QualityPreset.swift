import PipelineKit

/// Published thresholds, as defaults for every option of `filter.quality` that is not given.
enum QualityPreset: String, OptionChoice {
  /// Swallow Corpus version 1 (swallow-llm/swallow-corpus, `quality.py`).
  case swallow
  /// HojiChar's document filters with their default thresholds. Slow: MeCab reads documents that pass the other gates.
  case hojichar
  /// LLM-jp Corpus version 1, `ja_cc`.
  case llmJP = "llm-jp"
  /// The stricter thresholds of the same.
  case llmJPStrict = "llm-jp-strict"
  /// Uzushio's `pipeline_03a.conf`, the last of its three chained gates.
  case uzushio
  /// The LLM-jp rule for text from PDF files of the National Diet Library's WARP.
  case warpPDF = "warp-pdf"
  case none

  typealias Gate = [QualityRule: Double]

  var thresholds: Gate { gates.last ?? [:] }

  /// Chained gates, loosest first; each contains all thresholds of the one before it, tightened.
  var gates: [Gate] {
    switch self {
    case .swallow: [Self.swallowGate]
    case .hojichar: [Self.hojicharGate]
    case .llmJP:
      [
        [
          .minimumLeadingKana: 1, .maximumAdPhrases: 10, .maximumNGWords: 3, .minimumKutenFraction: 1.0 / 250,
          .minimumZlibRatio: 0.30, .maximumZlibRatio: 0.70,
        ]
      ]
    case .llmJPStrict:
      [
        [
          .minimumLeadingKana: 1, .maximumAdPhrases: 10, .maximumNGWords: 2, .minimumKutenFraction: 1.0 / 80,
          .minimumZlibRatio: 0.375, .maximumZlibRatio: 0.70,
        ]
      ]
    case .uzushio: Self.uzushioGates
    case .warpPDF: [[.maximumLineBreakAndSpaceFraction: 0.2, .maximumTinyLineCharacterFraction: 0.1]]
    case .none: []
    }
  }

  private static let swallowGate: Gate = [
    .minimumCharacters: 400, .minimumJapaneseCharacters: 400, .minimumJapaneseFraction: 0.5,
    .minimumHiraganaOfJapanese: 0.2, .maximumKatakanaOfJapanese: 0.5,
    .maximumDuplicateLineFraction: 0.30, .maximumDuplicateLineCharacterFraction: 0.20,
    .maximumDuplicateSentenceFraction: 0.30, .maximumDuplicateSentenceCharacterFraction: 0.20,
    .minimumMeanSentenceLength: 20, .maximumMeanSentenceLength: 90, .maximumSentenceLength: 200,
    .maximumEllipsisSentenceFraction: 0.2, .maximumNGCharacterFraction: 0.05,
    .maximumTop2Gram: 0.20, .maximumTop3Gram: 0.18, .maximumTop4Gram: 0.16,
    .maximumDuplicate5Gram: 0.15, .maximumDuplicate6Gram: 0.14, .maximumDuplicate7Gram: 0.13,
    .maximumDuplicate8Gram: 0.12, .maximumDuplicate9Gram: 0.11, .maximumDuplicate10Gram: 0.10,
  ]

  // HojiChar drops runs of 200 or more, and also a noun fraction of exactly 0.8 (which passes here).
  private static let hojicharGate: Gate = [
    .minimumLeadingKana: 1, .maximumForumSigns: 14, .maximumAdPhrases: 14, .maximumNGWords: 0,
    .minimumKutenFraction: 1.0 / 100, .maximumFrequent5Gram: 0.33, .maximumRepeatedWord7Gram: 0.40,
    .maximumSpecialFraction: 0.4, .maximumCharacterRun: 199, .maximumEllipsisLineFraction: 0.7,
    .maximumShortLineFraction: 0.5,
    .maximumNounFraction: 0.8,
  ]

  private static let uzushioGates: [Gate] = [
    [
      .minimumCharacters: 50, .minimumHiraganaFraction: 0.10, .maximumLinkFraction: 0.8,
      .minimumLZ4Ratio: 0.25, .maximumLZ4Ratio: 5.0,
    ],
    [
      .minimumCharacters: 200, .minimumHiraganaFraction: 0.15, .maximumLinkFraction: 0.4,
      .minimumLZ4Ratio: 0.40, .maximumLZ4Ratio: 0.75,
    ],
    [
      .minimumCharacters: 200, .minimumHiraganaFraction: 0.15, .maximumLinkFraction: 0.4,
      .minimumLZ4Ratio: 0.50, .maximumLZ4Ratio: 0.75,
    ],
  ]

  /// Top-level domains that the preset accepts; empty means all.
  var topLevelDomains: [String] {
    switch self {
    case .llmJP, .llmJPStrict:
      ["jp", "com", "net", "org", "work", "info", "xyz", "biz", "me", "tv", "site", "tokyo", "cc"]
    default: []
    }
  }
}
