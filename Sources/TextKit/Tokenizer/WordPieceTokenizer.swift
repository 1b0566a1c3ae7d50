import Glibc

/// A vocabulary with everything needed to convert text to ids: special tokens, normalization, word splitting.
public struct WordPieceTokenizer: Sendable {
  /// How text is split into words.
  public enum Words: String, Sendable, CaseIterable {
    /// `WordSplitter`: white space, punctuation and changes of script.
    case scripts
    /// MeCab's morphemes.
    case mecab
    /// BERT's: white space, punctuation, each ideograph; lower case, without accents.
    case uncased
    /// The same with case and accents.
    case cased
  }

  public struct SpecialToken: Equatable, Sendable {
    public var id: UInt32
    public var content: [UInt8]
  }

  /// Tokens by id.
  public let tokens: [[UInt8]]
  public let words: Words
  /// The dictionary that splits the words, if MeCab is used.
  public var dictionary = MeCabRequirement()
  public let maximumCharacters: Int
  /// Found in raw text first, as in Hugging Face's tokenizers; longest first.
  public let specialTokens: [SpecialToken]
  public let unknown: UInt32
  public let classification: UInt32
  public let separator: UInt32
  /// The special token with that name, such as `[MASK]`; nil if there is none.
  public func special(_ name: String) -> UInt32? { specialTokens.first { $0.content == Array(name.utf8) }?.id }
  let encoder: WordPieceEncoder
  /// By byte: whether a special token starts with it.
  private let specialStarts: [Bool]
  /// The byte that all special tokens start with, if there is one.
  private let onlyStart: Int32?

  /// The tokens must be distinct and include `[UNK]`, `[CLS]` and `[SEP]`.
  /// - Throws: `TokenizerError` if a token occurs twice, or a special token is empty or missing.
  public init(
    tokens: [[UInt8]], specialTokens: [String], words: Words = .scripts, maximumCharacters: Int = 100
  ) throws(TokenizerError) {
    self.tokens = tokens
    self.words = words
    self.maximumCharacters = maximumCharacters
    var ids: [[UInt8]: UInt32] = [:]
    for (id, token) in tokens.enumerated() {
      guard ids.updateValue(UInt32(id), forKey: token) == nil else {
        throw TokenizerError("the token '\(String(decoding: token, as: UTF8.self))' occurs twice in the vocabulary")
      }
    }
    func id(_ name: String) throws(TokenizerError) -> UInt32 {
      guard let id = ids[Array(name.utf8)] else {
        throw TokenizerError("the vocabulary lacks \(name)", hint: "Add it to the special tokens.")
      }
      return id
    }
    unknown = try id("[UNK]")
    classification = try id("[CLS]")
    separator = try id("[SEP]")
    var special: [SpecialToken] = []
    for name in specialTokens {
      guard !name.isEmpty else { throw TokenizerError("a special token is empty") }
      special.append(SpecialToken(id: try id(name), content: Array(name.utf8)))
    }
    self.specialTokens = special.sorted { ($1.content.count, $0.id) < ($0.content.count, $1.id) }
    var starts = [Bool](repeating: false, count: 256)
    for token in special { starts[Int(token.content[0])] = true }
    specialStarts = starts
    let distinct = starts.indices.filter { starts[$0] }
    onlyStart = distinct.count == 1 ? Int32(distinct[0]) : nil
    encoder = WordPieceEncoder(
      tokens: tokens, unknown: unknown, maximumCharacters: maximumCharacters,
      form: WordForm(words))
  }

  /// Whether any token contains the scalar.
  public func knows(_ scalar: UInt32) -> Bool { encoder.knows(scalar) }

  /// Calls `body` with each section of the text between special tokens, or with the special token's id.
  @inline(__always)
  func forEachStretch(
    _ text: UnsafeBufferPointer<UInt8>,
    _ body: (_ stretch: UnsafeBufferPointer<UInt8>, _ special: UInt32?) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    var start = 0, i = 0
    while i < text.count {
      if let onlyStart {
        guard let found = memchr(text.baseAddress! + i, onlyStart, text.count - i) else { break }
        i = UnsafeRawPointer(text.baseAddress!).distance(to: found)
      }
      guard specialStarts[Int(text[i])], let token = specialToken(at: i, in: text) else {
        i &+= 1
        continue
      }
      if i > start { try body(UnsafeBufferPointer(rebasing: text[start..<i]), nil) }
      i += token.content.count
      try body(UnsafeBufferPointer(rebasing: text[i..<i]), token.id)
      start = i
    }
    if start < text.count { try body(UnsafeBufferPointer(rebasing: text[start...]), nil) }
  }

  private func specialToken(at i: Int, in text: UnsafeBufferPointer<UInt8>) -> SpecialToken? {
    specialTokens.first { text[i...].starts(with: $0.content) }
  }
}
