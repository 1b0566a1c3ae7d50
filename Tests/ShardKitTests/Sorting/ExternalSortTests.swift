import Glibc
import TestKit
import Testing

@testable import ShardKit

private struct Number: SortableRecord {
  var key: UInt64
  var place: UInt32
  var prefix: UInt64 { key >> 8 }
  static func < (a: Number, b: Number) -> Bool { a.key != b.key ? a.key < b.key : a.place < b.place }
}

@Suite struct ExternalSortTests {
  @Test(arguments: [0, 1, 2, 255, 257, 1024, 40_000], [UInt64.max, 1000, 3, 0])
  func sortsInMemoryAndOnDisk(count: Int, greatest: UInt64) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var dice = SplitMix(seed: UInt64(count))
    let records = (0..<UInt32(count)).map { Number(key: UInt64.random(in: 0...greatest, using: &dice), place: $0) }
    for memoryBytes in [1 << 24, 1] {
      let sorter = ExternalSorter<Number>(scratch: folder + "/sort", memoryBytes: memoryBytes)
      // Twice: it is empty in between.
      for part in [records[...], records.prefix(3000)] {
        for record in part { try sorter.append(record) }
        let fits = SortLimits<Number>(memoryBytes: max(memoryBytes, ExternalSorter<Number>.leastBytes)).capacity
        #expect((sorter.spilledRuns > 0) == (part.count > fits))
        var sorted: [Number] = []
        try sorter.drain { sorted.append($0) }
        #expect(sorted == part.sorted())
        #expect(try FileSystem.list(folder).isEmpty && sorter.spilledRuns == 0)
      }
    }
  }

  /// A disk that lost the end of a file: nothing is left out in silence.
  @Test(arguments: [16, 1]) func aShortenedRunIsSaid(lost: Int64) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let sorter = ExternalSorter<Number>(scratch: folder + "/sort", memoryBytes: 1)
    for place in 0..<UInt32(10_000) { try sorter.append(Number(key: 1, place: place)) }
    #expect(sorter.spilledRuns > 1)
    let run = folder + "/sort.run0"
    #expect(truncate(run, Int(FileSystem.status(run)!.bytes - lost)) == 0)
    let error = #expect(throws: ShardError.self) { try sorter.drain { _ in } }
    #expect(error?.code == .truncated)
  }

  /// Whatever is sorted, a sorter holds no more than it was given, and gives it back.
  @Test(arguments: [64 << 10, 100_001, 1 << 20])
  func holdsWhatItWasGiven(memoryBytes: Int) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let all = PageUse()
    try PageUse.$ofAllSorters.withValue(all) {
      let sorter = ExternalSorter<Number>(scratch: folder + "/sort", memoryBytes: memoryBytes)
      let other = ExternalSorter<Number>(scratch: folder + "/other", memoryBytes: memoryBytes)
      var dice = SplitMix(seed: 5)
      // Half of them are equal but for their places, as copies of one notice are.
      for place in 0..<UInt32(200_000) {
        try sorter.append(Number(key: place % 2 == 0 ? 1 : dice.next(), place: ~place))
      }
      // More runs than are merged at once, where memory is least.
      #expect(sorter.spilledRuns > 5 && (sorter.spilledRuns > 7) == (memoryBytes < 1 << 20))
      var last: Number?, ordered = 0
      try sorter.drain { record in
        if last.map({ $0 < record }) ?? true { ordered += 1 }
        last = record
        try other.append(record)
      }
      #expect(ordered == 200_000 && other.spilledRuns > 5)
      try other.drain { _ in }
      #expect(sorter.mostBytes <= memoryBytes && other.mostBytes <= memoryBytes)
      #expect(sorter.mostBytes > memoryBytes * 3 / 4, "it uses what it was given")
    }
    #expect(all.mostBytes <= 2 * memoryBytes && all.mostBytes > memoryBytes && all.bytes == 0)
  }
}

@Suite struct UnionFindTests {
  @Test func joinsTransitively() {
    var sets = UnionFind(count: 6)
    sets.join(0, 1)
    sets.join(2, 3)
    sets.join(1, 3)
    #expect(sets.root(0) == sets.root(2) && sets.root(4) != sets.root(0))
    #expect(sets.census() == (3, 4))
  }
}
