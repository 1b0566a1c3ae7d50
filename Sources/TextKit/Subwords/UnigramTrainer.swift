/// Learns a unigram vocabulary as SentencePiece does (Kudo 2018, arXiv 1804.10959): frequent substrings as seeds, their
/// probabilities by expectation and maximization with a sparse prior, and rounds of pruning that drop the pieces whose
/// loss costs the least likelihood. The result depends only on the words and their counts, in their order.
public struct UnigramTrainer: Sendable {
  public var vocabularySize = 32_768
  /// Characters kept, the most frequent first.
  public var alphabetLimit = 7_000
  public var specialTokens = WordPieceTrainer.bertTokens
  /// Adds `<0x00>` … `<0xFF>` for characters outside the alphabet.
  public var fallsBackToBytes = false
  /// Characters of the longest token.
  public var longestToken = 16
  /// Seeds per token of the vocabulary.
  public var seedFactor = 16
  /// Threads; they do not decide the result.
  public var workers = 1

  private static let largestSeed = 1_000_000
  private static let iterations = 2
  private static let leastFrequency = 0.5

  public init() {}

  public struct Result: Sendable {
    /// Tokens with their scores, by id.
    public var tokens: [(token: [UInt8], score: Double)]
    public var alphabet: Int
    public var seeds: Int
    public var rounds: Int
  }

  /// Consumes the words. `checkpoint` is called periodically so that the work can be stopped.
  /// - Throws: `TokenizerError` if special tokens and alphabet exceed `vocabularySize`; what `checkpoint` throws.
  public func train(_ words: consuming TrainingWords, checkpoint: () throws -> Void = {}) throws -> Result {
    let names = specialTokens + (fallsBackToBytes ? (0...255).map { ByteTokens.name(UInt8($0)) } : [])
    let alphabet = words.alphabet(limit: alphabetLimit)
    guard names.count + alphabet.count <= vocabularySize else {
      throw TokenizerError(
        "vocabularySize is \(vocabularySize), but special tokens and alphabet take \(names.count + alphabet.count)",
        hint: "Increase vocabularySize or decrease alphabetLimit.")
    }
    let wanted = vocabularySize - names.count
    let text = TrainingSymbols(words, alphabet: alphabet)
    _ = consume words
    try checkpoint()
    var model = try UnigramEstimate(text, seeds(text, names), workers: workers)
    let seedCount = model.pieces.count
    var rounds = 0
    while true {
      for _ in 0..<Self.iterations {
        try checkpoint()
        model.setScores(Self.maximized(try model.expectations()))
      }
      rounds += 1
      let desired = wanted * 11 / 10
      let before = model.count
      if before <= desired { break }
      try checkpoint()
      try model.prune(to: max(desired, before * 3 / 4))
      if model.count == before { break }
    }
    return Result(
      tokens: names.map { (Array($0.utf8), 0) } + finished(model, alphabet, wanted), alphabet: alphabet.count,
      seeds: seedCount, rounds: rounds)
  }

  /// The seeds, without those that are spelled like a special token.
  private func seeds(_ text: TrainingSymbols, _ names: [String]) throws -> [SeedPiece] {
    let limit = max(min(Self.largestSeed, vocabularySize * seedFactor), text.alphabet.count)
    let special = Set(names.map { Array($0.utf8) })
    let lengths = Set(names.map { $0.unicodeScalars.count })
    return try SeedPieces(text, longest: min(longestToken, UnigramLattice.longestPiece))
      .best(limit: limit, workers: workers)
      .filter {
        !lengths.contains(Int($0.length)) || !special.contains(text.text(at: Int($0.place), Int($0.length)))
      }
  }

  /// The new scores: a digamma of the expected frequency instead of its logarithm takes from rare pieces. Pieces that
  /// hardly occur are dropped.
  private static func maximized(_ expected: [Double]) -> [Double] {
    var sum = 0.0
    for frequency in expected where frequency >= leastFrequency { sum += frequency }
    let total = PortableMath.digamma(max(sum, leastFrequency))
    return expected.map { $0 < leastFrequency ? -.infinity : PortableMath.digamma($0) - total }
  }

  /// All characters of the alphabet and the best other pieces, the best first.
  private func finished(
    _ model: UnigramEstimate, _ alphabet: [UInt32], _ wanted: Int
  ) -> [(token: [UInt8], score: Double)] {
    var scores: [[UInt8]: Double] = [:]
    for piece in model.pieces where piece.score.isFinite { scores[model.text(of: piece)] = piece.score }
    let least = scores.values.min() ?? -10
    var tokens: [(token: [UInt8], score: Double)] = alphabet.map { scalar in
      var text: [UInt8] = []
      UTF8Scanning.append(scalar, to: &text)
      return (text, scores.removeValue(forKey: text) ?? least)
    }
    let others = scores.sorted {
      $0.value != $1.value ? $0.value > $1.value : $0.key.lexicographicallyPrecedes($1.key)
    }
    tokens += others.prefix(max(0, wanted - tokens.count)).map { ($0.key, $0.value) }
    return tokens.sorted { $0.score != $1.score ? $0.score > $1.score : $0.token.lexicographicallyPrecedes($1.token) }
  }
}
