/// Exact similarity of texts as sets of shingles; each set is a sorted array of distinct 64-bit hashes.
public enum ShingleSet {
  /// Sorts `hashes` and moves the distinct ones to the front; returns their number.
  public static func sort(_ hashes: UnsafeMutableBufferPointer<UInt64>) -> Int {
    guard !hashes.isEmpty else { return 0 }
    sortByBuckets(hashes)
    var count = 1
    for i in 1..<hashes.count where hashes[i] != hashes[count - 1] {
      hashes[count] = hashes[i]
      count += 1
    }
    return count
  }

  /// Distributes the hashes by their top bits to buckets of about two, as they are spread evenly, then sorts each.
  private static func sortByBuckets(_ hashes: UnsafeMutableBufferPointer<UInt64>) {
    var hashes = hashes
    guard hashes.count > 64 else { return hashes.sort() }
    let bits = min(16, Int.bitWidth - hashes.count.leadingZeroBitCount - 2)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << bits) { ends in
      withUnsafeTemporaryAllocation(of: UInt64.self, capacity: hashes.count) { spare in
        ends.initialize(repeating: 0)
        _ = spare.initialize(from: hashes)
        for hash in spare { ends[Int(hash >> UInt64(64 - bits))] += 1 }
        var sum = 0
        for bucket in ends.indices { (ends[bucket], sum) = (sum, sum + ends[bucket]) }
        for hash in spare {
          let bucket = Int(hash >> UInt64(64 - bits))
          hashes[ends[bucket]] = hash
          ends[bucket] += 1
        }
        var start = 0
        for end in ends {
          sortBucket(UnsafeMutableBufferPointer(rebasing: hashes[start..<end]))
          start = end
        }
      }
    }
  }

  /// By insertion, unless a shingle that repeats has made it large.
  private static func sortBucket(_ bucket: UnsafeMutableBufferPointer<UInt64>) {
    var bucket = bucket
    guard bucket.count <= 32 else { return bucket.sort() }
    for next in bucket.indices.dropFirst() {
      let hash = bucket[next]
      var place = next
      while place > 0, hash < bucket[place - 1] {
        bucket[place] = bucket[place - 1]
        place -= 1
      }
      bucket[place] = hash
    }
  }

  /// Jaccard similarity |A ∩ B| / |A ∪ B| of two sorted sets; 1 for two empty sets. O(|A| + |B|).
  public static func jaccard(_ a: UnsafeBufferPointer<UInt64>, _ b: UnsafeBufferPointer<UInt64>) -> Double {
    var i = 0
    var j = 0
    var common = 0
    while i < a.count && j < b.count {
      let (x, y) = (a[i], b[j])
      common += x == y ? 1 : 0
      i += x <= y ? 1 : 0
      j += y <= x ? 1 : 0
    }
    let union = a.count + b.count - common
    return union == 0 ? 1 : Double(common) / Double(union)
  }
}
