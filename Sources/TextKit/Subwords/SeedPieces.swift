/// The substrings that a unigram vocabulary is learned from: those that occur at least twice and that no longer one
/// replaces to the right, the best by count times length. Found level by level: a string of n characters is frequent only
/// if its first and its last n - 1 are.
struct SeedPieces: ~Copyable {
  struct Piece {
    var text: [UInt8]
    var score: Double
  }

  private struct Found {
    var count: Int64
    /// Where it stands first, in characters.
    var place: UInt32
    var length: UInt32
    var isMaximal = true
  }

  private static let none = UInt32.max
  /// Characters of all words, with separators.
  private var scalars: [UInt32] = []
  /// Ends of the words in `scalars`, their separators included.
  private var ends: [Int] = []
  private let counts: [Int64]
  private let alphabet: [UInt32]
  private let characterCounts: [Int64]

  /// Characters outside the alphabet separate.
  init(_ words: borrowing TrainingWords, alphabet: [UInt32]) {
    var isKnown = [Bool](repeating: false, count: Int(UTF8Scanning.malformed) + 1)
    for scalar in alphabet { isKnown[Int(scalar)] = true }
    self.alphabet = alphabet
    counts = words.counts
    characterCounts = words.scalarCounts
    var start = 0
    for end in words.ends {
      words.arena.withUnsafeBufferPointer { arena in
        UTF8Scanning.forEachScalar(UnsafeBufferPointer(rebasing: arena[start..<end])) { scalar, _, _ in
          scalars.append(isKnown[Int(scalar)] ? scalar : Self.none)
        }
      }
      scalars.append(Self.none)
      ends.append(scalars.count)
      start = end
    }
  }

  /// All characters of the alphabet, and the best longer pieces, up to `limit` together.
  func best(limit: Int, longest: Int, _ checkpoint: () throws -> Void) throws -> [Piece] {
    var found = try frequent(longest: longest, checkpoint)
    found = found.filter(\.isMaximal)
    var pieces: [Piece] = alphabet.map { scalar in
      var text: [UInt8] = []
      UTF8Scanning.append(scalar, to: &text)
      return Piece(text: text, score: Double(characterCounts[Int(scalar)]))
    }
    // The first place is the same for the same words in the same order.
    found.sort { a, b in
      let (x, y) = (a.count * Int64(a.length), b.count * Int64(b.length))
      return x != y ? x > y : (a.length, a.place) < (b.length, b.place)
    }
    for entry in found.prefix(max(0, limit - pieces.count)) {
      var text: [UInt8] = []
      for at in Int(entry.place)..<Int(entry.place + entry.length) { UTF8Scanning.append(scalars[at], to: &text) }
      pieces.append(Piece(text: text, score: Double(entry.count * Int64(entry.length))))
    }
    return pieces
  }

  private func frequent(longest: Int, _ checkpoint: () throws -> Void) throws -> [Found] {
    var all: [Found] = []
    // By character: the number of the string that starts there, of the level before.
    var ids = scalars
    var firstOfLevel = 0
    var length: UInt32 = 1
    while length < UInt32(longest) {
      try checkpoint()
      length += 1
      let counts = pairCounts(ids)
      var numbers = PairCounts(minimumCapacity: counts.count)
      let level = all.count
      var next = [UInt32](repeating: Self.none, count: ids.count)
      var at = 0
      while at + 1 < ids.count {
        let (a, b) = (ids[at], ids[at + 1])
        let key = PairCounts.key(a, b)
        if a != Self.none, b != Self.none, let count = counts[key], count >= 2 {
          if let number = numbers[key] {
            next[at] = UInt32(number)
          } else {
            next[at] = UInt32(all.count - level)
            _ = numbers.add(Int64(all.count - level), to: key)
            all.append(Found(count: count, place: UInt32(at), length: length))
            if length > 2, all[firstOfLevel + Int(a)].count == count { all[firstOfLevel + Int(a)].isMaximal = false }
          }
        }
        at += 1
      }
      if all.count == level { break }
      firstOfLevel = level
      ids = next
    }
    return all
  }

  private func pairCounts(_ ids: borrowing [UInt32]) -> PairCounts {
    var table = PairCounts(minimumCapacity: 1 << 16)
    var start = 0
    for (word, end) in ends.enumerated() {
      var at = start
      while at + 1 < end {
        if ids[at] != Self.none, ids[at + 1] != Self.none {
          _ = table.add(counts[word], to: PairCounts.key(ids[at], ids[at + 1]))
        }
        at += 1
      }
      start = end
    }
    return table
  }
}
