/// Measures texts one after another. Each family of measures is computed when one of them is first requested.
///
/// Not thread-safe. Linear in the text; uses about 40 bytes of memory per character.
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
  private var numbers = KeyNumbers()
  private let gramCensus = GramCensus()
  private let compression = CompressionRatio()
  private let nouns: NounCensus?
  /// Why MeCab could not read a text; its noun fraction then counts as 0.
  public private(set) var failure: TokenizerError?
  private var words: [UInt32] = []
  private var bytes = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  private var characterCensus: CharacterCensus?
  private var lineCensus: LineCensus?
  /// What the census has loaded.
  private var grams = Grams.none
  private var ng: (matches: Int, characters: Int)?

  private enum Grams { case none, characters, words }

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
    grams = .none
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
    let census = lineCensus ?? LineCensus(text, &numbers)
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
    if grams != .characters {
      gramCensus.load(text.scalars, text.count)
      grams = .characters
    }
    return switch measure {
    case .top2Gram: top(2)
    case .top3Gram: top(3)
    case .top4Gram: top(4)
    case .duplicate5Gram: duplicates(5)
    case .duplicate6Gram: duplicates(6)
    case .duplicate7Gram: duplicates(7)
    case .duplicate8Gram: duplicates(8)
    case .duplicate9Gram: duplicates(9)
    case .duplicate10Gram: duplicates(10)
    default: Self.share(gramCensus.frequentTotal(5), gramCensus[5].total)
    }
  }

  private func top(_ length: Int) -> Double {
    let counts = gramCensus[length]
    return Self.share(counts.top, counts.total)
  }

  private func duplicates(_ length: Int) -> Double {
    let counts = gramCensus[length]
    return countsOccurrences
      ? Self.share(counts.repeatedTotal, counts.total) : Self.share(counts.repeatedDistinct, counts.distinct)
  }

  private func nounFraction() -> Double {
    do throws(TokenizerError) { return try nouns?.share(bytes) ?? 0 } catch {
      failure = error
      return 0
    }
  }

  private func repeatedWords() -> Double {
    WordRuns.numbers(text, &numbers, into: &words)
    words.withUnsafeBufferPointer { words in
      if let first = words.baseAddress { gramCensus.load(first, words.count) }
    }
    grams = .words
    let counts = gramCensus[7]
    return words.isEmpty ? 0 : Self.share(counts.repeatedTotal, counts.total)
  }

  private static func share(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
}
