import CZstd
import Glibc
import ShardKit
import TestKit
import Testing

private let formats = Compression.allCases.filter { $0 != .none }

@Suite struct StreamTests {
  @Test(arguments: Compression.allCases, [0, 1, 1000, 300_000])
  func roundTrip(_ compression: Compression, size: Int) throws {
    let bytes = sampleBytes(size)
    let (out, error) = drained(try encoded(bytes, compression), compression)
    #expect(error == nil)
    #expect(out == bytes)
  }

  /// A decoder may hold decoded bytes when its input has ended; small buffers must still get them all.
  @Test(arguments: Compression.allCases, [1, 7, 4096])
  func smallBuffersLoseNothing(_ compression: Compression, step: Int) throws {
    let bytes = sampleBytes(step == 1 ? 3000 : 200_000)
    let (out, error) = drained(try encoded(bytes, compression), compression, step: step)
    #expect(error == nil)
    #expect(out == bytes)
  }

  /// Without a checksum a zstd frame ends with its last block, while much of it is still to be delivered.
  @Test func zstdFramesWithoutChecksumAreReadWhole() throws {
    let bytes = sampleBytes(200_000)
    var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    frame.removeLast(frame.count - ZSTD_compress(&frame, frame.count, bytes, bytes.count, 1))
    let (out, error) = drained(frame, .zstd, step: 1000)
    #expect(error == nil)
    #expect(out == bytes)
  }

  /// The frame that holds the dictionary of those behind it may hold another one, and that one again.
  @Test func dictionariesInDictionariesAreBounded() throws {
    let depth = 200_000
    var bytes: [UInt8] = []
    for inner in (0..<depth).reversed() {
      bytes += [0x5D, 0x2A, 0x4D, 0x18]
      withUnsafeBytes(of: UInt32(8 * inner).littleEndian) { bytes += $0 }
    }
    let (out, error) = drained(bytes + (try encoded(sampleBytes(1000), .zstd)), .zstd)
    #expect(error == nil && out == sampleBytes(1000))
  }

  @Test(arguments: formats)
  func concatenatedMembersAreOneStream(_ compression: Compression) throws {
    let parts = [sampleBytes(70_000, seed: 1), [], sampleBytes(10, seed: 2), sampleBytes(200_000, seed: 3)]
    let (out, error) = drained(try parts.flatMap { try encoded($0, compression) }, compression)
    #expect(error == nil)
    #expect(out == Array(parts.joined()))
  }

  /// Cut anywhere, a stream gives a prefix of its bytes and an error, never less without one.
  @Test(arguments: formats)
  func everyTruncationIsNoticed(_ compression: Compression) throws {
    let bytes = sampleBytes(2000)
    let whole = try encoded(bytes, compression)
    for length in 1..<whole.count {
      let (out, error) = drained(Array(whole[..<length]), compression)
      #expect(bytes.starts(with: out))
      #expect(error?.code == .truncated, "\(compression) cut at \(length): \(String(describing: error))")
      #expect(drained(Array(whole[..<length]), compression, step: 100).bytes == out, "\(compression) cut at \(length)")
    }
    #expect(drained([], compression).error == nil || compression == .xz)
  }

  /// What lies before a cut in a later member is delivered.
  @Test(arguments: formats)
  func whatComesBeforeTheCutIsDelivered(_ compression: Compression) throws {
    let first = sampleBytes(150_000, seed: 4)
    let second = try encoded(sampleBytes(150_000, seed: 5), compression)
    let (out, error) = drained(try encoded(first, compression) + second[..<(second.count / 2)], compression, step: 999)
    #expect(error?.code == .truncated)
    #expect(out.count >= first.count && out.starts(with: first))
  }

  /// Every format has checksums: with any bit turned, a stream gives the same bytes (the bit said nothing) or an error.
  @Test(arguments: formats)
  func everyFlippedByteIsNoticed(_ compression: Compression) throws {
    let bytes = sampleBytes(600)
    let whole = try encoded(bytes, compression)
    for i in whole.indices {
      for bit in [0, 3, 7] {
        var damaged = whole
        damaged[i] ^= 1 << UInt8(bit)
        let (out, error) = drained(damaged, compression)
        #expect(error != nil || out == bytes, "\(compression) byte \(i) bit \(bit)")
      }
    }
  }

  /// Bytes before the damage in the same block of input are not thrown away with it.
  @Test(arguments: formats)
  func damageInALaterMemberKeepsTheEarlierOnes(_ compression: Compression) throws {
    let first = sampleBytes(5000)
    let (out, error) = drained(try encoded(first, compression) + Array("what follows is no member".utf8), compression)
    #expect(out == first)
    #expect(error?.code == .malformed)
  }

  /// Of a stream that is damaged near its end, no more is lost than the block that the damage stands in.
  @Test(arguments: formats, [1000, 1 << 16, 1 << 20])
  func damageCostsOneBlock(_ compression: Compression, step: Int) throws {
    let bytes = sampleBytes(2_500_000)
    var damaged = try encoded(bytes, compression)
    let place = damaged.count * 9 / 10
    for i in place..<(place + 40) { damaged[i] = ~damaged[i] }
    let (out, error) = drained(damaged, compression, step: step)
    #expect(error?.code == .malformed)
    #expect(out.count > bytes.count / 2 && bytes.starts(with: out.prefix(bytes.count / 2)), "\(out.count)")
  }

  /// Frames that hold dictionaries of dictionaries.
  @Test func zstdDictionariesHaveNoDictionaries() throws {
    func framed(_ bytes: [UInt8]) -> [UInt8] {
      [0x5D, 0x2A, 0x4D, 0x18] + (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
    }
    var nested: [UInt8] = []
    for _ in 0..<5000 { nested = framed(nested) }
    let text = try encoded(sampleBytes(1000), .zstd)
    var wrapped: [UInt8] = framed([])
    for _ in 0..<20 { wrapped = framed(try encoded(wrapped, .zstd)) }
    for bytes in [framed(nested), wrapped] {
      let (out, error) = drained(bytes + text, .zstd)
      #expect(error == nil && out == sampleBytes(1000))
    }
    // Where none is taken, the frame is passed over like every other one that is none of zstd's.
    let plain = try ZstdSource(MemorySource(framed(nested) + text), readsDictionary: false)
    #expect(drained(plain).bytes == sampleBytes(1000))
  }

  /// Bodies of HTTP answers.
  @Test func deflateDeliversWhatCameBeforeTheDamage() throws {
    let bytes = sampleBytes(5000)
    let gzip = try encoded(bytes, .gzip)
    // A gzip member without its head and trailer.
    let raw = Array(gzip[10..<(gzip.count - 8)])
    let (out, error) = drained(try DeflateSource(MemorySource(raw), .raw))
    #expect(error == nil && out == bytes)
    // A stored block, then a block of the reserved type.
    let stored: [UInt8] = [0, 0xE8, 0x03, 0x17, 0xFC] + bytes.prefix(1000) + [0x06]
    let (before, damage) = drained(try DeflateSource(MemorySource(stored), .raw))
    #expect(damage?.code == .malformed && before == Array(bytes.prefix(1000)))
  }

  @Test func brotliDeliversWhatCameBeforeTheDamage() throws {
    let bytes = sampleBytes(3000)
    // A window of 64 KiB; parts of 1,000 bytes that are not compressed; a part whose reserved bit is set.
    func part(_ number: Int, isFirst: Bool) -> [UInt8] {
      let head = (999 << 3 | 1 << 19) << (isFirst ? 1 : 0)
      return [UInt8(head & 0xFF), UInt8(head >> 8 & 0xFF), UInt8(head >> 16)]
        + bytes[(number * 1000)..<(number * 1000 + 1000)]
    }
    let stream = part(0, isFirst: true) + part(1, isFirst: false) + part(2, isFirst: false)
    let (out, error) = drained(try BrotliSource(MemorySource(stream + [0x03])))
    #expect(error == nil && out == bytes)
    let (before, damage) = drained(try BrotliSource(MemorySource(stream + [0x0E, 0, 0, 0, 0])))
    #expect(damage?.code == .malformed && before.count > 2700 && bytes.starts(with: before), "\(before.count)")
  }

  @Test func zerosBehindAGzipMemberArePadding() throws {
    let bytes = sampleBytes(5000)
    let (out, error) = drained(try encoded(bytes, .gzip) + [UInt8](repeating: 0, count: 200_000), .gzip)
    #expect(error == nil)
    #expect(out == bytes)
  }

  /// A frame that asks for a window of 2 GiB is refused before the memory is taken.
  @Test func zstdWindowsAreBounded() {
    let frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00]
    let (out, error) = drained(frame, .zstd)
    #expect(out.isEmpty)
    #expect(error?.message.contains("memory") == true)
  }

  @Test(arguments: Compression.allCases)
  func theFormatIsFoundByContent(_ compression: Compression) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let bytes = sampleBytes(500)
    try FileSystem.write(try encoded(bytes, compression), to: folder + "/misnamed.txt")
    #expect(try Compression.detect(folder + "/misnamed.txt") == compression)
    #expect(try openSource(folder + "/misnamed.txt").readAll() == bytes)
  }

  @Test func emptyAndTinyFilesArePlain() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for bytes: [UInt8] in [[], [0x28], [0x1F], Array("BZ".utf8)] {
      try FileSystem.write(bytes, to: folder + "/f")
      #expect(try openSource(folder + "/f").readAll() == bytes)
    }
  }

  @Test func equalInputGivesEqualBytes() throws {
    for compression in [Compression.zstd, .gzip] {
      #expect(try encoded(sampleBytes(9000), compression) == encoded(sampleBytes(9000), compression))
    }
  }

  @Test func readAllIsBounded() throws {
    let error = #expect(throws: ShardError.self) { try MemorySource(sampleBytes(500)).readAll(limit: 499) }
    #expect(error?.code == .tooLarge)
  }

  @Test func aRangeOfAFileIsRead() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("0123456789".utf8), to: folder + "/f")
    #expect(try FileSource(folder + "/f", offset: 3, length: 4).readAll() == Array("3456".utf8))
    #expect(try FileSource(folder + "/f", offset: 8, length: 100).readAll() == Array("89".utf8))
    #expect(try FileSource(folder + "/f", offset: 80).readAll() == [])
  }
}
