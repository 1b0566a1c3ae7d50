/// Repetition of n-grams of a sequence of symbols (characters, or words by number).
///
/// A position with a unique (n − 1)-gram has a unique n-gram, so each length considers only the positions left by the
/// previous one: the n-gram at a position is the pair of its (n − 1)-gram's number and the next symbol, which is exact.
/// Linear in the sequence for all lengths together, except for texts that repeat themselves throughout, which cost one
/// pass per length.
public final class GramCensus {
  /// For all n-grams of one length.
  public struct Counts: Equatable, Sendable {
    public var total = 0
    public var distinct = 0
    /// Distinct n-grams that occur more than once.
    public var repeatedDistinct = 0
    /// Occurrences of n-grams that occur more than once.
    public var repeatedTotal = 0
    /// How often the most frequent one occurs.
    public var top = 0
    /// Occurrences of the √distinct most frequent repeated n-grams; only for the requested length.
    public var frequentTotal = 0

    public init() {}
  }

  private var counter = FlatCounter()
  /// Positions with repeated n-grams, and the number of each one's n-gram.
  private var positions: [Int32] = []
  private var numbers: [UInt32] = []
  private var frequencies: [Int] = []

  public init() {}

  /// Counts of the n-grams of lengths 2…`longest`, by length; indices 0 and 1 are unused.
  /// - Parameter frequentLength: the length to fill `frequentTotal` for.
  public func count(
    _ symbols: UnsafePointer<UInt32>, _ count: Int, longest: Int, frequentLength: Int = 0
  ) -> [Counts] {
    var out = [Counts](repeating: Counts(), count: longest + 1)
    guard count > 1 else { return out }
    positions.removeAll(keepingCapacity: true)
    positions.append(contentsOf: 0..<Int32(clamping: count))
    // As a 1-gram, a symbol is its own number.
    numbers.removeAll(keepingCapacity: true)
    numbers.append(contentsOf: UnsafeBufferPointer(start: symbols, count: positions.count))
    var alive = positions.count
    for length in 2...longest {
      out[length].total = max(0, count - length + 1)
      counter.reset(expecting: min(alive, 1 << 22))
      alive = positions.withUnsafeMutableBufferPointer { positions in
        numbers.withUnsafeMutableBufferPointer { numbers in
          Self.refine(
            positions.baseAddress!, numbers.baseAddress!, alive, symbols, count, length, &counter)
        }
      }
      tally(&out[length], repeated: alive, frequent: length == frequentLength)
    }
    return out
  }

  /// Refines the groups of (length − 1)-grams to groups of n-grams, and keeps the positions of repeated ones.
  private static func refine(
    _ positions: UnsafeMutablePointer<Int32>, _ numbers: UnsafeMutablePointer<UInt32>, _ alive: Int,
    _ symbols: UnsafePointer<UInt32>, _ count: Int, _ length: Int, _ counter: inout FlatCounter
  ) -> Int {
    var inside = 0
    for k in 0..<alive {
      let position = positions[k], last = Int(position) &+ length &- 1
      // Positions ascend, so only the last few no longer have an n-gram.
      if last >= count { break }
      numbers[k] = UInt32(truncatingIfNeeded: counter.count(UInt64(numbers[k]) << 32 | UInt64(symbols[last])))
      inside &+= 1
    }
    var kept = 0
    for k in 0..<inside {
      let number = numbers[k]
      positions[kept] = positions[k]
      numbers[kept] = number
      kept &+= counter.occurrences(Int(number)) > 1 ? 1 : 0
    }
    return kept
  }

  private func tally(_ counts: inout Counts, repeated: Int, frequent: Bool) {
    for number in 0..<counter.distinct {
      let occurrences = counter.occurrences(number)
      counts.repeatedDistinct += occurrences > 1 ? 1 : 0
      counts.top = max(counts.top, occurrences)
    }
    counts.repeatedTotal = repeated
    // Positions dropped earlier, or unique now, each have a distinct n-gram.
    counts.distinct = counts.total - repeated + counts.repeatedDistinct
    if counts.top == 0 && counts.total > 0 { counts.top = 1 }
    if frequent { counts.frequentTotal = frequentTotal(counts) }
  }

  private func frequentTotal(_ counts: Counts) -> Int {
    let limit = min(Int(Double(counts.distinct).squareRoot()), counts.repeatedDistinct)
    guard limit > 0 else { return 0 }
    frequencies.removeAll(keepingCapacity: true)
    for number in 0..<counter.distinct where counter.occurrences(number) > 1 {
      frequencies.append(counter.occurrences(number))
    }
    if frequencies.count > limit { frequencies.sort(by: >) }
    return frequencies.prefix(limit).reduce(0, +)
  }
}
