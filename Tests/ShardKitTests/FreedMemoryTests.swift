import Glibc
import ShardKit
import Testing

@Suite struct FreedMemoryTests {
  /// The blocks whose second page is in memory. Memory of other tests, which come and go beside this one, does not count.
  private static func inMemory(_ blocks: [UnsafeMutableRawPointer]) -> Int {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    return blocks.count { block in
      let second = UnsafeMutableRawPointer(bitPattern: (Int(bitPattern: block) / page + 1) * page)
      var state: UInt8 = 0
      return mincore(second, page, &state) == 0 && state & 1 == 1
    }
  }

  /// Blocks too small to be mapped, with one at the end that is kept: without help malloc keeps them all.
  @Test func freedBlocksGoBackToTheSystem() throws {
    var blocks: [UnsafeMutableRawPointer] = []
    for _ in 0..<1 << 14 {
      let block = try #require(malloc(1 << 14))
      memset(block, 1, 1 << 14)
      blocks.append(block)
    }
    let kept = blocks.removeLast()
    defer { free(kept) }
    #expect(Self.inMemory(blocks) == blocks.count)
    for block in blocks { free(block) }
    // Another test may have asked within the last second, or may take some of the blocks.
    var left = Int.max
    for _ in 0..<30 where left > blocks.count / 3 {
      FreedMemory.release()
      left = Self.inMemory(blocks)
      if left > blocks.count / 3 { usleep(500_000) }
    }
    #expect(left <= blocks.count / 3)
  }
}
