@testable import ShardKit
import TestKit
import Testing

/// Blocks give what libbz2 compressed.
@Suite final class Bzip2BlocksTests {
  private let folder = temporaryDirectory()
  deinit { try? FileSystem.removeTree(folder) }

  private func file(_ bytes: [UInt8]) throws -> String {
    try FileSystem.write(bytes, to: folder + "/f.bz2")
    return folder + "/f.bz2"
  }

  /// Long runs, and bytes that hardly repeat.
  private func variedBytes(_ count: Int) -> [UInt8] {
    var generator = SplitMix(seed: 3)
    var out: [UInt8] = []
    while out.count < count {
      switch generator.next() % 3 {
      case 0: out += [UInt8](repeating: UInt8(generator.next() % 4), count: Int(generator.next() % 2000))
      case 1: out += (0..<generator.next() % 500).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      default: out += sampleBytes(Int(generator.next() % 3000), seed: generator.next())
      }
    }
    return Array(out[..<count])
  }

  /// Bytes that come again after a period.
  private func periodicBytes(_ count: Int, period: Int) -> [UInt8] {
    let bytes = sampleBytes(period, seed: 5)
    return (0..<count).map { bytes[$0 % period] }
  }

  @Test(
    "A block in pieces, also those that are equal or long", arguments: [0, 1, 511, 513, 50_000, 850_000, 2_000_000])
  func wholeFiles(size: Int) throws {
    for bytes in [
      sampleBytes(size), variedBytes(size), [UInt8](repeating: 65, count: size), periodicBytes(size, period: 2),
      periodicBytes(size, period: 512), periodicBytes(size, period: 513),
    ] {
      let path = try file(encoded(bytes, .bzip2))
      for step in [1 << 16, 977] {
        let (read, error) = drained(try Bzip2Blocks(path, from: 0), step: step)
        #expect(error == nil && read == bytes)
      }
    }
  }

  @Test func fromEachBlockOn() throws {
    let bytes = variedBytes(2_000_000)
    let path = try file(encoded(bytes, .bzip2))
    let places = try Bzip2Blocks.places(path)
    #expect(places.first == 32 && places.count > 9)
    var before = Int.max
    for place in places {
      let (read, error) = drained(try Bzip2Blocks(path, from: place))
      #expect(error == nil && bytes.suffix(read.count).elementsEqual(read) && read.count < before)
      before = read.count
    }
  }

  @Test func consecutiveStreams() throws {
    let (first, second) = (variedBytes(300_000), sampleBytes(100_000))
    let path = try file(encoded(first, .bzip2) + encoded([], .bzip2) + encoded(second, .bzip2))
    let (read, error) = drained(try Bzip2Blocks(path, from: 0))
    #expect(error == nil && read == first + second)
  }

  @Test func aDamagedBlockCostsNoOther() throws {
    let bytes = variedBytes(1_000_000)
    var compressed = try encoded(bytes, .bzip2)
    let places = try Bzip2Blocks.places(file(compressed))
    let damaged = Int(places[3] + places[4]) / 16
    for index in damaged..<damaged + 8 { compressed[index] ^= 0xFF }
    let blocks = try Bzip2Blocks(try file(compressed), from: 0)
    let (before, error) = drained(blocks)
    #expect(error?.code == .malformed && bytes.starts(with: before.prefix(250_000)))
    #expect(try blocks.skipDamaged())
    let (after, none) = drained(blocks)
    #expect(none == nil && after.count > 200_000 && bytes.suffix(after.count).elementsEqual(after))
  }

  /// Bits from a bit of a file on, behind zeros: a block that begins at any bit.
  private func shifted(_ bytes: ArraySlice<UInt8>, by bits: Int) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: bits / 8)
    let shift = bits % 8
    var carry = 0
    for byte in bytes {
      out.append(UInt8(truncatingIfNeeded: carry | Int(byte) >> shift))
      carry = Int(byte) << (8 - shift)
    }
    return out + [UInt8(truncatingIfNeeded: carry)]
  }

  private static let mark: [UInt8] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]

  /// However a file is read, beginnings across the borders of what is read at once are found once.
  @Test func beginningsAcrossBordersAreFound() throws {
    var random = SplitMix(seed: 9)
    for room in 7...40 {
      var bytes = [UInt8](repeating: 0, count: 400)
      var wanted: [Int64] = []
      var bit = Int(random.next() % 60)
      while bit < 8 * 390 {
        for (i, byte) in shifted(Self.mark[...], by: bit % 8).enumerated() { bytes[bit / 8 + i] |= byte }
        wanted.append(Int64(bit))
        bit += 48 + Int(random.next() % 90)
      }
      #expect(try Bzip2Blocks.places(file(bytes), bufferBytes: room) == wanted, "\(room)")
    }
  }

  /// An intact block behind a damaged one is found, wherever in the buffer it begins.
  @Test func noBlockBehindDamageIsPassedOver() throws {
    let text = Array("a block".utf8)
    let block = try encoded(text, .bzip2)[4...]
    let room = 200
    for bit in (8 * (room - 12))..<(8 * (room + 4)) {
      let blocks = try Bzip2Blocks(file([0] + shifted(block, by: bit)), from: 8, bufferBytes: room)
      #expect(drained(blocks).error?.code == .malformed)
      #expect(try blocks.skipDamaged(), "\(bit)")
      #expect(blocks.place == 8 && drained(blocks).bytes == text, "\(bit)")
    }
  }

  @Test func aFileThatIsCutOff() throws {
    let bytes = variedBytes(500_000)
    let compressed = try encoded(bytes, .bzip2)
    let blocks = try Bzip2Blocks(try file(Array(compressed[..<(compressed.count * 2 / 3)])), from: 0)
    let (read, error) = drained(blocks)
    #expect(error?.code == .truncated && bytes.starts(with: read) && read.count > 200_000)
    #expect(try !blocks.skipDamaged())
  }
}
