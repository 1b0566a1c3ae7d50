import ShardKit
import TextKit

/// A candidate pair: two documents that share a band, the one preferred as survivor first; 12 bytes on disk.
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

/// A document with its key in one band.
private struct BandRecord: SortableRecord {
  var key: UInt64
  var document: UInt32

  var prefix: UInt64 { key }
  static func < (a: BandRecord, b: BandRecord) -> Bool {
    a.key != b.key ? a.key < b.key : a.document < b.document
  }
}

/// Finds the candidate pairs of a band and compares their signatures.
///
/// A pair that shares several bands is found in the first of them. In a bucket of more than `anchors` + 1 documents,
/// each is compared only with the best `anchors`, so a bucket of n costs O(n), not O(n²).
struct CandidateSearch {
  static let anchors = 16

  let table: DocumentTable
  let signatures: SignatureFiles
  /// Rows of accepted documents that are not there any more, by file, ascending.
  var absent: [Int: [Int]] = [:]
  let shape: SignatureShape
  let bounds: SimilarityBounds
  /// Half for the records of the band, half for pages of the table.
  let memoryBytes: Int
  /// Path prefix of spilled files.
  let scratch: String

  /// Calls `sure` for pairs whose signatures decide, `possible` for those that need their texts compared. Of accepted
  /// documents there are no texts, so that their signatures decide; two of them are not compared.
  func search(
    band: Int, sure: (CandidatePair) throws -> Void,
    possible: (CandidatePair) throws -> Void
  ) throws {
    let sorter = ExternalSorter<BandRecord>(scratch: "\(scratch)-\(band)", memoryBytes: memoryBytes / 2)
    for part in signatures.counts.indices {
      try signatures.forEachKeyBlock(of: part, band: band) { row, keys in
        let absent = absent[part].map { rows in rows[lowerBound(rows, row)..<lowerBound(rows, row + keys.count)] } ?? []
        var next = absent.startIndex
        for (place, key) in keys.enumerated() {
          if next < absent.endIndex, absent[next] == row + place {
            next += 1
            continue
          }
          try sorter.append(BandRecord(key: key, document: UInt32(table.bases[part] + row + place)))
        }
      }
    }
    let comparison = BucketComparison(self, band: band)
    var bucket: [UInt32] = []
    var key: UInt64 = 0
    func compareBucket() throws {
      if bucket.count >= 2 { try comparison.compare(&bucket, sure: sure, possible: possible) }
    }
    try sorter.drain { record in
      if record.key != key {
        try compareBucket()
        bucket.removeAll(keepingCapacity: true)
        key = record.key
      }
      bucket.append(record.document)
    }
    try compareBucket()
    table.release()
  }
}

/// Compares the signatures of the documents in one bucket of a band after another.
private final class BucketComparison {
  private let search: CandidateSearch
  private let band: Int
  private var table: DocumentTable { search.table }
  private var pages: PageCount
  /// Signatures of the documents that the others are compared with, then of one other.
  private let hashes: UnsafeMutableRawPointer
  private static let anchors = CandidateSearch.anchors

  init(_ search: CandidateSearch, band: Int) {
    self.search = search
    self.band = band
    pages = PageCount(limit: search.memoryBytes / 2)
    hashes = .allocate(byteCount: (Self.anchors + 2) * search.signatures.stride, alignment: 64)
  }

  deinit { hashes.deallocate() }

  /// Each document is read once. Which one of a pair is better is asked only if they are similar enough: most pairs of a
  /// bucket were found in an earlier band. In large buckets the best are moved to the front first.
  func compare(
    _ bucket: inout [UInt32], sure: (CandidatePair) throws -> Void, possible: (CandidatePair) throws -> Void
  ) throws {
    let isLarge = bucket.count > Self.anchors + 1
    if isLarge { moveBestToFront(&bucket) }
    let anchors = isLarge ? Self.anchors : bucket.count
    for j in bucket.indices {
      let own = try read(bucket[j], at: min(j, anchors))
      for i in 0..<min(j, anchors) {
        let isAccepted = table.isAccepted(bucket[i])
        if isAccepted, table.isAccepted(bucket[j]) { continue }
        guard let agreeing = agreeing(place(i), own) else { continue }
        let isOrdered = isLarge || isBetter(bucket[i], bucket[j])
        let pair = CandidatePair(
          better: isOrdered ? bucket[i] : bucket[j], worse: isOrdered ? bucket[j] : bucket[i],
          agreeingHashes: UInt32(agreeing))
        let decides = agreeing >= search.bounds.sureLanes || table.isAccepted(pair.better)
        if decides { try sure(pair) } else { try possible(pair) }
      }
    }
  }

  private func place(_ i: Int) -> UnsafeMutablePointer<UInt16> {
    (hashes + i * search.signatures.stride).assumingMemoryBound(to: UInt16.self)
  }

  private func read(_ document: UInt32, at i: Int) throws -> UnsafeMutablePointer<UInt16> {
    let (part, row) = table.locate(document)
    let place = place(i)
    try search.signatures.read(row, of: part, into: place)
    return place
  }

  /// The number of equal hashes; nil if the pair shares an earlier band, or is no duplicate.
  private func agreeing(_ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>) -> Int? {
    if search.shape.shareBand(before: band, a, b) { return nil }
    let agreeing = search.shape.agreeingHashes(a, b)
    return agreeing < search.bounds.possibleLanes ? nil : agreeing
  }

  private func isBetter(_ a: UInt32, _ b: UInt32) -> Bool {
    if pages.touch(4) { table.release() }
    return table.isBetter(a, b)
  }

  /// Moves the best documents to the front, in order.
  private func moveBestToFront(_ bucket: inout [UInt32]) {
    let limit = Self.anchors
    if pages.touch(2 * limit) { table.release() }
    bucket[..<limit].sort { table.isBetter($0, $1) }
    for i in limit..<bucket.count {
      if pages.touch(2) { table.release() }
      guard table.isBetter(bucket[i], bucket[limit - 1]) else { continue }
      bucket.swapAt(i, limit - 1)
      var place = limit - 1
      while place > 0, table.isBetter(bucket[place], bucket[place - 1]) {
        bucket.swapAt(place, place - 1)
        place -= 1
      }
    }
  }
}
