import ShardKit

/// Finds ids anywhere between other bytes, by their last eight.
struct TailTable: Sendable {
  private var byTail: [Int: [(document: Int, length: Int, hash: UInt64)]] = [:]
  private var bits = [UInt64](repeating: 0, count: 1 << 14)

  static let bytes = 8
  /// How far around an id another one is looked for that contains it.
  static let margin = 64

  mutating func add(_ document: Int, _ record: RemovalRecord.Document) {
    guard (Self.bytes...SearchIndex.mostIDBytes).contains(record.length), record.tail >> 24 == 0 else { return }
    byTail[record.tail, default: []].append((document, record.length, UInt64(bitPattern: record.hash)))
    bits[record.tail >> 10] |= 1 << UInt64(record.tail >> 4 & 63)
  }

  /// - Parameter ends: where an id may end.
  func search(_ bytes: UnsafeRawBufferPointer, ends: ClosedRange<Int>, _ found: (Int, Int, Int) -> Void) {
    guard !byTail.isEmpty, ends.upperBound >= Self.bytes else { return }
    for end in max(Self.bytes, ends.lowerBound)...ends.upperBound {
      let last = UnsafeRawBufferPointer(rebasing: bytes[(end - Self.bytes)..<end])
      let tail = SearchIndex.tail(recordHash(last))
      guard bits[tail >> 10] >> UInt64(tail >> 4 & 63) & 1 == 1, let candidates = byTail[tail] else { continue }
      for candidate in candidates where candidate.length <= end {
        let start = end - candidate.length
        if recordHash(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) == candidate.hash {
          found(candidate.document, start, end)
        }
      }
    }
  }

  /// Hashes of all longer runs around some bytes.
  static func around(_ range: Range<Int>, in bytes: UnsafeRawBufferPointer) -> Set<UInt64> {
    var out: Set<UInt64> = []
    for start in max(0, range.lowerBound - margin)...range.lowerBound {
      for end in range.upperBound...min(bytes.count, range.upperBound + margin) where end - start > range.count {
        out.insert(recordHash(UnsafeRawBufferPointer(rebasing: bytes[start..<end])))
      }
    }
    return out
  }
}
