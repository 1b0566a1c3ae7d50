import ShardKit

/// The rows of the n-grams that a pruned model kept, by number.
///
/// Most n-grams of a text were pruned. A bit for each n-gram tells so, which takes 250 KB for two million; the rank of a set
/// bit among all set ones is the place of its row.
struct KeptGrams {
  private struct Word {
    /// Of 32 n-grams, those that were kept.
    var bits: UInt32 = 0
    /// How many were kept in the words before.
    var before: UInt32 = 0
  }

  private var words: [Word]
  /// By the rank of the n-gram.
  private(set) var rows: [Int32] = []

  init(
    _ cursor: inout FastTextCursor, _ count: Int64, _ bytes: UnsafeRawBufferPointer, buckets: Int
  ) throws(ShardError) {
    guard count <= Int64(bytes.count / 8) else { throw cursor.malformed("the number of its n-grams is \(count)") }
    // Published ones have two million. The table takes eight bytes for 32 of them.
    guard buckets <= 1 << 28 else { throw cursor.malformed("bucket is \(buckets), although its n-grams were pruned") }
    // One for a model without n-grams, so that there is a word to look at.
    words = Array(repeating: Word(), count: max(1, (buckets + 31) / 32))
    var entries: [(gram: UInt32, row: Int32)] = []
    entries.reserveCapacity(Int(count))
    for _ in 0..<count {
      let gram: Int32 = try cursor.number(), row: Int32 = try cursor.number()
      guard row >= 0 else { throw cursor.malformed("the row of an n-gram is \(row)") }
      // No n-gram has such a number: fastText would never ask for it.
      guard (0..<Int32(clamping: buckets)).contains(gram) else { continue }
      words[Int(gram >> 5)].bits |= 1 << UInt32(gram & 31)
      entries.append((UInt32(gram), row))
    }
    var before: UInt32 = 0
    for place in words.indices {
      words[place].before = before
      before += UInt32(words[place].bits.nonzeroBitCount)
    }
    rows = Array(repeating: 0, count: Int(before))
    // Of an n-gram that is listed twice, the last row counts.
    for (gram, row) in entries { rows[rank(gram)] = row }
  }

  private func rank(_ gram: UInt32) -> Int {
    let word = words[Int(gram >> 5)]
    return Int(word.before) + (word.bits & ((1 << (gram & 31)) - 1)).nonzeroBitCount
  }

  /// Turns the numbers of n-grams, each below the number of buckets, into rows from `first` on, in place and in order; leaves
  /// out those that were pruned.
  /// - Returns: the number of rows.
  @inline(__always)
  func rows(grams: UnsafeMutablePointer<UInt32>, count: Int, first: UInt32) -> Int {
    words.withUnsafeBufferPointer { words in
      rows.withUnsafeBufferPointer { rows in
        // Whether an n-gram was kept cannot be predicted: all are written, and the next one takes the place of a pruned one.
        var found = 0
        for place in 0..<count {
          let gram = grams[place]
          let bits = words[Int(gram >> 5)].bits
          grams[found] = gram
          found &+= Int(bits >> (gram & 31) & 1)
        }
        for place in 0..<found {
          let gram = grams[place]
          let word = words[Int(gram >> 5)]
          let rank = Int(word.before) &+ (word.bits & ((1 << (gram & 31)) &- 1)).nonzeroBitCount
          grams[place] = first &+ UInt32(bitPattern: rows[rank])
        }
        return found
      }
    }
  }
}
