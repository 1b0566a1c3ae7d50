/// Philox4x32-10: random words as a function of a counter and a key (Salmon et al. 2011, "Parallel random numbers: as
/// easy as 1, 2, 3").
///
/// There is no state: the words for a counter are the same in whatever order they are requested.
public struct Philox: Equatable, Sendable {
  private let key0: UInt32
  private let key1: UInt32

  public init(key: UInt64) {
    key0 = UInt32(truncatingIfNeeded: key)
    key1 = UInt32(key >> 32)
  }

  @inline(__always)
  public func words(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var (a, b, c, d) = (counter.x, counter.y, counter.z, counter.w)
    var (k0, k1) = (key0, key1)
    for _ in 0..<10 {
      let left = UInt64(a) &* 0xD251_1F53
      let right = UInt64(c) &* 0xCD9E_8D57
      (a, b) = (UInt32(right >> 32) ^ b ^ k0, UInt32(truncatingIfNeeded: right))
      (c, d) = (UInt32(left >> 32) ^ d ^ k1, UInt32(truncatingIfNeeded: left))
      k0 = k0 &+ 0x9E37_79B9
      k1 = k1 &+ 0xBB67_AE85
    }
    return SIMD4(a, b, c, d)
  }
}
