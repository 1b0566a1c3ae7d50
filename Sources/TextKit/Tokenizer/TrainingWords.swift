/// The distinct words that a vocabulary is trained on, with their counts and the counts of their characters.
///
/// Memory is bounded: if the words would need more than `memoryBytes` in training, those with the lowest counts are
/// dropped, all words of a count together, so that the result does not depend on the order of arrival. Characters are
/// counted before that.
public struct TrainingWords: ~Copyable {
  /// Bytes of all kept words, concatenated.
  private(set) var arena: [UInt8] = []
  private(set) var ends: [Int] = []
  private(set) var counts: [Int64] = []
  /// Occurrences of each scalar in all words.
  private(set) var scalarCounts: [Int64]
  private let memoryLimit: Int
  private var cost = 0
  /// Cost of the kept words of each count up to the table's end; the last element has all others.
  private var costOfCount = [Int](repeating: 0, count: 1 << 12)

  /// Words with fewer occurrences were dropped to limit memory; 1: none were dropped.
  public private(set) var minimumCount: Int64 = 1
  public private(set) var distinctWords = 0
  public private(set) var droppedWords = 0
  public private(set) var occurrences: Int64 = 0

  private let bytesPerSymbol: Int
  private let readsBytes: Bool

  /// - Parameters:
  ///   - bytesPerSymbol: what training takes in addition for each symbol of a word.
  ///   - readsBytes: whether symbols are bytes instead of characters.
  public init(memoryBytes: Int = 1 << 30, bytesPerSymbol: Int = 9, readsBytes: Bool = false) {
    memoryLimit = memoryBytes
    self.bytesPerSymbol = bytesPerSymbol
    self.readsBytes = readsBytes
    scalarCounts = [Int64](repeating: 0, count: Int(UTF8Scanning.malformed) + 1)
  }

  public mutating func add(_ word: UnsafeBufferPointer<UInt8>, count: Int64) {
    distinctWords += 1
    occurrences &+= count
    var scalars = 0
    UTF8Scanning.forEachScalar(word) { scalar, _, _ in
      scalarCounts[Int(scalar)] &+= count
      scalars &+= 1
    }
    guard count >= minimumCount else {
      droppedWords += 1
      return
    }
    arena.append(contentsOf: word)
    ends.append(arena.count)
    counts.append(count)
    // The word itself with its end and count; later, a symbol and a list position per character.
    let bytes = word.count + 16 + bytesPerSymbol * (readsBytes ? word.count : scalars)
    cost += bytes
    costOfCount[min(Int(count), costOfCount.count - 1)] += bytes
    if cost > memoryLimit { dropRarest() }
  }

  /// Increases `minimumCount` until the kept words fit.
  private mutating func dropRarest() {
    while cost > memoryLimit, Int(minimumCount) < costOfCount.count - 1 {
      cost -= costOfCount[Int(minimumCount)]
      costOfCount[Int(minimumCount)] = 0
      minimumCount += 1
    }
    var bytes = 0, kept = 0, start = 0
    for (i, end) in ends.enumerated() {
      if counts[i] >= minimumCount {
        for k in start..<end { arena[bytes + k - start] = arena[k] }
        bytes += end - start
        counts[kept] = counts[i]
        ends[kept] = bytes
        kept += 1
      }
      start = end
    }
    droppedWords += ends.count - kept
    arena.removeLast(arena.count - bytes)
    ends.removeLast(ends.count - kept)
    counts.removeLast(counts.count - kept)
  }
}
