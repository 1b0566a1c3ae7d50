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

  @Test func aFileThatIsMissingIsNamed() throws {
    let folder = try TemporaryFolder()
    let store = try RunStore(root: folder.path + "/store")
    let paths = ["a", "b"].map { "\(folder.path)/\($0)" }
    try FileSystem.write([1], to: paths[0])
    let error = #expect(throws: ShardError.self) { try store.digests(paths) }
    #expect(error?.code == .notFound && error?.subject == paths[1])
  }
}
