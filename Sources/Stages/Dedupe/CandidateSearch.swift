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
  let signatures: [SignatureReader]
  /// Rows of accepted documents that are not there any more, by file, ascending.
  var absent: [Int: [Int]] = [:]
  let shape: SignatureShape
  let bounds: SimilarityBounds
  /// Half for the records of the band, half for pages of signatures.
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
    for (part, reader) in signatures.enumerated() {
      try reader.forEachKeyBlock(band: band) { row, keys in
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
    release()
    var pages = PageCount(limit: memoryBytes / 2)
    var bucket: [UInt32] = []
    var key: UInt64 = 0
    func compareBucket() throws {
      if bucket.count < 2 { return }
      try compare(&bucket, band: band, &pages, sure: sure, possible: possible)
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
    release()
  }

  private func compare(
    _ bucket: inout [UInt32], band: Int, _ pages: inout PageCount,
    sure: (CandidatePair) throws -> Void,
    possible: (CandidatePair) throws -> Void
  ) throws {
    let anchors = moveBestToFront(&bucket, &pages)
    for i in 0..<anchors {
      let hashes = hashes(bucket[i])
      for j in (i + 1)..<max(i + 1, bucket.count) where !table.isAccepted(bucket[j]) {
        if pages.touch(1) { release() }
        let others = self.hashes(bucket[j])
        if shape.shareBand(before: band, hashes, others) { continue }
        let agreeing = shape.agreeingHashes(hashes, others)
        if agreeing < bounds.possibleLanes { continue }
        let pair = CandidatePair(better: bucket[i], worse: bucket[j], agreeingHashes: UInt32(agreeing))
        if agreeing >= bounds.sureLanes || table.isAccepted(bucket[i]) { try sure(pair) } else { try possible(pair) }
      }
    }
  }

  /// Moves the best documents to the front, in order; returns how many.
  private func moveBestToFront(_ bucket: inout [UInt32], _ pages: inout PageCount) -> Int {
    let limit = Self.anchors
    if pages.touch(2 * min(bucket.count, limit + 1)) { release() }
    guard bucket.count > limit + 1 else {
      bucket.sort { table.isBetter($0, $1) }
      return bucket.count
    }
    bucket[..<limit].sort { table.isBetter($0, $1) }
    for i in limit..<bucket.count {
      if pages.touch(2) { release() }
      guard table.isBetter(bucket[i], bucket[limit - 1]) else { continue }
      bucket.swapAt(i, limit - 1)
      var place = limit - 1
      while place > 0, table.isBetter(bucket[place], bucket[place - 1]) {
        bucket.swapAt(place, place - 1)
        place -= 1
      }
    }
    return limit
  }

  private func hashes(_ document: UInt32) -> UnsafePointer<UInt16> {
    let (part, row) = table.locate(document)
    return signatures[part].hashes(row)
  }

  private func release() {
    table.release()
    for reader in signatures { reader.release() }
  }
}
