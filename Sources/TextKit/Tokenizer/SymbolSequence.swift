import CKernels

/// The symbol of each scalar at the start of a word and inside a word.
struct AlphabetSymbols {
  static let none = UInt32.max
  var first = [UInt32](repeating: none, count: Int(UTF8Scanning.malformed) + 1)
  /// Words are read as bytes, whose symbols are at their values.
  var readsBytes = false
  var rest = [UInt32](repeating: none, count: Int(UTF8Scanning.malformed) + 1)
}

/// All training words as one array of symbols, divided by separators, with words of equal count together.
///
/// A token of n characters keeps n positions: its id is at the first and the last, so neighbors are found from token
/// lengths alone, forwards and backwards, without links. Because words of equal count are together, a position
/// determines its word's count.
struct SymbolSequence: ~Copyable {
  /// Between words, and before the first and after the last.
  static let separator = UInt32.max
  /// Inside a token.
  static let inside = UInt32.max - 1

  let symbols: UnsafeMutableBufferPointer<UInt32>
  /// Ends of the runs of equal count, ascending, and the count of each.
  private let runEnds: [Int]
  private let runCounts: [Int64]

  deinit { symbols.deallocate() }

  /// Characters outside the alphabet are left out, so that their neighbors become adjacent. Words of fewer than two
  /// symbols cannot merge and are left out.
  init(_ words: borrowing TrainingWords, _ alphabet: borrowing AlphabetSymbols) {
    let runs = Self.runs(words.counts)
    var sizes = [Int](repeating: 0, count: runs.counts.count)
    Self.forEach(words, alphabet) { i, word in
      if word.count > 1 { sizes[Int(runs.ofWord[i])] += word.count + 1 }
    }
    var next: [Int] = []
    var end = 1
    for size in sizes {
      next.append(end)
      end += size
    }
    symbols = .allocate(capacity: end)
    symbols.initialize(repeating: Self.separator)
    let target = symbols
    Self.forEach(words, alphabet) { i, word in
      guard word.count > 1 else { return }
      let run = Int(runs.ofWord[i])
      for (k, id) in word.enumerated() { target[next[run] + k] = id }
      next[run] += word.count + 1
    }
    runEnds = next
    runCounts = runs.counts
  }

  /// Distinct counts, highest first, and the rank of each word's count among them.
  private static func runs(_ counts: [Int64]) -> (counts: [Int64], ofWord: [UInt32]) {
    var places: [Int64: UInt32] = [:]
    for count in counts where places[count] == nil { places[count] = 0 }
    let distinct = places.keys.sorted(by: >)
    for (i, count) in distinct.enumerated() { places[count] = UInt32(i) }
    return (distinct, counts.map { places[$0]! })
  }

  private static func forEach(
    _ words: borrowing TrainingWords, _ alphabet: borrowing AlphabetSymbols,
    _ body: (_ index: Int, _ symbols: borrowing [UInt32]) -> Void
  ) {
    var scratch: [UInt32] = []
    words.arena.withUnsafeBufferPointer { arena in
      var start = 0
      for (i, end) in words.ends.enumerated() {
        scratch.removeAll(keepingCapacity: true)
        if alphabet.readsBytes {
          for byte in arena[start..<end] { scratch.append(alphabet.rest[Int(byte)]) }
        } else {
          UTF8Scanning.forEachScalar(UnsafeBufferPointer(rebasing: arena[start..<end])) { scalar, at, _ in
            let id = at == 0 ? alphabet.first[Int(scalar)] : alphabet.rest[Int(scalar)]
            if id != AlphabetSymbols.none { scratch.append(id) }
          }
        }
        body(i, scratch)
        start = end
      }
    }
  }

  /// How many positions of a list are loaded before they are needed: the next ones are somewhere else in memory.
  static let ahead = 24

  /// Begins to load what is at a position of a list, if the list has so many.
  @inline(__always)
  func prefetch(_ places: UnsafeBufferPointer<UInt32>, _ i: Int) {
    if i < places.count { pl_prefetch(symbols.baseAddress! + Int(places[i])) }
  }

  /// Returns the counts of ascending positions.
  struct CountCursor {
    private var run = 0
    private var end = 0
    private(set) var count: Int64 = 0

    @inline(__always)
    mutating func move(to place: Int, in sequence: borrowing SymbolSequence) {
      if place >= end { seek(place, sequence) }
    }

    private mutating func seek(_ place: Int, _ sequence: borrowing SymbolSequence) {
      var low = run, high = sequence.runEnds.count - 1
      while low < high {
        let middle = (low + high) / 2
        if sequence.runEnds[middle] <= place { low = middle + 1 } else { high = middle }
      }
      run = low
      end = sequence.runEnds[low]
      count = sequence.runCounts[low]
    }
  }
}
