import Glibc
import ShardKit
import Testing

@Suite struct FreedMemoryTests {
  private static func anonymousBytes() throws -> Int {
    let status = try String(decoding: FileSystem.read("/proc/self/status"), as: UTF8.self)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
    return try #require(Int(line.split(separator: " ")[1])) << 10
  }

  /// Blocks too small to be mapped, with one at the end that is kept: without help malloc keeps them all.
  @Test func freedBlocksGoBackToTheSystem() throws {
    let before = try Self.anonymousBytes()
    var blocks: [UnsafeMutableRawPointer] = []
    for _ in 0..<1 << 14 {
      let block = try #require(malloc(1 << 14))
      memset(block, 1, 1 << 14)
      blocks.append(block)
    }
    let kept = blocks.removeLast()
    defer { free(kept) }
    #expect(try Self.anonymousBytes() - before > 200 << 20)
    for block in blocks { free(block) }
    // Another test may have asked within the last second, or may allocate beside this one.
    var left = Int.max
    for _ in 0..<30 where left > 100 << 20 {
      FreedMemory.release()
      left = try Self.anonymousBytes() - before
      if left > 100 << 20 { usleep(500_000) }
    }
    #expect(left <= 100 << 20)
  }
}
