import Glibc

/// Inputs made from good ones by small damage, the same on every run: for readers that must take any bytes.
///
/// `PIPELINE_MUTATIONS=100` makes a hundred times as many, from other seeds than the short run's.
public struct Mutations {
  private var state: UInt64
  private let seeds: [[UInt8]]
  private let words: [[UInt8]]

  /// - Parameter words: pieces that mean something to the reader, which are put into the seeds.
  public init(of seeds: [[UInt8]], words: [String] = [], seed: UInt64 = 1) {
    self.seeds = seeds
    self.words = words.map { Array($0.utf8) } + [[0], [0xFF], [0x80, 0x80], [10], [13]]
    state = seed &+ UInt64(Self.factor) &* 1_000_003
  }

  private static let factor = getenv("PIPELINE_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 1

  /// How many inputs a test takes that takes `count` in the short run.
  public static func rounds(_ count: Int) -> Range<Int> { 0..<(count * max(1, factor)) }

  /// SplitMix64.
  private mutating func number(below bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, bound)))
  }

  public mutating func next() -> [UInt8] {
    var bytes = seeds[number(below: seeds.count)]
    for _ in 0...number(below: 6) { damage(&bytes) }
    return bytes
  }

  private mutating func damage(_ bytes: inout [UInt8]) {
    let start = number(below: bytes.count + 1)
    let end = min(bytes.count, start + number(below: 1 + number(below: 64)))
    switch number(below: 8) {
    case 0: if start < bytes.count { bytes[start] = UInt8(truncatingIfNeeded: number(below: 256)) }
    case 1: if start < bytes.count { bytes[start] ^= 1 << UInt8(number(below: 8)) }
    case 2: bytes.removeSubrange(start..<end)
    case 3: bytes.removeSubrange(start...)
    case 4: bytes.insert(contentsOf: bytes[start..<end], at: number(below: bytes.count + 1))
    case 5:
      let other = seeds[number(below: seeds.count)]
      let from = number(below: other.count + 1)
      bytes.insert(contentsOf: other[from..<min(other.count, from + 64)], at: start)
    default: bytes.insert(contentsOf: words[number(below: words.count)], at: start)
    }
  }
}
