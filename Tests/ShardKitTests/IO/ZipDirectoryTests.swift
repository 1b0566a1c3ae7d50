import Glibc
import TestKit
import Testing

@testable import ShardKit

@Suite struct ZipDirectoryTests {
  private func names(_ fixture: ZipFixture) throws -> [String] {
    try ZipReader(fixture.bytes, name: "a.zip").entries.map { String(decoding: $0.name, as: UTF8.self) }
  }

  private func refusal(_ fixture: ZipFixture) -> String {
    do { return "read: \(try names(fixture))" } catch { return "\(error)" }
  }

  private let three = ZipFixture([("a", "one"), ("b", "two"), ("c", "three")])

  @Test func commentsAndProgramsBeforeTheArchiveAreNoDamage() throws {
    var fixture = three
    fixture.comment = Array("PK\u{5}\u{6} is quoted in this comment, which is long enough".utf8)
    #expect(try names(fixture) == ["a", "b", "c"])
    fixture.prefix = Array("#!/bin/sh\nexit 0\n".utf8)
    #expect(try names(fixture) == ["a", "b", "c"])
    let zip = try ZipReader(fixture.bytes, name: "a.zip")
    #expect(
      try zip.entries.map { String(decoding: try zip.read($0, limit: 10), as: UTF8.self) } == ["one", "two", "three"])
  }

  /// Without zip64 a writer can state its members only modulo 65,536.
  @Test func aCountThatOverflowedIsRead() throws {
    let many = ZipFixture((0..<65_539).map { ("\($0)", "") })
    var fixture = many
    fixture.count = 3
    #expect(try names(fixture).count == 65_539)
    fixture.count = 4
    #expect(refusal(fixture).contains("states 4 members but contains 65539"))
  }

  @Test func numbersThatLieAreRefused() {
    var fixture = three
    fixture.count = 2
    #expect(refusal(fixture).contains("states 2 members but contains 3"))
    fixture = three
    // One entry is 46 bytes and its name.
    fixture.directoryBytes = 47
    fixture.count = 1
    #expect(refusal(fixture).contains("longer than it states"))
    for (count, bytes, offset) in [
      (-1, 141, 104), (3, -1, 104), (3, 141, -1), (.max, .max, .max), (.min, 141, 104), (3, .max, 1),
    ] {
      fixture = three
      fixture.zip64 = (count, bytes, offset)
      #expect(!refusal(fixture).hasPrefix("read"), "\(count) \(bytes) \(offset)")
    }
    fixture.zip64 = (3, 1 << 29, 104)
    #expect(refusal(fixture).contains("has a directory of 536870912 bytes"))
    fixture.zip64 = (3, 141, 104)
    #expect(refusal(fixture) == #"read: ["a", "b", "c"]"#)
  }

  /// Entries that share a member multiply its bytes.
  @Test func membersThatShareBytesAreRefused() {
    var fixture = three
    fixture.members[1].offset = 0
    #expect(refusal(fixture).contains("overlap"))
    // One that begins inside the bytes of another.
    fixture = ZipFixture([("a", String(repeating: "x", count: 100)), ("b", "")])
    fixture.members[1].offset = 40
    #expect(refusal(fixture).contains("overlap"))
    fixture.members[1].offset = 1 << 30
    #expect(refusal(fixture).contains("past its end"))
  }

  @Test func sizesThatCannotBeCostNoMemory() throws {
    var bytes = three.bytes
    let entry = try #require(bytes.firstRange(of: [0x50, 0x4B, 1, 2])).lowerBound
    bytes.replaceSubrange((entry + 24)..<(entry + 28), with: ZipFixture.little(900 << 20, 4))
    let zip = try ZipReader(bytes, name: "a.zip")
    #expect { try zip.read(zip.entries[0], limit: 1 << 30) } throws: { "\($0)".contains("cannot unpack to") }
  }

  @Test func everyNameHasASafeForm() {
    for (name, safe) in [
      ("a/b.xml", "a/b.xml"), ("papers\\a.xml", "papers/a.xml"), ("/etc/a.xml", "etc/a.xml"), ("../../a.xml", "a.xml"),
      ("C:\\b\\..\\a.xml", "b/a.xml"), ("a\u{1B}[2J.xml", "a_[2J.xml"), ("", "_"), ("..", "_"), ("//", "_"),
      ("/\u{301}x", "\u{301}x"),
    ] {
      #expect(ArchivePath.safe(name).utf8.elementsEqual(safe.utf8), "\(name)")
      #expect(ArchivePath.isSafe(ArchivePath.safe(name)), "\(name)")
    }
    let long = ArchivePath.safe(String(repeating: "あ", count: 3000) + ".xml")
    #expect(long.utf8.count <= 4096 && long.hasSuffix("ああ.xml") && ArchivePath.isSafe(long))
  }
}
