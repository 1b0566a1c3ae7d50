/// NumPy's `default_rng(seed)`, draw for draw: PCG64 (XSL-RR, O'Neill 2014) seeded by a `SeedSequence`.
///
/// The order of an epoch must equal the one that mosaicml-streaming derives from NumPy, so every method draws as many
/// bits, in the same order, as NumPy's `Generator` of that name does.
public struct NumPyRandom: Sendable {
  private var state: UInt128
  private let increment: UInt128
  /// The high half of a draw whose low half has been used.
  private var half: UInt32 = 0
  private var hasHalf = false

  private static let multiplier = UInt128(2_549_297_995_355_413_924) << 64 | 4_865_540_595_714_422_341

  public init(seed: UInt64) {
    let words = SeedSequence(seed).words64(4)
    increment = (UInt128(words[2]) << 64 | UInt128(words[3])) << 1 | 1
    state = increment &+ (UInt128(words[0]) << 64 | UInt128(words[1]))
    state = state &* Self.multiplier &+ increment
  }

  public mutating func next64() -> UInt64 {
    state = state &* Self.multiplier &+ increment
    let folded = UInt64(truncatingIfNeeded: state >> 64) ^ UInt64(truncatingIfNeeded: state)
    let rotation = UInt64(truncatingIfNeeded: state >> 122)
    return folded &>> rotation | folded &<< (64 &- rotation)
  }

  /// Half of a 64-bit draw, the low one first. `next64` between two halves leaves the second one waiting.
  public mutating func next32() -> UInt32 {
    if hasHalf {
      hasHalf = false
      return half
    }
    let word = next64()
    half = UInt32(truncatingIfNeeded: word >> 32)
    hasHalf = true
    return UInt32(truncatingIfNeeded: word)
  }

  /// `uniform(low, high)`: 53 bits.
  public mutating func uniform(_ low: Double, _ high: Double) -> Double {
    low + (high - low) * (Double(next64() >> 11) * 0x1p-53)
  }

  /// `integers(low, high)`, `high` excluded, over a range below 2³²: Lemire's method.
  public mutating func integer(in range: Range<Int>) -> Int {
    precondition(!range.isEmpty && range.count <= 1 << 32)
    guard range.count > 1 else { return range.lowerBound }
    guard range.count < 1 << 32 else { return range.lowerBound + Int(next32()) }
    let count = UInt32(range.count)
    var product = UInt64(next32()) * UInt64(count)
    if UInt32(truncatingIfNeeded: product) < count {
      let threshold = (0 &- count) % count
      while UInt32(truncatingIfNeeded: product) < threshold { product = UInt64(next32()) * UInt64(count) }
    }
    return range.lowerBound + Int(product >> 32)
  }

  /// `shuffle` of a list or a one-dimensional array: Fisher and Yates from the end, each place by masked rejection.
  public mutating func shuffle<T>(_ values: UnsafeMutableBufferPointer<T>) {
    precondition(values.count <= 1 << 32)
    var i = values.count - 1
    while i > 0 {
      let mask = UInt32.max &>> UInt32(UInt32(i).leadingZeroBitCount)
      var j = next32() & mask
      while j > UInt32(i) { j = next32() & mask }
      values.swapAt(i, Int(j))
      i -= 1
    }
  }

  public mutating func shuffle<T>(_ values: inout [T]) {
    values.withUnsafeMutableBufferPointer { shuffle($0) }
  }
}

/// NumPy's `SeedSequence` for a seed of at most 64 bits and no spawn key: a seed of any quality becomes well-mixed
/// words.
///
/// After O'Neill's `seed_seq` (2015); constants are NumPy's.
struct SeedSequence {
  private var pool: [UInt32] = [0, 0, 0, 0]

  init(_ seed: UInt64) {
    let entropy = [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)]
    var constant: UInt32 = 0x43b0_d7e5
    func hash(_ value: UInt32) -> UInt32 {
      var value = value ^ constant
      constant = constant &* 0x931e_8875
      value = value &* constant
      return value ^ value >> 16
    }
    // A missing word counts as zero, so one word and two words with a high half of zero are the same seed.
    for i in 0..<4 { pool[i] = hash(i < 2 ? entropy[i] : 0) }
    for source in 0..<4 {
      for target in 0..<4 where target != source {
        let mixed = (0xca01_f9dd &* pool[target]) &- (0x4973_f715 &* hash(pool[source]))
        pool[target] = mixed ^ mixed >> 16
      }
    }
  }

  /// `generate_state(count, uint64)`.
  func words64(_ count: Int) -> [UInt64] {
    var constant: UInt32 = 0x8b51_f9dd
    func word(_ i: Int) -> UInt64 {
      var value = pool[i % 4] ^ constant
      constant = constant &* 0x58f3_8ded
      value = value &* constant
      return UInt64(value ^ value >> 16)
    }
    return (0..<count).map { word(2 * $0) | word(2 * $0 + 1) << 32 }
  }
}
