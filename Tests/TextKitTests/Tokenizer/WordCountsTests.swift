import TestKit
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

  /// Words that wait while others are added, longer ones than can wait, and more of them than wait at once.
  @Test func wordsThatWaitAreCounted() throws {
    var random = SplitMix(seed: 5)
    var expected: [String: Int64] = [:]
    var counts = WordCounts()
    for _ in 0..<500 {
      for _ in 0..<random.next() % 40 {
        let word = String(repeating: "語", count: Int(random.next() % 25)) + "\(random.next() % 50)"
        expected[word, default: 0] += 1
        Array(word.utf8).withUnsafeBufferPointer { counts.addSoon($0) }
      }
      counts.settle()
      #expect(counts.count == expected.count)
    }
    var found: [String: Int64] = [:]
    try counts.forEachSorted { found[String(decoding: $0, as: UTF8.self)] = $1 }
    #expect(found == expected)
  }
}
