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
  /// Words that became one unknown token.
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

extension TokenizerMeasurement {
  /// All sums, and the rates derived from them.
  public var json: JSONValue {
    let unknown = rankedUnknownScalars.map { scalar, count -> JSONValue in
      let name = "U+" + padded(scalar, 4, radix: 16, uppercase: true)
      return [
        "character": .string(Unicode.Scalar(scalar).map { String($0) } ?? ""), "codePoint": .string(name),
        "count": .integer(count),
      ]
    }
    return [
      "documents": .integer(documents), "bytes": .integer(bytes), "characters": .integer(characters),
      "words": .integer(words), "tokens": .integer(tokens), "unknownWords": .integer(unknownWords),
      "unknownPerToken": .number(unknownPerToken), "unknownPerWord": .number(unknownPerWord),
      "charactersPerToken": .number(charactersPerToken), "tokensPerCharacter": .number(tokensPerCharacter),
      "unknownCharacters": .list(unknown),
    ]
  }

  /// The sums of a measurement written as `json`; nil if it is not one.
  public init?(json: JSONValue) {
    func sum(_ key: String) -> Int? { json[key]?.integer }
    guard let documents = sum("documents"), let bytes = sum("bytes"), let characters = sum("characters"),
      let words = sum("words"), let tokens = sum("tokens"), let unknownWords = sum("unknownWords"),
      let unknown = json["unknownCharacters"]?.array
    else { return nil }
    self.documents = documents
    self.bytes = bytes
    self.characters = characters
    self.words = words
    self.tokens = tokens
    self.unknownWords = unknownWords
    for entry in unknown {
      guard let name = entry["codePoint"]?.string, let scalar = UInt32(name.dropFirst(2), radix: 16),
        let count = entry["count"]?.integer
      else { return nil }
      unknownScalars[scalar] = count
    }
  }
}

/// Measures a tokenizer on one text after another; not thread-safe.
public final class TokenizerMeter {
  public private(set) var measurement = TokenizerMeasurement()
  private let tokenizer: WordPieceTokenizer
  private let session: TokenizerSession
  private let reader: WordReader
  private var ids = TokenBuffer()

  public init(_ tokenizer: WordPieceTokenizer, dictionary: String? = nil) throws(TokenizerError) {
    self.tokenizer = tokenizer
    session = try TokenizerSession(tokenizer, dictionary: dictionary)
    reader = try WordReader(tokenizer.words, dictionary: dictionary)
  }

  public func add(_ text: UnsafeBufferPointer<UInt8>) throws(TokenizerError) {
    ids.removeAll()
    try session.encode(text, into: &ids)
    measurement.documents += 1
    measurement.bytes += text.count
    measurement.tokens += ids.count
    let unknown = tokenizer.unknown
    for id in ids.ids where id == unknown { measurement.unknownWords += 1 }
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
