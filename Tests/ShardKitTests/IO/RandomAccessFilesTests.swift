import TestKit
import Testing

@testable import ShardKit

@Suite final class RandomAccessFilesTests {
  private let folder = temporaryDirectory()
  deinit { try? FileSystem.removeTree(folder) }

  private func files(_ count: Int) throws -> [(path: String, bytes: Int64)] {
    try (0..<count).map { file in
      let path = "\(folder)/\(file)"
      try FileSystem.write((0..<100).map { UInt8($0 + file) }, to: path)
      return (path, 100)
    }
  }

  @Test func moreFilesThanMayBeOpen() throws {
    let reader = RandomAccessFiles(try files(20), mostOpen: 3)
    #expect(reader.sizes == Array(repeating: 100, count: 20))
    var random = SplitMix(seed: 1)
    var buffer = [UInt8](repeating: 0, count: 5)
    for _ in 0..<2_000 {
      let file = Int(random.next() % 20), offset = Int(random.next() % 95)
      try buffer.withUnsafeMutableBytes { try reader.read(file, at: Int64(offset), into: $0) }
      #expect(buffer == (0..<5).map { UInt8(offset + $0 + file) })
    }
  }

  @Test func aFileThatBecameShorterIsNamed() throws {
    let files = try files(2)
    let reader = RandomAccessFiles(files)
    try FileSystem.write([1, 2, 3], to: files[1].path)
    var buffer = [UInt8](repeating: 0, count: 5)
    let error = #expect(throws: ShardError.self) {
      try buffer.withUnsafeMutableBytes { try reader.read(1, at: 0, into: $0) }
    }
    #expect(error?.code == .malformed && error.map { "\($0)".contains(files[1].path) } == true)
  }

  @Test(arguments: [(1024, 128, 4), (1024, 2, 256), (1 << 17, 256, 256), (0, 0, 0)])
  func theLimitIsSharedByThreads(_ limit: Int, _ threads: Int, _ share: Int) {
    #expect(OpenFiles.share(limit: limit, threads: threads) == share)
  }
}
