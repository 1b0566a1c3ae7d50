/// Exact similarity of texts as sets of shingles; each set is a sorted array of distinct 64-bit hashes.
public enum ShingleSet {
  /// Sorts `hashes` and moves the distinct ones to the front; returns their number.
  public static func sort(_ hashes: UnsafeMutableBufferPointer<UInt64>) -> Int {
    guard !hashes.isEmpty else { return 0 }
    var hashes = hashes
    hashes.sort()
    var count = 1
    for i in 1..<hashes.count where hashes[i] != hashes[count - 1] {
      hashes[count] = hashes[i]
      count += 1
    }
    return count
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
