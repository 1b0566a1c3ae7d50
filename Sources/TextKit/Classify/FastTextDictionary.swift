import Glibc
import ShardKit

/// The words and labels of a fastText model, and the rows of its n-grams.
struct FastTextDictionary {
  private(set) var words = 0
  /// Without their prefix, most frequent first.
  private(set) var labels: [String] = []
  private(set) var labelCounts: [Int64] = []
  /// Where each entry's text stands in the file.
  private var texts: [Range<Int>] = []
  /// Places of entries by hash, or -1: open addressing.
  private var slots: [Int32]
  /// The rows that n-grams were kept in, of a pruned model; nil: every one has its own.
  private var kept: KeptGrams?

  static let labelPrefix = Array("__label__".utf8)
  static let lineEnd = Array("</s>".utf8)

  /// - Parameter buckets: the number of n-grams that a pruned model chose from.
  init(_ cursor: inout FastTextCursor, _ bytes: UnsafeRawBufferPointer, buckets: Int) throws(ShardError) {
    let size = try cursor.count(Int32.self, "the number of words and labels", in: 1...Int(Int32.max))
    words = try cursor.count(Int32.self, "the number of words", in: 0...size)
    _ = try cursor.count(Int32.self, "the number of labels", in: (size - words)...(size - words))
    _ = try cursor.skip(8, count: 1)
    let pruned: Int64 = try cursor.number()
    // An entry takes ten bytes or more.
    guard size <= bytes.count / 10 else { throw cursor.malformed("it ends too early") }
    slots = [Int32](repeating: -1, count: Self.capacity(size))
    texts.reserveCapacity(size)
    for place in 0..<size {
      let text = try cursor.text()
      let count: Int64 = try cursor.number()
      let isLabel = try cursor.flag()
      guard isLabel == (place >= words) else { throw cursor.malformed("words and labels are mixed") }
      texts.append(text)
      let own = UnsafeRawBufferPointer(rebasing: bytes[text])
      insert(own, Int32(place), bytes)
      if isLabel {
        // What fastText counts as endless when it builds a tree of labels.
        guard (0..<1_000_000_000_000_000).contains(count) else { throw cursor.malformed("a label's count is \(count)") }
        let hasPrefix = own.starts(with: Self.labelPrefix)
        labels.append(String(decoding: hasPrefix ? own.dropFirst(Self.labelPrefix.count) : own[...], as: UTF8.self))
        labelCounts.append(count)
      }
    }
    guard !labels.isEmpty else { throw cursor.malformed("it has no labels") }
    if pruned >= 0 { kept = try KeptGrams(&cursor, pruned, bytes, buckets: buckets) }
  }

  private static func capacity(_ size: Int) -> Int {
    var capacity = 64
    while capacity < size * 2 { capacity *= 2 }
    return capacity
  }

  private mutating func insert(_ text: UnsafeRawBufferPointer, _ place: Int32, _ bytes: UnsafeRawBufferPointer) {
    var slot = Int(fastTextHash(text)) & (slots.count - 1)
    while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = place
  }

  /// The place of a word or label, which is not empty; nil if it is unknown.
  @inline(__always)
  func place(_ text: UnsafeRawBufferPointer, hash: UInt32, _ bytes: UnsafeRawBufferPointer) -> Int? {
    var slot = Int(hash) & (slots.count &- 1)
    while slots[slot] >= 0 {
      let own = texts[Int(slots[slot])]
      if own.count == text.count, memcmp(bytes.baseAddress! + own.lowerBound, text.baseAddress!, own.count) == 0 {
        return Int(slots[slot])
      }
      slot = (slot &+ 1) & (slots.count &- 1)
    }
    return nil
  }

  /// Turns the numbers of n-grams into their rows, in place and in order; leaves out those that were pruned.
  /// - Returns: the number of rows.
  @inline(__always)
  func rows(grams: UnsafeMutablePointer<UInt32>, count: Int) -> Int {
    let first = UInt32(truncatingIfNeeded: words)
    guard let kept else {
      for place in 0..<count { grams[place] &+= first }
      return count
    }
    return kept.rows(grams: grams, count: count, first: first)
  }

  /// Whether every row that n-grams may ask for exists.
  func fits(rows: Int, buckets: Int) -> Bool {
    guard let kept else { return words + buckets <= rows && words + buckets <= Int(UInt32.max) }
    return words <= rows && kept.rows.allSatisfy { words + Int($0) < rows }
  }
}

/// FNV-1a of 32 bits, with bytes as signed numbers.
@inline(__always)
func fastTextHash(_ text: UnsafeRawBufferPointer) -> UInt32 {
  var hash: UInt32 = 2_166_136_261
  for byte in text { hash = (hash ^ UInt32(bitPattern: Int32(Int8(bitPattern: byte)))) &* 16_777_619 }
  return hash
}
