/// Trains a WordPiece vocabulary like Hugging Face's `WordPieceTrainer`: byte-pair encoding over characters, prefixed
/// with `##` inside a word, always merging the pair with the highest count.
///
/// What that implementation leaves to chance is fixed here: `##` characters get ids by code point, equal character
/// counts at the alphabet limit are ordered by code point, and counts are 64-bit. The result depends only on the words
/// and their counts, not on their order. As in that implementation, the count of a merged pair stays, and a pair found
/// again after a merge is a new candidate. Sennrich, Haddow, Birch 2016 (arXiv 1508.07909); time is linear in the
/// symbols merged.
public struct WordPieceTrainer: Sendable {
  public var vocabularySize = 32_768
  /// Characters kept, the most frequent first.
  public var alphabetLimit = 7_000
  /// Pairs with fewer occurrences are not merged.
  public var minimumFrequency: Int64 = 2
  public var specialTokens = WordPieceTrainer.bertTokens
  /// Adds each character of the alphabet both as `c` and as `##c`, whether seen or not, so that no word of known
  /// characters is unknown.
  public var seedsAlphabet = true

  public static let bertTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

  public init() {}

  public struct Result: Sendable {
    /// Tokens by id.
    public var tokens: [[UInt8]]
    public var alphabet: Int
    public var merges: Int
    /// The count of the last merge.
    public var lastCount: Int64
  }

  /// Consumes the words. `checkpoint` is called periodically so that the work can be stopped.
  /// - Throws: `TokenizerError` if the characters exceed `vocabularySize`; what `checkpoint` throws.
  public func train(_ words: consuming TrainingWords, checkpoint: () throws -> Void = {}) throws -> Result {
    let alphabet = words.alphabet(limit: alphabetLimit)
    var tokens = TokenList()
    for token in specialTokens { tokens.append(Array(token.utf8)) }
    var symbols = AlphabetSymbols()
    for scalar in alphabet { symbols.first[Int(scalar)] = tokens.append([], scalar) }
    let inside = seedsAlphabet ? alphabet : alphabet.filter(insideScalars(words).contains)
    for scalar in inside { symbols.rest[Int(scalar)] = tokens.append(TokenList.prefix, scalar) }
    guard tokens.count <= vocabularySize else {
      throw TokenizerError(
        "vocabularySize is \(vocabularySize), but \(specialTokens.count) special tokens and \(alphabet.count) characters "
          + "take \(tokens.count)", hint: "Increase vocabularySize or decrease alphabetLimit.")
    }
    let sequence = SymbolSequence(words, symbols)
    _ = consume words
    var merging = PairMerging(sequence, tokens, limit: vocabularySize, minimumFrequency)
    try merging.run(checkpoint)
    return Result(
      tokens: merging.tokens.all, alphabet: alphabet.count, merges: merging.merges, lastCount: merging.lastCount)
  }

  private func insideScalars(_ words: borrowing TrainingWords) -> Set<UInt32> {
    var seen = [Bool](repeating: false, count: Int(UTF8Scanning.malformed) + 1)
    words.arena.withUnsafeBufferPointer { arena in
      var start = 0
      for end in words.ends {
        UTF8Scanning.forEachScalar(UnsafeBufferPointer(rebasing: arena[start..<end])) { scalar, at, _ in
          if at > 0 { seen[Int(scalar)] = true }
        }
        start = end
      }
    }
    return Set((0..<UTF8Scanning.malformed).filter { seen[Int($0)] })
  }
}

/// Tokens by id, and the id of each.
struct TokenList {
  static let prefix: [UInt8] = [0x23, 0x23]  // ##

  private(set) var all: [[UInt8]] = []
  /// Characters of a token, without the prefix: the number of positions it takes in the sequence.
  private(set) var lengths: [UInt32] = []
  private var ids: [[UInt8]: UInt32] = [:]
  /// What tokens inside a word start with, which merging takes off; nil if nothing.
  private let joint: [UInt8]?

  init(joint: [UInt8]? = Self.prefix) { self.joint = joint }

  var count: Int { all.count }

  /// The id of the token, new or old.
  @discardableResult
  mutating func append(_ token: [UInt8], characters: UInt32? = nil) -> UInt32 {
    if let id = ids[token] { return id }
    let id = UInt32(all.count)
    ids[token] = id
    all.append(token)
    lengths.append(characters ?? UInt32(body(token).withUnsafeBufferPointer { UTF8Scanning.scalarCount($0) }))
    return id
  }

  mutating func append(_ prefix: [UInt8], _ scalar: UInt32) -> UInt32 {
    var token = prefix
    UTF8Scanning.append(scalar, to: &token)
    return append(token, characters: 1)
  }

  /// The token that the pair merges to, without the `##` of the second.
  func merged(_ first: UInt32, _ second: UInt32) -> [UInt8] {
    all[Int(first)] + body(all[Int(second)])
  }

  private func body(_ token: [UInt8]) -> [UInt8] {
    guard let joint, token.starts(with: joint) else { return token }
    return Array(token.dropFirst(joint.count))
  }

  func id(_ token: [UInt8]) -> UInt32? { ids[token] }
}
