import Glibc
import ShardKit
import TextKit

/// Two documents that share a band, by their numbers; 8 bytes on disk.
struct DocumentPair: SortableRecord {
  /// The lower number in the upper half.
  let prefix: UInt64

  init(_ a: UInt32, _ b: UInt32) { prefix = UInt64(min(a, b)) << 32 | UInt64(max(a, b)) }

  var first: UInt32 { UInt32(prefix >> 32) }
  var second: UInt32 { UInt32(truncatingIfNeeded: prefix) }

  static func < (a: DocumentPair, b: DocumentPair) -> Bool { a.prefix < b.prefix }
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

/// Finds the candidate pairs of some bands.
///
/// In a bucket of more than `anchors` + 1 documents, each is paired only with the best `anchors`, so a bucket of n costs
/// O(n), not O(n²).
struct CandidateSearch {
  static let anchors = 16

  let table: DocumentTable
  let signatures: SignatureFiles
  /// Rows of accepted documents that are not there any more, by file, ascending.
  var absent: [Int: [Int]] = [:]
  /// An eighth for counts of keys, three eighths for the records of a band, a quarter each for pairs and for pages of the table.
  let memoryBytes: Int
  /// Path prefix of spilled files.
  let scratch: String

  /// Calls `body` once for each pair of documents that share one of the bands, in the order of the pairs. Two accepted
  /// documents are no pair.
  /// - Parameter check: called before each band; throws to stop.
  func pairs(
    of bands: Range<Int>, check: () throws -> Void, _ body: (DocumentPair) throws -> Void
  ) throws {
    let pairs = ExternalSorter<DocumentPair>(scratch: "\(scratch)-pairs", memoryBytes: memoryBytes / 4)
    let counts = KeyCounts(keys: table.count, memoryBytes: memoryBytes / 8)
    for band in bands {
      try check()
      let buckets = BucketPairs(table, pages: PageCount(limit: memoryBytes / 4))
      try forEachBucket(of: band, counts) { bucket in try buckets.forEachPair(&bucket) { try pairs.append($0) } }
      table.release()
    }
    try pairs.forEachDistinct(body)
  }

  /// Buckets of at least two documents. Most keys belong to one document: they are left out before the others are sorted.
  private func forEachBucket(
    of band: Int, _ counts: KeyCounts, _ body: (inout [UInt32]) throws -> Void
  ) throws {
    let sorter = ExternalSorter<BandRecord>(scratch: "\(scratch)-\(band)", memoryBytes: memoryBytes / 8 * 3)
    counts.reset()
    try forEachKey(of: band) { key, _ in counts.add(key) }
    try forEachKey(of: band) { key, document in
      if counts.mayOccurAgain(key) { try sorter.append(BandRecord(key: key, document: document)) }
    }
    var bucket: [UInt32] = []
    var key: UInt64 = 0
    try sorter.drain { record in
      if record.key != key {
        if bucket.count >= 2 { try body(&bucket) }
        bucket.removeAll(keepingCapacity: true)
        key = record.key
      }
      bucket.append(record.document)
    }
    if bucket.count >= 2 { try body(&bucket) }
  }

  @inline(__always)
  private func forEachKey(of band: Int, _ body: (_ key: UInt64, _ document: UInt32) throws -> Void) throws {
    for part in signatures.counts.indices {
      try signatures.forEachKeyBlock(of: part, band: band) { row, keys in
        let absent =
          absent[part].map { rows in rows[lowerBound(rows, row)..<lowerBound(rows, row + keys.count)] } ?? []
        let first = UInt32(table.bases[part] + row)
        var next = absent.startIndex
        for (place, key) in keys.enumerated() {
          if next < absent.endIndex, absent[next] == row + place {
            next += 1
            continue
          }
          try body(key, first + UInt32(place))
        }
      }
    }
  }
}

/// Counts keys, without the keys: one or several of those that share a place.
private final class KeyCounts {
  /// Two bits per place.
  private let counts: UnsafeMutableRawBufferPointer
  private let mask: UInt64

  /// - Parameters:
  ///   - keys: how many will be added: four to eight places each, if there is memory.
  ///   - memoryBytes: at most.
  init(keys: Int, memoryBytes: Int) {
    let wanted = max(1024, 2 * keys), most = max(64, memoryBytes)
    let bytes = 1 << (Int.bitWidth - 1 - min(wanted, most).leadingZeroBitCount)
    counts = .allocate(byteCount: bytes, alignment: 64)
    mask = UInt64(bytes) * 4 - 1
  }

  deinit { counts.deallocate() }

  func reset() { memset(counts.baseAddress!, 0, counts.count) }

  /// - Parameter key: its bits are as good as random.
  @inline(__always)
  func add(_ key: UInt64) {
    let place = Int(key & mask), shift = UInt8(truncatingIfNeeded: 2 * (place & 3))
    let four = counts[place >> 2]
    if four >> shift & 3 < 2 { counts[place >> 2] = four + 1 << shift }
  }

  /// Whether it was added more than once, or shares its place with another key.
  @inline(__always)
  func mayOccurAgain(_ key: UInt64) -> Bool {
    let place = Int(key & mask)
    return counts[place >> 2] >> UInt8(truncatingIfNeeded: 2 * (place & 3)) & 3 >= 2
  }
}

/// Pairs the documents of one bucket after another.
private final class BucketPairs {
  private let table: DocumentTable
  private var pages: PageCount
  private static let anchors = CandidateSearch.anchors

  init(_ table: DocumentTable, pages: PageCount) { (self.table, self.pages) = (table, pages) }

  /// In large buckets the best are moved to the front first.
  func forEachPair(_ bucket: inout [UInt32], _ body: (DocumentPair) throws -> Void) throws {
    let isLarge = bucket.count > Self.anchors + 1
    if isLarge { moveBestToFront(&bucket) }
    let anchors = isLarge ? Self.anchors : bucket.count
    for j in bucket.indices {
      let isAccepted = table.isAccepted(bucket[j])
      for i in 0..<min(j, anchors) where !(isAccepted && table.isAccepted(bucket[i])) {
        try body(DocumentPair(bucket[i], bucket[j]))
      }
    }
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
