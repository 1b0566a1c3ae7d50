import Glibc
import ShardKit
import TestKit
import Testing

@Suite final class FileSinkTests {
  private let folder = temporaryDirectory()
  deinit { try? FileSystem.removeTree(folder) }

  private var names: [String] { (try? FileSystem.list(folder)) ?? [] }

  @Test(arguments: [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 1_000_000])
  func writesEverythingAndItsDigest(size: Int) throws {
    let bytes = sampleBytes(size)
    let sink = try FileSink(folder + "/f")
    for start in stride(from: 0, to: size, by: 70_000) {
      try sink.write(Array(bytes[start..<min(size, start + 70_000)]))
    }
    try sink.commit()
    #expect(try FileSystem.read(folder + "/f") == bytes)
    #expect(sink.bytes == size)
    #expect(sink.digest == Digester.digest(bytes))
    #expect(try Digester.digest(file: folder + "/f") == sink.digest)
    #expect(names == ["f"])
  }

  /// Large blocks go past the page cache where the file system offers that, whatever comes before and after them.
  @Test(arguments: [(0, 9 << 20), (4096, (8 << 20) + 1), (17, 9 << 20), (0, (9 << 20) + 4095)])
  func largeBlocks(before: Int, size: Int) throws {
    let bytes = sampleBytes(before + size + 100)
    let sink = try FileSink(folder + "/f")
    try sink.write(Array(bytes[..<before]))
    try sink.write(Array(bytes[before..<(before + size)]))
    try sink.write(Array(bytes[(before + size)...]))
    try sink.commit()
    #expect(try FileSystem.read(folder + "/f") == bytes)
    #expect(sink.bytes == bytes.count && sink.digest == Digester.digest(bytes))
  }

  /// Until `commit` the name shows what was there before.
  @Test func aFileAppearsWholeOrNotAtAll() throws {
    try FileSystem.write(Array("old".utf8), to: folder + "/f")
    var sink: FileSink? = try FileSink(folder + "/f")
    try sink!.write("new")
    #expect(try FileSystem.read(folder + "/f") == Array("old".utf8))
    #expect(names == [".f.partial", "f"])
    sink = nil
    #expect(names == ["f"])
    #expect(try FileSystem.read(folder + "/f") == Array("old".utf8))
  }

  @Test func aWriterThatFailsLeavesNothing() throws {
    func fail() throws {
      let sink = ZstdSink(try FileSink(folder + "/f"))
      try sink.write(sampleBytes(500_000))
      throw ShardError(.io, "test", "stop")
    }
    #expect(throws: ShardError.self) { try fail() }
    #expect(names.isEmpty)
  }

  @Test func missingAndForbiddenFoldersAreClear() throws {
    let missing = #expect(throws: ShardError.self) { try FileSink(folder + "/no/f") }
    #expect(missing?.code == .notFound)
    #expect(
      missing?.description == "\(folder)/no/f: cannot be written: there is no such file or folder. Check the path.")
    let file = #expect(throws: ShardError.self) { try FileSource(folder + "/none") }
    #expect(file?.code == .notFound)
    let directory = #expect(throws: ShardError.self) { try FileSource(folder).readAll() }
    #expect(directory?.code == .unsupported)
  }

  /// A folder without the right to write; root has every right, so for root a file system mounted read-only.
  @Test(.permitted(geteuid() != 0 || mayMount, "root may write everywhere, and may not mount here"))
  func aReadOnlyFolderIsClear() throws {
    if geteuid() == 0 { #expect(mount("tmpfs", folder, "tmpfs", UInt(MS_RDONLY), nil) == 0) }
    chmod(folder, 0o555)
    defer {
      chmod(folder, 0o755)
      if geteuid() == 0 { umount2(folder, Int32(MNT_DETACH)) }
    }
    let error = #expect(throws: ShardError.self) { try FileSink(folder + "/f") }
    #expect(error?.code == .permission)
    #expect(error?.hint == "Check the owner and permissions.")
  }

  /// On a file system of 1 MiB, mounted for the test.
  @Test(.permitted(mayMount, "only root may mount a file system"))
  func aFullDiskIsClearAndLeavesNothing() throws {
    #expect(mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0)
    defer { umount2(folder, Int32(MNT_DETACH)) }
    let error = #expect(throws: ShardError.self) {
      let sink = try FileSink(folder + "/f")
      for _ in 0..<64 { try sink.write([UInt8](repeating: 7, count: 100_000)) }
      try sink.commit()
    }
    #expect(error?.code == .diskFull)
    #expect(
      error?.description == "\(folder)/f: cannot be written: its disk is full. "
        + "Free some space (`pipeline prune`) and run again; finished work is kept.")
    #expect(names.isEmpty)
  }

  /// Tried out, because root in a container often may not.
  private static let mayMount: Bool = {
    let folder = temporaryDirectory()
    defer { rmdir(folder) }
    guard mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0 else { return false }
    return umount(folder) == 0
  }()
}
