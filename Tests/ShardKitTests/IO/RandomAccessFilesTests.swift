import TestKit
import Testing

@testable import ShardKit

@Suite final class RandomAccessFilesTests {
  private let folder = temporaryDirectory()
  deinit { try? FileSystem.removeTree(folder) }

  private func files(_ count: Int) throws -> [String] {
    try (0..<count).map { file in
      let path = "\(folder)/\(file)"
      try FileSystem.write((0..<100).map { UInt8($0 + file) }, to: path)
      return path
    }
  }

  @Test func moreFilesThanMayBeOpen() throws {
    let reader = try RandomAccessFiles(try files(20), mostOpen: 3)
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
    let paths = try files(2)
    let reader = try RandomAccessFiles(paths)
    try FileSystem.write([1, 2, 3], to: paths[1])
    var buffer = [UInt8](repeating: 0, count: 5)
    let error = #expect(throws: ShardError.self) {
      try buffer.withUnsafeMutableBytes { try reader.read(1, at: 0, into: $0) }
    }
    #expect(error?.code == .malformed && error.map { "\($0)".contains(paths[1]) } == true)
  }
}
