/// Measures texts one after another. Each family of measures is computed when one of them is first requested.
///
/// Not thread-safe. Linear in the text; uses about 30 bytes of memory per character.
public final class QualityMeasurer {
  public struct Phrases: Sendable {
    public var ads: PhraseMatcher
    public var forum: PhraseMatcher
    public var ng: PhraseMatcher

    public init(ads: PhraseMatcher, forum: PhraseMatcher, ng: PhraseMatcher) {
      self.ads = ads
      self.forum = forum
      self.ng = ng
    }
  }

  private let phrases: Phrases
  private let countsOccurrences: Bool
  private let text = DecodedText()
  private var counter = FlatCounter()
  private let gramCensus = GramCensus()
  private let compression = CompressionRatio()
  private let nouns: NounCensus?
  /// Why MeCab could not read a text; its noun fraction then counts as 0.
  public private(set) var failure: TokenizerError?
  private var words: [UInt32] = []
  private var bytes = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  private var characterCensus: CharacterCensus?
  private var lineCensus: LineCensus?
  private var grams: [GramCensus.Counts]?
  private var ng: (matches: Int, characters: Int)?

  /// - Parameters:
  ///   - countsOccurrences: how the duplicate n-gram measures count.
  ///   - nouns: the counter for nouns, if `nounFraction` is requested.
  public init(_ phrases: Phrases, countsOccurrences: Bool = false, nouns: NounCensus? = nil) {
    self.phrases = phrases
    self.countsOccurrences = countsOccurrences
    self.nouns = nouns
  }

  /// Makes a text available for measuring within `body`.
  public func measuring<R>(_ utf8: UnsafeBufferPointer<UInt8>, _ body: () throws -> R) rethrows -> R {
    bytes = utf8
    text.load(utf8)
    characterCensus = nil
    lineCensus = nil
    grams = nil
    ng = nil
    defer { bytes = UnsafeBufferPointer(start: nil, count: 0) }
    return try body()
  }

  /// Every measure that this measurer can compute.
  public var measures: [QualityMeasure] { QualityMeasure.allCases.filter { $0 != .nounFraction || nouns != nil } }

  public func value(_ measure: QualityMeasure) -> Double {
    switch measure {
    case .characters, .japaneseCharacters, .japaneseFraction, .hiraganaFraction, .hiraganaOfJapanese,
      .katakanaOfJapanese,
      .leadingKana, .kutenFraction, .specialFraction, .lineBreakAndSpaceFraction, .characterRun, .linkFraction:
      return characterValue(measure)
    case .duplicateLineFraction, .duplicateLineCharacterFraction, .duplicateSentenceFraction,
      .duplicateSentenceCharacterFraction,
      .meanSentenceLength, .longestSentence, .ellipsisSentenceFraction, .ellipsisLineFraction, .shortLineFraction,
      .tinyLineCharacterFraction:
      return lineValue(measure)
    case .adPhrases, .forumSigns, .ngWords, .ngCharacterFraction: return phraseValue(measure)
    case .lz4Ratio: return compression.lz4(bytes)
    case .zlibRatio: return compression.zlib(bytes)
    case .repeatedWord7Gram: return repeatedWords()
    case .nounFraction: return nounFraction()
    default: return gramValue(measure)
    }
  }

  private func characterValue(_ measure: QualityMeasure) -> Double {
    let census = characterCensus ?? CharacterCensus(text)
    characterCensus = census
    return switch measure {
    case .characters: Double(census.characters)
    case .japaneseCharacters: Double(census.japanese)
    case .japaneseFraction: Self.share(census.japanese, census.characters)
    case .hiraganaFraction: Self.share(census.hiragana, census.characters)
    case .hiraganaOfJapanese: Self.share(census.hiragana, census.japanese)
    case .katakanaOfJapanese: Self.share(census.katakana, census.japanese)
    case .leadingKana: Double(census.leadingKana)
    case .kutenFraction: Self.share(census.kuten, census.characters)
    case .specialFraction: Self.share(census.special, census.characters)
    case .lineBreakAndSpaceFraction: Self.share(census.lineBreaksAndSpaces, census.characters)
    case .characterRun: Double(census.longestRun)
    default: Self.share(WebSigns.addressCharacters(text), census.characters)
    }
  }

  private func lineValue(_ measure: QualityMeasure) -> Double {
    let census = lineCensus ?? LineCensus(text, &counter)
    lineCensus = census
    return switch measure {
    case .duplicateLineFraction: Self.share(census.duplicateLines, census.lines)
    case .duplicateLineCharacterFraction: Self.share(census.duplicateLineCharacters, census.lineCharacters)
    case .duplicateSentenceFraction: Self.share(census.duplicateSentences, census.sentences)
    case .duplicateSentenceCharacterFraction: Self.share(census.duplicateSentenceCharacters, census.sentenceCharacters)
    case .meanSentenceLength: Self.share(census.sentenceCharacters, census.sentences)
    case .longestSentence: Double(census.longestSentence)
    case .ellipsisSentenceFraction: Self.share(census.ellipsisSentences, census.sentences)
    case .ellipsisLineFraction: Self.share(census.ellipsisLines, census.lines)
    case .shortLineFraction: Self.share(census.shortLines, census.lines)
    default: Self.share(census.tinyLineCharacters, text.count)
    }
  }

  private func phraseValue(_ measure: QualityMeasure) -> Double {
    switch measure {
    case .adPhrases: return Double(phrases.ads.count(text).matches)
    case .forumSigns: return Double(phrases.forum.count(text).matches + WebSigns.stamps(text))
    default:
      let found = ng ?? phrases.ng.count(text)
      ng = found
      return measure == .ngWords ? Double(found.matches) : Self.share(found.characters, text.count)
    }
  }

  private func gramValue(_ measure: QualityMeasure) -> Double {
    let counts = grams ?? gramCensus.count(text.scalars, text.count, longest: 10, frequentLength: 5)
    grams = counts
    return switch measure {
    case .top2Gram: Self.share(counts[2].top, counts[2].total)
    case .top3Gram: Self.share(counts[3].top, counts[3].total)
    case .top4Gram: Self.share(counts[4].top, counts[4].total)
    case .duplicate5Gram: duplicates(counts[5])
    case .duplicate6Gram: duplicates(counts[6])
    case .duplicate7Gram: duplicates(counts[7])
    case .duplicate8Gram: duplicates(counts[8])
    case .duplicate9Gram: duplicates(counts[9])
    case .duplicate10Gram: duplicates(counts[10])
    default: Self.share(counts[5].frequentTotal, counts[5].total)
    }
  }

  private func duplicates(_ counts: GramCensus.Counts) -> Double {
    countsOccurrences
      ? Self.share(counts.repeatedTotal, counts.total) : Self.share(counts.repeatedDistinct, counts.distinct)
  }

  private func nounFraction() -> Double {
    do throws(TokenizerError) { return try nouns?.share(bytes) ?? 0 } catch {
      failure = error
      return 0
    }
  }

  private func repeatedWords() -> Double {
    WordRuns.numbers(text, &counter, into: &words)
    let counts = words.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { gramCensus.count($0, buffer.count, longest: 7)[7] }
    }
    return counts.map { Self.share($0.repeatedTotal, $0.total) } ?? 0
  }

  private static func share(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
}
