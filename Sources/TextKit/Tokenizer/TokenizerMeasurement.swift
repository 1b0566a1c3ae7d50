public import ShardKit

/// How well a tokenizer fits texts: unknown words, lengths, missing characters. Measurements can be added, so that
/// parts of a corpus can be measured separately.
public struct TokenizerMeasurement: Equatable, Sendable {
  public var documents = 0
  public var bytes = 0
  /// Of the normalized text, without white space.
  public var characters = 0
  public var words = 0
  public var tokens = 0
  /// Words that became one unknown token; of tokenizers other than WordPiece, unknown tokens.
  public var unknownWords = 0
  /// Characters in words that occur in no token of the vocabulary, with their counts.
  public var unknownScalars: [UInt32: Int] = [:]

  public init() {}

  /// Unknown tokens as a fraction of all tokens.
  public var unknownPerToken: Double { tokens == 0 ? 0 : Double(unknownWords) / Double(tokens) }
  /// Unknown words as a fraction of all words.
  public var unknownPerWord: Double { words == 0 ? 0 : Double(unknownWords) / Double(words) }
  public var charactersPerToken: Double { tokens == 0 ? 0 : Double(characters) / Double(tokens) }
  public var tokensPerCharacter: Double { characters == 0 ? 0 : Double(tokens) / Double(characters) }

  public static func += (a: inout TokenizerMeasurement, b: TokenizerMeasurement) {
    a.documents += b.documents
    a.bytes += b.bytes
    a.characters += b.characters
    a.words += b.words
    a.tokens += b.tokens
    a.unknownWords += b.unknownWords
    a.unknownScalars.merge(b.unknownScalars, uniquingKeysWith: +)
  }

  /// Unknown characters, the most frequent first.
  public var rankedUnknownScalars: [(scalar: UInt32, count: Int)] {
    unknownScalars.map { ($0.key, $0.value) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
  }
}

extension TokenizerMeasurement: JSONRecord {
  private enum CodingKeys: CodingKey {
    case documents, bytes, characters, words, tokens, unknownWords
    case unknownPerToken, unknownPerWord, charactersPerToken, tokensPerCharacter, unknownCharacters
  }

  private struct UnknownCharacter: Codable {
    var character: String
    /// "U+3042"
    var codePoint: String
    var count: Int

    init(_ scalar: UInt32, count: Int) {
      let code = String(scalar, radix: 16, uppercase: true)
      character = Unicode.Scalar(scalar).map { String($0) } ?? ""
      codePoint = "U+" + String(repeating: "0", count: max(0, 4 - code.count)) + code
      self.count = count
    }
  }

  /// All sums, and the rates derived from them.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(documents, forKey: .documents)
    try container.encode(bytes, forKey: .bytes)
    try container.encode(characters, forKey: .characters)
    try container.encode(words, forKey: .words)
    try container.encode(tokens, forKey: .tokens)
    try container.encode(unknownWords, forKey: .unknownWords)
    try container.encode(unknownPerToken, forKey: .unknownPerToken)
    try container.encode(unknownPerWord, forKey: .unknownPerWord)
    try container.encode(charactersPerToken, forKey: .charactersPerToken)
    try container.encode(tokensPerCharacter, forKey: .tokensPerCharacter)
    let unknown = rankedUnknownScalars.map { UnknownCharacter($0.scalar, count: $0.count) }
    try container.encode(unknown, forKey: .unknownCharacters)
  }

  /// The sums alone.
  /// - Throws: `DecodingError` for a wrong code point; what the decoder throws for a missing or wrong member.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    documents = try container.decode(Int.self, forKey: .documents)
    bytes = try container.decode(Int.self, forKey: .bytes)
    characters = try container.decode(Int.self, forKey: .characters)
    words = try container.decode(Int.self, forKey: .words)
    tokens = try container.decode(Int.self, forKey: .tokens)
    unknownWords = try container.decode(Int.self, forKey: .unknownWords)
    for entry in try container.decode([UnknownCharacter].self, forKey: .unknownCharacters) {
      guard let scalar = UInt32(entry.codePoint.dropFirst(2), radix: 16) else {
        throw DecodingError.dataCorruptedError(
          forKey: .unknownCharacters, in: container, debugDescription: "'\(entry.codePoint)' is not a code point")
      }
      unknownScalars[scalar] = entry.count
    }
  }
}

/// Measures a tokenizer on one text after another; not thread-safe.
public final class TokenizerMeter {
  public private(set) var measurement = TokenizerMeasurement()
  private let tokenizer: Tokenizer
  private let session: TokenizerSession
  private let reader: WordReader
  private var ids = TokenBuffer()

  /// Loads MeCab, if the tokenizer uses it.
  /// - Throws: what `TokenizerSession` throws.
  public init(_ tokenizer: Tokenizer, dictionary: String? = nil) throws(TokenizerError) {
    self.tokenizer = tokenizer
    session = try TokenizerSession(tokenizer, dictionary: dictionary)
    reader = try WordReader(tokenizer.words, dictionary: dictionary)
  }

  /// Measures one more text.
  /// - Throws: `TokenizerError` if MeCab, where it is used, cannot read the text.
  public func add(_ text: UnsafeBufferPointer<UInt8>) throws(TokenizerError) {
    ids.removeAll()
    try session.encode(text, into: &ids)
    measurement.documents += 1
    measurement.bytes += text.count
    measurement.tokens += ids.count
    let unknown = tokenizer.unknown
    if let unknown { for id in ids.ids where id == unknown { measurement.unknownWords += 1 } }
    try reader.forEachWord(text) { word in
      measurement.words += 1
      UTF8Scanning.forEachScalar(word) { scalar, _, _ in
        if !tokenizer.knows(scalar) { measurement.unknownScalars[scalar, default: 0] += 1 }
      }
    }
    reader.normalizedText.withUnsafeBufferPointer { text in
      UTF8Scanning.forEachScalar(text) { scalar, _, _ in
        if !ScalarProperties(of: scalar).contains(.whitespace) { measurement.characters += 1 }
      }
    }
  }
}
