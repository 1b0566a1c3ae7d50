import Glibc
import ShardKit
import TestKit
import Testing

/// Archives made by the programs that people make them with.
@Suite struct ArchiveTests {
  private let folder = temporaryDirectory()

  private func shell(_ command: String) throws {
    let status = system("cd '\(folder)' && (\(command)) >/dev/null 2>&1")
    try #require(status == 0, "failed: \(command)")
  }

  private func tar(_ path: String) throws -> [String: [UInt8]] {
    let reader = TarReader(try openSource(path))
    var out: [String: [UInt8]] = [:]
    while let member = try reader.next() {
      if member.isFile { out[member.name] = try reader.readMember(limit: 1 << 20) }
    }
    return out
  }

  private static let hasTar = access("/bin/tar", X_OK) == 0 || access("/usr/bin/tar", X_OK) == 0
  private static let hasPython = system("python3 -c 'import zipfile' >/dev/null 2>&1") == 0

  @Test(.needs(hasTar, "needs tar"), arguments: ["gnu", "pax", "ustar"])
  func readsWhatTarWrites(format: String) throws {
    defer { try? FileSystem.removeTree(folder) }
    let deep = "works/" + String(repeating: "d", count: 60) + "/" + String(repeating: "f", count: 70) + ".txt"
    try FileSystem.makeDirectory(folder + "/works/" + String(repeating: "d", count: 60))
    try FileSystem.write(Array("深い".utf8), to: folder + "/" + deep)
    try FileSystem.write([UInt8](repeating: 7, count: 1500), to: folder + "/works/b.bin")
    try FileSystem.write([], to: folder + "/works/empty")
    try shell("ln -s b.bin works/link; tar --format=\(format) -czf a.tar.gz works")
    let members = try tar(folder + "/a.tar.gz")
    #expect(members.keys.sorted() == ["works/b.bin", deep, "works/empty"].sorted())
    #expect(members[deep] == Array("深い".utf8))
    #expect(members["works/b.bin"] == [UInt8](repeating: 7, count: 1500))
  }

  @Test(.needs(hasTar, "needs tar")) func passesOverMembersAndTellsTruncation() throws {
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write([UInt8](repeating: 65, count: 200_000), to: folder + "/a")
    try FileSystem.write([UInt8](repeating: 66, count: 200_000), to: folder + "/b")
    try shell("tar -cf all.tar a b; head -c 300000 all.tar >cut.tar; head -c 300 all.tar >head.tar; echo no >not.tar")
    let reader = TarReader(try openSource(folder + "/all.tar"))
    #expect(try reader.next()?.name == "a")
    let second = try #require(try reader.next())
    #expect(second.name == "b" && second.bytes == 200_000 && second.isFile)
    #expect(try reader.next() == nil)
    #expect { try tar(folder + "/cut.tar") } throws: { ($0 as? ShardError)?.code == .truncated }
    #expect { try tar(folder + "/head.tar") } throws: { ($0 as? ShardError)?.code == .truncated }
    var noise = [UInt8](repeating: 0x41, count: 512)
    noise[0] = 0
    #expect { try TarReader(MemorySource(noise)).next() } throws: { ($0 as? ShardError)?.code == .malformed }
    #expect { try reader.readMember(limit: -1) } throws: { ($0 as? ShardError)?.code == .tooLarge }
  }

  private func python(_ lines: String...) throws {
    try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: folder + "/make.py")
    try shell("python3 make.py")
  }

  @Test(.needs(hasPython, "needs python3")) func readsStoredDeflatedAndZip64() throws {
    defer { try? FileSystem.removeTree(folder) }
    try python(
      "import zipfile", "z = zipfile.ZipFile('a.zip', 'w')", "z.writestr('stored.txt', 'plain')",
      "z.writestr('works/deep.txt', 'あ' * 5000, compress_type=zipfile.ZIP_DEFLATED)", "z.mkdir('folder')",
      "with z.open('large.txt', 'w', force_zip64=True) as f: f.write(b'x' * 70000)", "z.close()")
    for zip in [try ZipReader(path: folder + "/a.zip"), try ZipReader(FileSystem.read(folder + "/a.zip"), name: "a")] {
      #expect(
        zip.entries.map { String(decoding: $0.name, as: UTF8.self) } == [
          "stored.txt", "works/deep.txt", "folder/", "large.txt",
        ])
      #expect(zip.entries.map(\.isDirectory) == [false, false, true, false])
      #expect(try zip.read(zip.entries[0], limit: 100) == Array("plain".utf8))
      #expect(try zip.read(zip.entries[1], limit: 1 << 20) == Array(String(repeating: "あ", count: 5000).utf8))
      #expect(try zip.read(zip.entries[3], limit: 1 << 20).count == 70_000)
    }
  }

  @Test(.needs(hasPython, "needs python3")) func refusesBombsLiesAndDamage() throws {
    defer { try? FileSystem.removeTree(folder) }
    try python(
      "import zipfile", "z = zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED)",
      "z.writestr('zeros', b'0' * 5000000)", "z.close()", "data = bytearray(open('a.zip', 'rb').read())",
      "lie = data[:]", "at = lie.rindex(b'PK\\x01\\x02')", "lie[at + 24:at + 28] = (1000).to_bytes(4, 'little')",
      "open('lie.zip', 'wb').write(lie)", "data[60] ^= 0xFF", "open('bad.zip', 'wb').write(data)",
      "open('cut.zip', 'wb').write(data[:-30])")
    let zip = try ZipReader(path: folder + "/a.zip")
    #expect { try zip.read(zip.entries[0], limit: 1 << 20) } throws: { ($0 as? ShardError)?.code == .tooLarge }
    let lie = try ZipReader(path: folder + "/lie.zip")
    #expect { try lie.read(lie.entries[0], limit: 1 << 30) } throws: { ($0 as? ShardError)?.code == .malformed }
    let bad = try ZipReader(path: folder + "/bad.zip")
    #expect { try bad.read(bad.entries[0], limit: 1 << 30) } throws: { ($0 as? ShardError)?.code == .malformed }
    #expect { try ZipReader(path: folder + "/cut.zip") } throws: { ($0 as? ShardError)?.code == .malformed }
    #expect { try ZipReader([], name: "empty") } throws: { ($0 as? ShardError)?.code == .malformed }
  }

  @Test func namesThatLeaveTheFolderAreUnsafe() {
    for name in [
      // A mark makes one character of itself and the slash before it.
      "../\u{301}x", "/\u{301}x", "a/../\u{3099}", "/etc/passwd", "../up", "a/../../b", "a\\b", "", "a\u{0}b", "a\nb",
    ] {
      #expect(!ArchivePath.isSafe(name))
    }
    for name in ["a", "a/b.txt", "cards/000005/files/1_ruby_2.txt", "作品/一.txt", "a..b"] {
      #expect(ArchivePath.isSafe(name))
    }
  }
}
