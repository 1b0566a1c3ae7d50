import ShardKit
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

  @Test func aFileThatIsCutOff() throws {
    let bytes = variedBytes(500_000)
    let compressed = try encoded(bytes, .bzip2)
    let blocks = try Bzip2Blocks(try file(Array(compressed[..<(compressed.count * 2 / 3)])), from: 0)
    let (read, error) = drained(blocks)
    #expect(error?.code == .truncated && bytes.starts(with: read) && read.count > 200_000)
    #expect(try !blocks.skipDamaged())
  }
}
