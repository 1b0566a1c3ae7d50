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
  @Test(arguments: [0, 1, 2, 255, 257, 1024, 20_000], [UInt64.max, 1000, 3, 0])
  func sortsInMemoryAndOnDisk(count: Int, greatest: UInt64) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var dice = SplitMix(seed: UInt64(count))
    let records = (0..<UInt32(count)).map { Number(key: UInt64.random(in: 0...greatest, using: &dice), place: $0) }
    for memoryBytes in [1 << 24, 1] {
      let sorter = ExternalSorter<Number>(scratch: folder + "/sort", memoryBytes: memoryBytes)
      for record in records { try sorter.append(record) }
      #expect((sorter.spilledRuns > 0) == (memoryBytes == 1 && count > 1024))
      var sorted: [Number] = []
      try sorter.drain { sorted.append($0) }
      #expect(sorted == records.sorted())
    }
    #expect(try FileSystem.list(folder).isEmpty)
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
