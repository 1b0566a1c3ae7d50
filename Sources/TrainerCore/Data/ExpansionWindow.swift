/// Sorts a node's samples by their shifted positions, in place and span by span.
///
/// No sample moves farther than half a block, so samples before every position that can still occur are final. Samples
/// wait in buckets of consecutive positions, small enough to be sorted inside a core's cache. Memory is bounded by a
/// block and the largest span, whatever the number of samples; time is linear.
struct ExpansionWindow: ~Copyable {
  private struct Placed {
    var position: Double
    var id: UInt32
  }

  private static let bucketShift = 14
  private static let bucketWidth = 1 << bucketShift

  private let ids: UnsafeMutableBufferPointer<UInt32>
  private let reach: Int
  /// Bucket `b` of the node is at `b & mask`.
  private var ring: [[Placed]]
  private let mask: Int
  private var nextBucket = 0
  private var sorted: [Placed] = []
  private var ends: [UInt32] = []
  /// Samples that have a position, and samples in their final position.
  private(set) var read = 0
  private var written = 0

  /// - Parameters:
  ///   - reach: how far a sample can go at most, to both sides.
  ///   - largestSpan: of those that `append` will take.
  init(_ ids: UnsafeMutableBufferPointer<UInt32>, reach: Int, largestSpan: Int) {
    self.ids = ids
    self.reach = reach
    let width = min(2 * reach + largestSpan, ids.count)
    let buckets = width / Self.bucketWidth + 3
    mask = Int.max >> (buckets.leadingZeroBitCount - 1)
    ring = [[Placed]](repeating: [], count: mask + 1)
  }

  /// Shifts the next `count` samples by uniform distances.
  mutating func append(_ count: Int, _ low: Double, _ high: Double, _ random: inout NumPyRandom) {
    let (ids, mask) = (ids, mask)
    let places = read..<read + count
    ring.withUnsafeMutableBufferPointer { ring in
      for place in places {
        let position = Double(place) + random.uniform(low, high)
        let bucket = Int(position) >> Self.bucketShift
        ring[bucket & mask].append(Placed(position: position, id: ids[place]))
      }
    }
    read += count
    while (nextBucket + 1) * Self.bucketWidth <= read - reach { writeBucket() }
  }

  mutating func finish() {
    while written < read { writeBucket() }
  }

  /// Sorts the next bucket into its final places: by whole numbers, about one sample each, then by short moves.
  private mutating func writeBucket() {
    let slot = nextBucket & mask
    let origin = Double(nextBucket << Self.bucketShift)
    nextBucket += 1
    let count = ring[slot].count
    guard count > 0 else { return }
    ends.removeAll(keepingCapacity: true)
    ends.append(contentsOf: repeatElement(0, count: Self.bucketWidth + 1))
    if sorted.count < count {
      sorted.append(contentsOf: repeatElement(Placed(position: 0, id: 0), count: count - sorted.count))
    }
    let target = UnsafeMutableBufferPointer(rebasing: ids[written..<written + count])
    ring[slot].withUnsafeBufferPointer { placed in
      ends.withUnsafeMutableBufferPointer { ends in
        sorted.withUnsafeMutableBufferPointer { Self.sort(placed, origin, ends, $0) }
      }
    }
    for i in 0..<count { target[i] = sorted[i].id }
    ring[slot].removeAll(keepingCapacity: true)
    written += count
  }

  private static func sort(
    _ placed: UnsafeBufferPointer<Placed>, _ origin: Double, _ ends: UnsafeMutableBufferPointer<UInt32>,
    _ sorted: UnsafeMutableBufferPointer<Placed>
  ) {
    for sample in placed { ends[Int(sample.position - origin) + 1] += 1 }
    for i in 1..<ends.count { ends[i] += ends[i - 1] }
    for sample in placed {
      let whole = Int(sample.position - origin)
      sorted[Int(ends[whole])] = sample
      ends[whole] += 1
    }
    for i in 1..<placed.count {
      let sample = sorted[i]
      var j = i
      while j > 0, sorted[j - 1].position > sample.position {
        sorted[j] = sorted[j - 1]
        j -= 1
      }
      sorted[j] = sample
    }
  }
}
