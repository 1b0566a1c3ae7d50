import Testing
import TextKit

/// When counted words are spilled.
@Suite struct WordCountsTests {
  private func bytes(_ words: [String]) -> Int {
    var counts = WordCounts()
    for word in words { Array(word.utf8).withUnsafeBufferPointer { counts.add($0) } }
    return counts.memoryBytes
  }

  /// What arrays hold beyond their elements depends on the allocator, and spills would with it.
  @Test func theMemoryFollowsFromTheWordsAlone() {
    let slots = 8 << 12
    #expect(bytes([]) == slots)
    #expect(bytes(["ab"]) == slots + 2 + 32)
    #expect(bytes(["ab", "ab", "水車"]) == slots + 2 + 6 + 64)
    // Its table grows when half of it is used.
    let many = (0..<2049).map { "\(10_000 + $0)" }
    #expect(bytes(many) == 2 * slots + 2049 * (5 + 32))
  }
}
