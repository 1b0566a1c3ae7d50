import Glibc
public import ShardKit

/// An n-gram language model with backoff, from an ARPA file as KenLM's lmplz, SRILM and others write it.
///
/// Words and n-grams are known by hashes of 64 bits; each takes 32 bytes or less. Safe to use from several threads.
public final class BackoffModel: Sendable {
  /// Words of the longest n-grams.
  public let order: Int
  private let table: GramTable
  private let unknown: UInt64
  private static let sentenceStart = wordHash("<s>")
  private static let sentenceEnd = wordHash("</s>")
  /// Of a word that the model does not know, if it has neither `<unk>` nor `<UNK>`, as in KenLM.
  private static let unknownLogarithm: Float = -100

  /// What a text was given.
  public struct Score: Equatable, Sendable {
    /// The sum of the logarithms to base 10, with that of each sentence's end.
    public var logarithm = 0.0
    /// With the sentences' ends.
    public var tokens = 0
    /// Tokens that the model does not know.
    public var unknown = 0

    public init() {}

    /// NaN without tokens.
    public var perplexity: Double { pow(10, -logarithm / Double(tokens)) }
  }

  /// Reads a model, which may be compressed.
  /// - Throws: `ShardError` if the file cannot be read (`.malformed` if it is not such a model, or does not know where
  ///   sentences begin and end: `<s>`, `</s>`).
  public init(_ path: String) throws(ShardError) {
    var reader = try ARPAReader(path)
    (table, order) = try reader.read()
    let small = Self.wordHash("<unk>"), capital = Self.wordHash("<UNK>")
    let isCapital = table[GramTable.key(small)] == nil && table[GramTable.key(capital)] != nil
    unknown = isCapital ? capital : small
  }

  static func wordHash(_ text: StaticString) -> UInt64 {
    recordHash(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Scores a sentence: its tokens, and that it ends after them.
  /// - Parameter tokens: hashes of the words (`recordHash`).
  public func add(sentence tokens: [UInt64], to score: inout Score) {
    var history = [Self.sentenceStart]
    for token in tokens {
      let isKnown = table[GramTable.key(token)] != nil
      let word = isKnown ? token : unknown
      score.logarithm += Double(logarithm(of: word, after: history))
      score.tokens += 1
      if !isKnown { score.unknown += 1 }
      history.insert(word, at: 0)
      if history.count >= max(1, order) { history.removeLast() }
    }
    score.logarithm += Double(logarithm(of: Self.sentenceEnd, after: history))
    score.tokens += 1
  }

  /// - Parameter history: the words before, the nearest first.
  private func logarithm(of word: UInt64, after history: [UInt64]) -> Float {
    var key = GramTable.key(word), length = 0
    guard var sum = table[key]?.logarithm else { return Self.unknownLogarithm }
    // Of every length: a pruned model may have "a b c" without "b c".
    for (place, before) in history.prefix(order - 1).enumerated() {
      key = GramTable.key(before, following: key)
      guard let longer = table[key] else { continue }
      sum = longer.logarithm
      length = place + 1
    }
    // What backing off to the n-gram that is known costs: of each context that is longer than its own.
    var context: UInt64?
    for (place, before) in history.prefix(order - 1).enumerated() {
      let next = context.map { GramTable.key(before, following: $0) } ?? GramTable.key(before)
      context = next
      if place >= length, let known = table[next] { sum += known.backoff }
    }
    return sum
  }
}

/// Logarithms to base 10 of n-grams, by hash.
struct GramTable {
  struct Entry {
    var logarithm: Float
    var backoff: Float
  }

  /// 0: free.
  private var keys: [UInt64] = Array(repeating: 0, count: 1 << 10)
  private var entries: [Entry] = Array(repeating: Entry(logarithm: 0, backoff: 0), count: 1 << 10)
  private(set) var count = 0

  static func key(_ word: UInt64) -> UInt64 { mix(word) }

  /// Of an n-gram that begins with `word` and goes on with one of this key.
  static func key(_ word: UInt64, following key: UInt64) -> UInt64 { mix(word ^ key &* 0x9E37_79B9_7F4A_7C15) }

  private static func mix(_ value: UInt64) -> UInt64 {
    let product = (value ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
    return max(1, product.high ^ product.low)
  }

  subscript(key: UInt64) -> Entry? {
    var slot = Int(truncatingIfNeeded: key) & (keys.count &- 1)
    while keys[slot] != 0 {
      if keys[slot] == key { return entries[slot] }
      slot = (slot &+ 1) & (keys.count &- 1)
    }
    return nil
  }

  mutating func set(_ key: UInt64, _ entry: Entry) {
    if (count + 1) * 3 > keys.count * 2 { grow() }
    var slot = Int(truncatingIfNeeded: key) & (keys.count - 1)
    while keys[slot] != 0, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
    if keys[slot] == 0 { count += 1 }
    keys[slot] = key
    entries[slot] = entry
  }

  private mutating func grow() {
    let (oldKeys, oldEntries) = (keys, entries)
    keys = Array(repeating: 0, count: oldKeys.count * 2)
    entries = Array(repeating: Entry(logarithm: 0, backoff: 0), count: oldKeys.count * 2)
    count = 0
    for (slot, key) in oldKeys.enumerated() where key != 0 { set(key, oldEntries[slot]) }
  }
}
