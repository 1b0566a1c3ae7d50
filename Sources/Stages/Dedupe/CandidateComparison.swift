import ShardKit
import TextKit

/// A pair of similar documents, the one preferred as survivor first; 12 bytes on disk.
struct CandidatePair: BitwiseCopyable {
  var better: UInt32
  var worse: UInt32
  var agreeingHashes: UInt32
}

/// Tells from signatures alone, by the number of equal hashes, which candidate pairs may be duplicates by any of a range
/// of thresholds.
///
/// An estimate from n hashes has the standard error √(s(1 − s)/n). Pairs more than four standard errors above the highest
/// threshold are duplicates, pairs more than four below the lowest are not, and for those between the texts are compared.
struct SimilarityBounds: Equatable {
  /// A pair with at least this many equal hashes is a duplicate.
  let sureLanes: Int
  /// A pair with fewer equal hashes is not a duplicate.
  let possibleLanes: Int

  init(thresholds: ClosedRange<Double>, hashes: Int) {
    func margin(_ threshold: Double) -> Double { 4 * (threshold * (1 - threshold) / Double(hashes)).squareRoot() }
    let (low, high) = (thresholds.lowerBound, thresholds.upperBound)
    sureLanes = Int(((high + margin(high)) * Double(hashes)).rounded(.up))
    possibleLanes = Int(((low - margin(low)) * Double(hashes)).rounded(.down))
  }
}

/// Compares the signatures of candidate pairs, in the order of the pairs.
///
/// Signatures are read in the order of documents: of a number of pairs at a time first those of the first documents, which
/// are kept, then those of the second ones. At random, band by band, each document of a pair would be read once per band.
final class CandidateComparison {
  private let table: DocumentTable
  private let signatures: SignatureFiles
  private let shape: SignatureShape
  private let bounds: SimilarityBounds
  private var pages: PageCount

  /// Signatures of the first documents, then of one second document.
  private let hashes: UnsafeMutableRawPointer
  private let capacity: Int
  private var firsts = 0
  private var lastFirst: UInt32?
  private var pairs: [DocumentPair] = []
  /// By pair: its second document in the upper half, its place in the lower one.
  private var bySecond: [UInt64] = []
  /// By pair: the place of its first document's signature; then its equal hashes.
  private var numbers: [UInt32] = []
  private static let mostPairs = 1 << 22

  /// - Parameter memoryBytes: an eighth for pages of the table, but not below 16 MiB, the rest for signatures and pairs.
  init(
    _ table: DocumentTable, _ signatures: SignatureFiles, _ shape: SignatureShape, _ bounds: SimilarityBounds,
    memoryBytes: Int
  ) {
    (self.table, self.signatures, self.shape, self.bounds) = (table, signatures, shape, bounds)
    pages = PageCount(limit: max(SortingMemory.mappedBytes, memoryBytes / 8))
    // A pair takes 20 bytes, and mostly has a first document of its own.
    capacity = max(1, min(Self.mostPairs, memoryBytes / 8 * 7 / (signatures.stride + 20)))
    hashes = .allocate(byteCount: (capacity + 1) * signatures.stride, alignment: 64)
  }

  deinit { hashes.deallocate() }

  /// Takes a pair, which is not below the one before. Calls `body` for those of some earlier pairs that may be
  /// duplicates: for whether the signatures decide, so that the texts need not be compared. Of accepted documents there
  /// are no texts, so that their signatures decide.
  /// - Parameter check: called now and then; throws to stop.
  func add(_ pair: DocumentPair, check: () throws -> Void, _ body: (CandidatePair, _ isSure: Bool) throws -> Void)
    throws
  {
    if pairs.count == capacity { try finish(check: check, body) }
    if pair.first != lastFirst {
      try read(pair.first, at: firsts)
      lastFirst = pair.first
      firsts += 1
    }
    bySecond.append(UInt64(pair.second) << 32 | UInt64(pairs.count))
    numbers.append(UInt32(firsts - 1))
    pairs.append(pair)
  }

  /// Calls `body` for the rest, as `add` does.
  func finish(check: () throws -> Void, _ body: (CandidatePair, _ isSure: Bool) throws -> Void) throws {
    try countEqualHashes(check)
    for (pair, equal) in zip(pairs, numbers) where equal >= bounds.possibleLanes {
      if pages.touch(4) { table.release() }
      let isOrdered = table.isBetter(pair.first, pair.second)
      let found = CandidatePair(
        better: isOrdered ? pair.first : pair.second, worse: isOrdered ? pair.second : pair.first, agreeingHashes: equal
      )
      try body(found, equal >= bounds.sureLanes || table.isAccepted(found.better))
    }
    pairs.removeAll(keepingCapacity: true)
    bySecond.removeAll(keepingCapacity: true)
    numbers.removeAll(keepingCapacity: true)
    (firsts, lastFirst) = (0, nil)
  }

  private func countEqualHashes(_ check: () throws -> Void) throws {
    bySecond.sort()
    let own = place(capacity)
    var document: UInt32?
    for (number, entry) in bySecond.enumerated() {
      if number & 0xFFFF == 0 { try check() }
      let second = UInt32(entry >> 32)
      if second != document { try read(second, at: capacity) }
      document = second
      let pair = Int(UInt32(truncatingIfNeeded: entry))
      numbers[pair] = UInt32(shape.agreeingHashes(place(Int(numbers[pair])), own))
    }
  }

  private func place(_ i: Int) -> UnsafeMutablePointer<UInt16> {
    (hashes + i * signatures.stride).assumingMemoryBound(to: UInt16.self)
  }

  private func read(_ document: UInt32, at i: Int) throws {
    let (part, row) = table.locate(document)
    try signatures.read(row, of: part, into: place(i))
  }
}
