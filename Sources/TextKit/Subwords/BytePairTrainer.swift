/// Learns merges of byte pairs like Hugging Face's `BpeTrainer`: always the pair with the highest count, of equal ones
/// that with the smallest ids. The result depends only on the words and their counts (see `WordPieceTrainer`).
public struct BytePairTrainer: Sendable {
  public var vocabularySize = 32_768
  /// Characters kept, the most frequent first; bytes are all kept.
  public var alphabetLimit = 7_000
  /// Pairs with fewer occurrences are not merged.
  public var minimumFrequency: Int64 = 2
  public var specialTokens = WordPieceTrainer.bertTokens
  /// Tokens are made of bytes instead of characters.
  public var readsBytes = false
  /// Adds `<0x00>` … `<0xFF>` for characters outside the alphabet.
  public var fallsBackToBytes = false
  /// Characters, or bytes, of the longest token.
  public var longestToken = 16

  public init() {}

  public struct Result: Sendable {
    /// Tokens by id, as a `tokenizer.json` writes them.
    public var tokens: [[UInt8]]
    /// Pairs of ids by rank.
    public var merges: [(first: UInt32, second: UInt32)]
    public var alphabet: Int
    /// The count of the last merge.
    public var lastCount: Int64
  }

  /// Consumes the words. `checkpoint` is called periodically so that the work can be stopped.
  /// - Throws: `TokenizerError` if special tokens and alphabet exceed `vocabularySize`; what `checkpoint` throws.
  public func train(_ words: consuming TrainingWords, checkpoint: () throws -> Void = {}) throws -> Result {
    var tokens = TokenList(joint: nil)
    let byteNames = fallsBackToBytes ? (0...255).map { ByteTokens.name(UInt8($0)) } : []
    // Of no length, so that no merge makes one of them.
    for token in specialTokens + byteNames { tokens.append(Array(token.utf8), characters: 0) }
    var symbols = AlphabetSymbols()
    let alphabet = readsBytes ? ByteAlphabet.order : words.alphabet(limit: alphabetLimit)
    symbols.readsBytes = readsBytes
    for symbol in alphabet {
      let id = readsBytes ? tokens.append([UInt8(symbol)], characters: 1) : tokens.append([], symbol)
      symbols.first[Int(symbol)] = id
      symbols.rest[Int(symbol)] = id
    }
    guard tokens.count <= vocabularySize else {
      throw TokenizerError(
        "vocabularySize is \(vocabularySize), but special tokens and alphabet take \(tokens.count)",
        hint: "Increase vocabularySize or decrease alphabetLimit.")
    }
    let sequence = SymbolSequence(words, symbols)
    _ = consume words
    var merging = PairMerging(sequence, tokens, limit: vocabularySize, minimumFrequency, longest: UInt32(longestToken))
    try merging.run(checkpoint)
    let fixed = specialTokens.count + byteNames.count
    let written = merging.tokens.all.enumerated().map { id, token in
      readsBytes && id >= fixed ? ByteAlphabet.token(for: token) : token
    }
    return Result(tokens: written, merges: merging.pairs, alphabet: alphabet.count, lastCount: merging.lastCount)
  }
}

extension TrainingWords {
  /// The most frequent scalars, by code point.
  func alphabet(limit: Int) -> [UInt32] {
    let seen = (0..<UTF8Scanning.malformed).filter { scalarCounts[Int($0)] > 0 }
    let kept = seen.sorted { (scalarCounts[Int($1)], $0) < (scalarCounts[Int($0)], $1) }.prefix(limit)
    return kept.sorted()
  }
}
