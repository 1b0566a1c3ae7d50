/// A tokenizer in use by one thread, with the buffers and the analyzer it needs.
public final class TokenizerSession {
  public let tokenizer: Tokenizer
  private let use: Use

  private enum Use {
    case words(WordPieceTokenizer, WordReader)
    case subwords(SubwordSession)
  }

  /// - Parameter dictionary: MeCab's dictionary folder, if the tokenizer uses MeCab.
  /// - Throws: `TokenizerError` if MeCab cannot be loaded, or its dictionary is not that of the tokenizer.
  public init(_ tokenizer: Tokenizer, dictionary: String? = nil) throws(TokenizerError) {
    self.tokenizer = tokenizer
    switch tokenizer.kind {
    case .wordPiece(let own):
      let reader = try WordReader(own.words, dictionary: dictionary)
      if let loaded = reader.dictionary { try own.dictionary.check(loaded) }
      use = .words(own, reader)
    case .subwords(let other): use = .subwords(SubwordSession(other))
    }
  }

  /// A session of a WordPiece vocabulary.
  /// - Throws: as `init(_:dictionary:)`.
  public convenience init(_ tokenizer: WordPieceTokenizer, dictionary: String? = nil) throws(TokenizerError) {
    try self.init(Tokenizer(tokenizer), dictionary: dictionary)
  }

  /// Appends the ids of a text; with `addingSpecialTokens`, with the special tokens around it.
  /// - Throws: `TokenizerError` if MeCab, where it is used, cannot read the text; if a pattern takes too long for it; if
  ///   a character is unknown to a tokenizer without an unknown token.
  public func encode(
    _ text: UnsafeBufferPointer<UInt8>, addingSpecialTokens: Bool = false, into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    if addingSpecialTokens { for id in tokenizer.frame.before { ids.append(id) } }
    switch use {
    case .words(let own, let reader): try Self.encode(text, own, reader, into: &ids)
    case .subwords(let session): try session.encode(text, into: &ids)
    }
    if addingSpecialTokens { for id in tokenizer.frame.after { ids.append(id) } }
  }

  private static func encode(
    _ text: UnsafeBufferPointer<UInt8>, _ tokenizer: WordPieceTokenizer, _ reader: WordReader,
    into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    try tokenizer.forEachStretch(text) { (stretch, special) throws(TokenizerError) in
      if let special {
        ids.append(special)
      } else if tokenizer.words != .mecab {
        tokenizer.encoder.encode(stretch, into: &ids)
      } else {
        let encoder = tokenizer.encoder
        try reader.forEachWord(stretch) { encoder.encode(word: $0, into: &ids) }
      }
    }
  }

  /// The same ids as `encode`, each with its position in the raw text: for answers and labels that are spans of a text.
  ///
  /// A token's range covers the characters whose normalized form it contains; an unknown token of WordPiece covers its
  /// complete word. Slower than `encode`; for the small texts of evaluation.
  /// - Throws: as `encode`.
  public func encodeWithPlaces(_ text: [UInt8]) throws(TokenizerError) -> [TokenOffset] {
    switch use {
    case .words(let own, let reader): return try PlacedWords(own, reader).encode(text)
    case .subwords(let session):
      var tokens: [TokenOffset] = []
      let result = text.withUnsafeBufferPointer { text in
        Result { () throws(TokenizerError) in
          try session.encodeWithPlaces(text) { tokens.append(TokenOffset(id: $0, range: $1)) }
        }
      }
      try result.get()
      return tokens
    }
  }
}
