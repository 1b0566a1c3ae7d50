/// Changes bytes as a careless disk or a hostile writer would: the same changes for the same seed, on any machine.
public struct Mutation {
  private var state: UInt64

  public init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  private mutating func number(_ below: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 33) % max(1, below)
  }

  private static let integers: [Int] = [
    0, 1, -1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, .max, .min, .max - 511, 1 << 62,
  ]
  private static let texts = [
    "9223372036854775807", "-1", "9223372036854775808", "99999999999999999999", "0", "\r\n\r\n", "\n", "WARC/1.0\r\n",
    "../",
    "\u{0}", "+5", "7777777777777",
  ].map { Array($0.utf8) }

  /// `bytes` with one to four changes.
  public mutating func callAsFunction(_ bytes: [UInt8]) -> [UInt8] {
    var out = bytes
    for _ in 0...number(4) where !out.isEmpty { change(&out) }
    return out
  }

  private mutating func change(_ out: inout [UInt8]) {
    let at = number(out.count)
    let count = min(out.count - at, 1 + number(number(2) == 0 ? 8 : 400))
    switch number(9) {
    case 0: out[at] ^= 1 << UInt8(number(8))
    case 1: out[at] = [0, 0xFF, 0x7F, 0x80, 0x20, 0x0A, 0x1F][number(7)]
    case 2: out.removeSubrange(at..<(at + count))
    case 3: out.insert(contentsOf: Array(out[at..<(at + count)]), at: number(out.count))
    case 4: out.removeSubrange(at...)
    case 5: write(integer: Self.integers[number(Self.integers.count)], at, &out)
    case 6: replace(at, Self.texts[number(Self.texts.count)], &out)
    case 7: out.insert(contentsOf: Self.texts[number(Self.texts.count)], at: at)
    default: for place in at..<(at + count) { out[place] = UInt8(number(256)) }
    }
  }

  private mutating func write(integer: Int, _ at: Int, _ out: inout [UInt8]) {
    let width = [2, 4, 8][number(3)]
    var bytes = (0..<width).map { UInt8(truncatingIfNeeded: integer >> (8 * $0)) }
    if number(2) == 0 { bytes.reverse() }
    replace(at, bytes, &out)
  }

  private func replace(_ at: Int, _ bytes: [UInt8], _ out: inout [UInt8]) {
    for (number, byte) in bytes.enumerated() where at + number < out.count { out[at + number] = byte }
  }
}
