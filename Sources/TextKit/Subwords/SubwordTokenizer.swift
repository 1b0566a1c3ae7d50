public import ShardKit

/// A tokenizer of any `tokenizer.json` (the format of Hugging Face's tokenizers) whose parts are supported: a model of
/// byte pairs, of unigrams or of word pieces, with its normalizers, pre-tokenizers, added tokens and post-processor. It
/// gives the ids that Hugging Face's tokenizers 0.22 give. What is not supported is an error when the file is read.
///
/// Truncation and padding are left to whoever uses the ids; decoders are not used.
public struct SubwordTokenizer: Sendable {
  enum Model: Sendable {
    case bytePair(BytePairModel)
    case unigram(UnigramModel)
    case wordPiece(WordPieceEncoder)
  }

  /// Tokens by id, as they are written in the file; ids without a token are empty.
  public let tokens: [[UInt8]]
  /// The added tokens that are special, by id.
  public let specialTokens: [WordPieceTokenizer.SpecialToken]
  /// The token for what is in no other one.
  public let unknown: UInt32?
  public let frame: TokenFrame
  let normalizers: [TextNormalizer]
  let preTokenizers: [PreTokenizer]
  /// Found in the raw text, and in the normalized one.
  let rawTokens: AddedTokens
  let normalizedTokens: AddedTokens
  let model: Model
  private let scalars: Set<UInt32>
  private let fallsBackToBytes: Bool
  /// Texts are bytes, and tokens are written with one character for each.
  public let readsBytes: Bool

  /// Whether the place of a piece in the raw text decides how it is split, and steps before that may move it.
  var needsPlacesAtStart: Bool {
    guard let at = preTokenizers.firstIndex(where: \.dependsOnStart) else { return false }
    return at > 0 && !normalizers.isEmpty
  }

  /// Reads a parsed `tokenizer.json`.
  /// - Throws: `TokenizerError` for what is not supported or contradicts itself.
  public init(_ json: JSONValue) throws(TokenizerError) {
    if let version = json["version"], version != "1.0" {
      throw TokenizerError("version is \(version.text()), but only \"1.0\" is supported")
    }
    normalizers = try TextNormalizer.steps(json["normalizer"] ?? .null)
    preTokenizers = try PreTokenizer.steps(json["pre_tokenizer"] ?? .null)
    readsBytes = preTokenizers.last?.isByteLevel ?? false
    var vocabulary = try SubwordVocabulary(json["model"] ?? .null, readsBytes: readsBytes)
    let added = try vocabulary.add(json["added_tokens"]?.array ?? [])
    tokens = vocabulary.tokens
    scalars = Set(tokens.lazy.flatMap { String(decoding: $0, as: UTF8.self).unicodeScalars.lazy.map(\.value) })
    fallsBackToBytes = json["model"]?["byte_fallback"] == true
    unknown = vocabulary.unknown
    model = vocabulary.model
    specialTokens = added.filter(\.isSpecial).map { .init(id: $0.id, content: $0.content) }
      .sorted { $0.id < $1.id }
    let ordered = added.filter(\.isSpecial) + added.filter { !$0.isSpecial }
    rawTokens = AddedTokens(ordered.filter { !$0.isNormalized })
    var normalized: [AddedToken] = []
    for token in ordered where token.isNormalized {
      var token = token
      token.content = try Self.normalize(token.content, normalizers)
      if !token.content.isEmpty { normalized.append(token) }
    }
    normalizedTokens = AddedTokens(normalized)
    frame = try TokenFrame(json["post_processor"] ?? .null, tokenCount: tokens.count)
  }

  /// Whether a token has the scalar, or tokens stand for bytes.
  func knows(_ scalar: UInt32) -> Bool { readsBytes || fallsBackToBytes || scalars.contains(scalar) }

  private static func normalize(_ text: [UInt8], _ steps: [TextNormalizer]) throws(TokenizerError) -> [UInt8] {
    var form = TextForm(), spare = TextForm()
    text.withUnsafeBufferPointer { form.load($0, at: 0) }
    try TextNormalizer.apply(steps, to: &form, &spare)
    return form.bytes
  }

  /// Reads a `tokenizer.json`.
  /// - Throws: `ShardError` if it cannot be read; `TokenizerError` if it is not JSON or is not supported.
  public init(path: String) throws {
    self = try TokenizerFile.read(path) { (json) throws(TokenizerError) in try SubwordTokenizer(json) }
  }
}

/// Reading of a `tokenizer.json`.
enum TokenizerFile {
  private static let maximumBytes = 256 << 20

  static func parse(_ path: String) throws -> JSONValue {
    let text = try openSource(path).readAll(limit: maximumBytes)
    do { return try JSONValue.parse(text).value } catch {
      throw TokenizerError("\(path) is not valid JSON at byte \(error.offset): \(error.message)")
    }
  }

  /// Adds the path to an error.
  static func read<T>(_ path: String, _ body: (JSONValue) throws(TokenizerError) -> T) throws -> T {
    let json = try parse(path)
    do { return try body(json) } catch { throw TokenizerError("\(path): \(error.message)", hint: error.hint) }
  }
}
