import CKernels

/// Repetition of n-grams of a sequence of symbols (characters, or words by number), counted exactly.
///
/// Positions are sorted by the symbols that follow them, so that equal n-grams are neighbors. Lengths up to five are
/// sorted when a sequence is loaded, longer ones when first asked for. Linear in the sequence for all lengths together,
/// however often it repeats itself; about 30 bytes of memory per symbol.
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

    public init() {}
  }

  /// The longest n-grams that can be counted.
  public static let longest = Int(PL_GRAM_LONG)
  private let sorter: OpaquePointer
  private var count = 0

  public convenience init() { self.init(level: pl_simd_widest()) }

  init(level: pl_simd_level) {
    guard let sorter = pl_gram_sorter_new(level) else { fatalError("There is no memory to count n-grams.") }
    self.sorter = sorter
  }

  deinit { pl_gram_sorter_free(sorter) }

  /// Takes a sequence in; symbols are scalars (`malformed` too), or numbers below `count`.
  public func load(_ symbols: UnsafePointer<UInt32>, _ count: Int) {
    self.count = count
    guard pl_gram_sort(sorter, symbols, count) == 0 else {
      fatalError("There is no memory to count the n-grams of \(count) symbols.")
    }
  }

  /// Counts of the n-grams of a length from 1 to `longest`.
  public subscript(length: Int) -> Counts {
    let found = pl_gram_tally(sorter, length)
    var counts = Counts()
    counts.total = max(0, count - length + 1)
    counts.distinct = Int(found.distinct)
    counts.repeatedDistinct = Int(found.repeated_distinct)
    counts.repeatedTotal = Int(found.repeated_total)
    counts.top = Int(found.top)
    return counts
  }

  /// Occurrences of the √distinct most frequent repeated n-grams of a length of at most five.
  public func frequentTotal(_ length: Int) -> Int {
    Int(pl_gram_frequent(sorter, length, UInt64(Double(self[length].distinct).squareRoot())))
  }
}
