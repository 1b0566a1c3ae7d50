import Glibc

/// Damaged versions of valid inputs, as a faulty disk or a hostile writer would produce them: the same on every run and
/// machine, for readers that must accept any bytes.
///
/// `PIPELINE_MUTATIONS=100` makes a hundred times as many, from other random numbers than the short run.
public struct Mutations {
  private var random: SplitMix
  private let seeds: [[UInt8]]
  private let words: [[UInt8]]

  /// - Parameter words: tokens with a meaning to the reader, which are inserted into the seeds.
  public init(of seeds: [[UInt8]], words: [String] = [], seed: UInt64 = 1) {
    self.seeds = seeds
    self.words = words.map { Array($0.utf8) }
    random = SplitMix(seed: seed &+ UInt64(Self.factor) &* 1_000_003)
  }

  private static let factor = getenv("PIPELINE_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 1

  /// The number of inputs of a test that uses `count` in the short run.
  public static func rounds(_ count: Int) -> Range<Int> { 0..<(count * max(1, factor)) }

  /// One of the seeds, damaged.
  public mutating func next() -> [UInt8] { changed(seeds[number(below: seeds.count)]) }

  /// Bytes with one to eight changes.
  public mutating func changed(_ bytes: [UInt8]) -> [UInt8] {
    var out = bytes
    for _ in 0...number(below: 8) { change(&out) }
    return out
  }

  private mutating func number(below bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }

  // MARK: Changes

  private static let bytes: [UInt8] = [0, 0xFF, 0x7F, 0x80, 0x20, 0x0A, 0x0D, 0x1F]
  private static let integers: [Int] = [
    0, 1, -1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, .max, .min, .max - 511, 1 << 62,
  ]
  /// Hostile to most readers: numbers at the end of their range, paths that lead outside, invalid UTF-8.
  private static let hostile: [[UInt8]] =
    [
      "9223372036854775807", "-1", "9223372036854775808", "99999999999999999999", "0", "\r\n\r\n", "\n", "\r", "../",
      "\u{0}", "+5", "7777777777777",
    ].map { Array($0.utf8) } + [[0xFF], [0x80, 0x80], [0xE3, 0x81], [0xC2, 0xA0], [0xF4, 0x90]]

  private mutating func change(_ out: inout [UInt8]) {
    let at = number(below: out.count + 1)
    let end = min(out.count, at + 1 + number(below: [8, 64, 400][number(below: 3)]))
    switch number(below: 20) {
    case 0, 1: if at < out.count { out[at] ^= 1 << UInt8(number(below: 8)) }
    case 2: if at < out.count { out[at] = Self.bytes[number(below: Self.bytes.count)] }
    case 3, 4: out.removeSubrange(at..<end)
    case 5, 6: out.insert(contentsOf: Array(out[at..<end]), at: number(below: out.count + 1))
    case 7: out.removeSubrange(at...)
    case 8, 9: overwrite(&out, at, integer())
    case 10: overwrite(&out, at, word())
    case 11: insertPart(&out, at)
    case 12: for place in at..<end { out[place] = UInt8(number(below: 256)) }
    case 13:
      let word = word()
      out.insert(contentsOf: (0...number(below: 20)).flatMap { _ in word }, at: at)
    default: out.insert(contentsOf: word(), at: at)
    }
  }

  /// Three of four are the reader's own words, if it has any.
  private mutating func word() -> [UInt8] {
    let own = !words.isEmpty && number(below: 4) > 0
    return own ? words[number(below: words.count)] : Self.hostile[number(below: Self.hostile.count)]
  }

  private mutating func integer() -> [UInt8] {
    let integer = Self.integers[number(below: Self.integers.count)]
    let bytes = (0..<[2, 4, 8][number(below: 3)]).map { UInt8(truncatingIfNeeded: integer >> (8 * $0)) }
    return number(below: 2) == 0 ? bytes.reversed() : bytes
  }

  private mutating func insertPart(_ out: inout [UInt8], _ at: Int) {
    guard !seeds.isEmpty else { return }
    let other = seeds[number(below: seeds.count)]
    let from = number(below: other.count + 1)
    out.insert(contentsOf: other[from..<min(other.count, from + 64)], at: at)
  }

  private func overwrite(_ out: inout [UInt8], _ at: Int, _ bytes: [UInt8]) {
    for (number, byte) in bytes.enumerated() where at + number < out.count { out[at + number] = byte }
  }
}
