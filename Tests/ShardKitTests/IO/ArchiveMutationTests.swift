import TestKit
import Testing

@testable import ShardKit

/// Archives and streams with bytes changed at random: every one is read or refused, none ends the process or the patience.
@Suite struct ArchiveMutationTests {
  private func tar() throws -> [UInt8] {
    let sink = MemorySink()
    let writer = TarWriter(sink)
    for name in ["a.txt", String(repeating: "長", count: 60) + ".txt"] { try writer.add(name, Array("本文\(name)".utf8)) }
    try writer.finish()
    // A pax header with a path and a size, then the member it is for.
    let record = Array("13 size=4567\n20 path=works/p.txt\n".utf8)
    var pax = MemorySink()
    try TarWriter(pax).add("PaxHeader", record)
    var header = pax.bytes
    header[156] = UInt8(ascii: "x")
    header.replaceSubrange(148..<156, with: repeatElement(32, count: 8))
    let sum = header[..<512].reduce(0) { $0 + Int($1) }
    let digits = String(sum, radix: 8)
    header.replaceSubrange(
      148..<156, with: Array("\(String(repeating: "0", count: 6 - digits.count))\(digits)\u{0} ".utf8))
    pax = MemorySink()
    try TarWriter(pax).add("p.txt", [UInt8](repeating: 65, count: 4567))
    return header + pax.bytes + sink.bytes
  }

  @Test func mutatedTars() throws {
    let whole = try tar()
    var mutations = Mutations(of: [whole], words: ["ustar", "path=", "size=", "13 size=4567\n"], seed: 1)
    for round in Mutations.rounds(3000) {
      var bytes = mutations.next()
      // Half of them with checksums that fit, or little more than those would be looked at.
      if round % 2 == 0 { mendTarChecksums(&bytes) }
      let reader = TarReader(MemorySource(bytes, name: "a.tar"))
      var members = 0
      do throws(ShardError) {
        while let member = try reader.next() {
          members += 1
          if members % 2 == 0 { _ = try reader.readMember(limit: 1 << 16) }
          #expect(ArchivePath.isSafe(ArchivePath.safe(member.name)))
        }
      } catch { #expect([.malformed, .truncated, .tooLarge].contains(error.code), "round \(round): \(error)") }
      #expect(members <= bytes.count / 512)
    }
  }

  @Test func mutatedZips() throws {
    var fixture = ZipFixture([("a.txt", "one"), ("深い/b.txt", String(repeating: "two", count: 50)), ("c", "")])
    fixture.comment = Array("a comment".utf8)
    var with64 = fixture
    with64.zip64 = (3, 168, 294)
    for (number, whole) in [fixture.bytes, with64.bytes].enumerated() {
      var mutations = Mutations(of: [whole], words: ["PK\u{3}\u{4}", "PK\u{1}\u{2}"], seed: UInt64(number + 2))
      for round in Mutations.rounds(3000) {
        let bytes = mutations.next()
        do throws(ShardError) {
          let zip = try ZipReader(bytes, name: "a.zip")
          #expect(zip.entries.reduce(0) { $0 + $1.compressedBytes } <= bytes.count)
          for entry in zip.entries { _ = try? zip.read(entry, limit: 1 << 20) }
        } catch { #expect([.malformed, .truncated, .tooLarge].contains(error.code), "round \(round): \(error)") }
      }
    }
  }

  @Test(arguments: Compression.allCases.filter { $0 != .none })
  func mutatedStreams(_ compression: Compression) throws {
    let content = sampleBytes(3000)
    let whole = try encoded(content, compression) + encoded(Array("second".utf8), compression)
    var mutations = Mutations(of: [whole], seed: 5)
    for round in Mutations.rounds(1000) {
      let bytes = mutations.next()
      let kind = Compression.detect(bytes)
      do throws(ShardError) {
        let out = try decompress(MemorySource(bytes), kind == .none ? compression : kind).readAll(limit: 1 << 24)
        #expect(out.count <= 1 << 24)
      } catch { #expect([.malformed, .truncated, .tooLarge].contains(error.code), "round \(round): \(error)") }
    }
  }

  /// Damage never costs a member that it does not stand in, and going on ends.
  @Test func mutatedMembers() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let whole = try (0..<4).flatMap { try encoded(sampleBytes(300, seed: $0), .gzip) }
    var mutations = Mutations(of: [whole], seed: 6)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 97, alignment: 16)
    defer { block.deallocate() }
    for _ in Mutations.rounds(1000) {
      let bytes = mutations.next()
      try FileSystem.write(bytes, to: folder + "/a.gz")
      let parts = try GzipParts(path: folder + "/a.gz")
      var count = 0
      while parts.nextPart() {
        count += 1
        do throws(ShardError) {
          while try parts.read(into: block) > 0 {}
        } catch { #expect([.malformed, .truncated].contains(error.code)) }
      }
      #expect(count <= bytes.count)
    }
  }
}
