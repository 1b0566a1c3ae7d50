import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

@Suite struct DigestCacheTests {
  /// More files than are taken at a time, some of them twice.
  @Test func digestsAreThoseOfTheFilesInTheirOrder() throws {
    let folder = try TemporaryFolder()
    let store = try RunStore(root: folder.path + "/store")
    var paths: [String] = []
    for i in 0..<4200 {
      paths.append("\(folder.path)/\(i)")
      // Links, since each file that is written is synced.
      if i < 7 {
        try FileSystem.write(Array("\(i)".utf8), to: paths[i])
      } else {
        try FileSystem.link(paths[i % 7], to: paths[i])
      }
    }
    paths += [paths[3], paths[0]]
    let wanted = paths.indices.map { i in
      Digester.digest(Array("\((i < 4200 ? i : i == 4200 ? 3 : 0) % 7)".utf8))
    }
    #expect(try store.digests(paths) == wanted)
    #expect(try store.digests([]) == [])
  }

  @Test func aChangedFileIsReadAgain() throws {
    let folder = try TemporaryFolder()
    let store = try RunStore(root: folder.path + "/store")
    let paths = ["a", "b"].map { "\(folder.path)/\($0)" }
    for path in paths { try FileSystem.write([1], to: path) }
    // Digests of younger files are not remembered.
    usleep(2_100_000)
    let ones = Digester.digest([1])
    for _ in 0..<2 { #expect(try store.digests(paths) == [ones, ones]) }
    try FileSystem.write([2], to: paths[0])
    #expect(try store.digests(paths) == [Digester.digest([2]), ones])
  }

  /// It was looked at with thousands of others, and its turn came hours later.
  @Test func aFileThatChangesBeforeItsTurnIsReadAsItIs() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    try FileSystem.write([1], to: path)
    let seen = try SeenFile(path)
    // The clock of a file system has grains.
    usleep(20_000)
    try FileSystem.write([1, 2], to: path)
    let digested = try seen.digested()
    #expect(digested.digest == Digester.digest([1, 2]) && digested.file.status == FileSystem.status(path))
    // One that changes under its reader has no digest.
    let error = #expect(throws: StageError.self) {
      try seen.digested { file in
        usleep(20_000)
        try FileSystem.write([3], to: file.path)
        return Digester.digest([3])
      }
    }
    #expect(error?.message == "the file changed while it was being digested")
  }

  /// What counts is its age when its reading begins, and not when its digest is to be remembered.
  @Test func aYoungFileIsNotSettledByALongReading() throws {
    let folder = try TemporaryFolder()
    try FileSystem.write([1], to: folder.path + "/a")
    let seen = try SeenFile(folder.path + "/a")
    let digested = try seen.digested { _ in
      usleep(2_100_000)
      return Digester.digest([1])
    }
    #expect(!digested.isSettled)
    #expect(try seen.digested().isSettled)
  }

  @Test func aFileThatIsMissingIsNamed() throws {
    let folder = try TemporaryFolder()
    let store = try RunStore(root: folder.path + "/store")
    let paths = ["a", "b"].map { "\(folder.path)/\($0)" }
    try FileSystem.write([1], to: paths[0])
    let error = #expect(throws: ShardError.self) { try store.digests(paths) }
    #expect(error?.code == .notFound && error?.subject == paths[1])
  }
}
