import Glibc
import ShardKit
import Synchronization
import TestKit
import Testing
import TrainerCore

/// A folder that counts what is fetched from it.
private final class CountingSource: ShardSource {
  let folder: FolderSource
  private let fetched = Mutex<[String]>([])
  init(_ folder: String) { self.folder = FolderSource(folder) }
  var name: String { folder.name }
  var shards: [String] { fetched.withLock { $0.filter { $0 != "index.json" } } }

  func fetch(_ basename: String, to path: String) throws(ShardError) {
    fetched.withLock { $0.append(basename) }
    try folder.fetch(basename, to: path)
  }
}

/// Reads all numbers of a data set that `SampleData.numbers` wrote.
private func numbers(_ dataset: MDSDataset, _ samples: [Int]) throws -> [Int] {
  let column = try #require(dataset.column("n"))
  return try samples.map { sample in
    try dataset.bytes(column, of: sample).withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
  }
}

/// Changes one byte of a file in place.
private func alter(_ path: String, at place: Int) throws {
  let descriptor = open(path, O_RDWR)
  defer { close(descriptor) }
  var byte: UInt8 = 0
  pread(descriptor, &byte, 1, off_t(place))
  byte ^= 0x10
  try #require(pwrite(descriptor, &byte, 1, off_t(place)) == 1)
}

@Suite struct MDSDatasetTests {
  private let everyFifth = (0..<103).map { $0 * 5 % 103 }

  @Test(arguments: [nil, MDSCompression.zstd, MDSCompression(name: "gz:1")])
  func samplesAreReadInAnyOrder(_ compression: MDSCompression?) throws {
    let folder = try SampleData.numbers(samples: 103, perShard: 10, compression: compression)
    defer { try? FileSystem.removeTree(folder) }
    // Room for one shard alone: decompressed ones come and go.
    for memory in [1, 1 << 30] {
      let dataset = try MDSDataset(folder: folder, memoryBytes: memory)
      #expect(dataset.samples == 103 && dataset.shardSamples == [Int](repeating: 10, count: 10) + [3])
      #expect(dataset.place(of: 0) == (0, 0) && dataset.place(of: 29) == (2, 9) && dataset.place(of: 102) == (10, 2))
      dataset.prefetch(everyFifth)
      #expect(try numbers(dataset, everyFifth) == everyFifth)
    }
  }

  @Test(arguments: [nil, MDSCompression.zstd])
  func distantShardsComeOnceAndAreFoundByTheNextRun(_ compression: MDSCompression?) throws {
    let folder = try SampleData.numbers(samples: 103, perShard: 10, compression: compression)
    let cache = temporaryDirectory()
    defer { for path in [folder, cache] { try? FileSystem.removeTree(path) } }
    let source = CountingSource(folder)
    let dataset = try MDSDataset(source: source, cache: cache)
    dataset.prefetch([0, 35, 70])
    #expect(try numbers(dataset, everyFifth) == everyFifth)
    #expect(source.shards.count == 11 && Set(source.shards).count == 11)
    let names = try FileSystem.list(cache)
    #expect(names == ["index.json"] + (0...10).map { "shard.000\($0 < 10 ? "0" : "")\($0).mds" })
    let again = CountingSource(folder)
    #expect(try numbers(try MDSDataset(source: again, cache: cache), everyFifth) == everyFifth)
    #expect(again.shards.isEmpty)
  }

  @Test func theLeastRecentlyUsedShardsGo() throws {
    let folder = try SampleData.numbers(samples: 50, perShard: 10)
    let cache = temporaryDirectory()
    defer { for path in [folder, cache] { try? FileSystem.removeTree(path) } }
    let bytes = try MDSIndex(path: folder + "/index.json").shards[0].raw.bytes
    let source = CountingSource(folder)
    let dataset = try MDSDataset(source: source, cache: cache, limitBytes: 3 * bytes)
    // Shard 0 is used again, so shard 1 goes for shard 3.
    #expect(try numbers(dataset, [5, 15, 25, 0, 35]) == [5, 15, 25, 0, 35])
    #expect(try FileSystem.list(cache).count == 4)
    #expect(try numbers(dataset, [1, 26, 36]) == [1, 26, 36])
    #expect(source.shards.count == 4)
    #expect(try numbers(dataset, [16]) == [16])
    #expect(source.shards.count == 5)
    // The next run counts what it finds.
    let next = try MDSDataset(source: CountingSource(folder), cache: cache, limitBytes: 2 * bytes)
    #expect(try numbers(next, Array(0..<50)) == Array(0..<50))
    #expect(try FileSystem.list(cache).count == 3)
  }

  @Test func wantedShardsAreFetchedAhead() throws {
    let folder = try SampleData.numbers(samples: 50, perShard: 10)
    let cache = temporaryDirectory()
    defer { for path in [folder, cache] { try? FileSystem.removeTree(path) } }
    let source = CountingSource(folder)
    let dataset = try MDSDataset(source: source, cache: cache)
    dataset.prefetch([42, 3, 41])
    for _ in 0..<20_000 where source.shards.count < 2 { usleep(5000) }
    #expect(source.shards == ["shard.00004.mds", "shard.00000.mds"])
  }

  @Test func manyThreadsFetchAShardOnce() async throws {
    let folder = try SampleData.numbers(samples: 200, perShard: 10)
    let cache = temporaryDirectory()
    defer { for path in [folder, cache] { try? FileSystem.removeTree(path) } }
    let source = CountingSource(folder)
    let dataset = try MDSDataset(source: source, cache: cache)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          let order = (0..<200).map { ($0 * 7 + task * 3) % 200 }
          return try numbers(dataset, order) == order
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
    #expect(source.shards.count == 20)
  }
}

@Suite struct DamagedDatasetTests {
  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return "no error"
  }

  @Test(arguments: [nil, MDSCompression.zstd])
  func alteredAndTruncatedShardsAreNamed(_ compression: MDSCompression?) throws {
    let folder = try SampleData.numbers(samples: 30, perShard: 10, compression: compression)
    let cache = temporaryDirectory()
    defer { for path in [folder, cache] { try? FileSystem.removeTree(path) } }
    let suffix = compression == nil ? "" : ".zstd"
    try alter("\(folder)/shard.00001.mds\(suffix)", at: 60)
    try #require(truncate("\(folder)/shard.00002.mds\(suffix)", 50) == 0)
    for distant in [false, true] {
      let dataset =
        distant
        ? try MDSDataset(source: FolderSource(folder), cache: cache) : try MDSDataset(folder: folder)
      #expect(try numbers(dataset, [9]) == [9])
      let altered = message { _ = try numbers(dataset, [10]) }
      #expect(altered.hasPrefix("\(folder)/shard.00001.mds\(suffix): the shard's xxh64 does not match index.json"))
      let truncated = message { _ = try numbers(dataset, [29]) }
      #expect(truncated.hasPrefix("\(folder)/shard.00002.mds\(suffix): the \(distant ? "fetched " : "")shard "))
      #expect(truncated.contains("50 bytes, but index.json says"))
      #expect(try numbers(dataset, [0]) == [0])
    }
    #expect(try FileSystem.list(cache) == ["index.json", "shard.00000.mds"])
  }

  /// What a crash tore in the cache folder is fetched again.
  @Test func aDamagedCacheRepairsItself() throws {
    let folder = try SampleData.numbers(samples: 30, perShard: 10)
    let cache = temporaryDirectory()
    defer { for path in [folder, cache] { try? FileSystem.removeTree(path) } }
    #expect(try numbers(try MDSDataset(source: FolderSource(folder), cache: cache), [5, 15, 25]) == [5, 15, 25])
    try alter("\(cache)/shard.00000.mds", at: 200)
    try #require(truncate("\(cache)/shard.00001.mds", 20) == 0)
    #expect(try numbers(try MDSDataset(source: FolderSource(folder), cache: cache), [5, 15, 25]) == [5, 15, 25])
  }

  @Test func missingShardsAreNamed() throws {
    let folder = try SampleData.numbers(samples: 30, perShard: 10)
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.remove(folder + "/shard.00001.mds")
    let dataset = try MDSDataset(folder: folder)
    #expect(message { _ = try numbers(dataset, [15]) }.hasPrefix("\(folder)/shard.00001.mds: cannot be opened"))
    #expect(message { _ = try MDSDataset(folder: folder + "/none") }.contains("index.json: cannot be opened"))
  }
}

@Suite struct TokenSamplesTests {
  @Test(arguments: [MDSScalar.uint8, .uint16, .int32, .uint32, .int64, .uint64])
  func idsOfEveryIntegerType(_ type: MDSScalar) throws {
    let folder = try SampleData.tokens(samples: 20, perShard: 7, type: type)
    defer { try? FileSystem.removeTree(folder) }
    let samples = try TokenSamples([MDSDataset(folder: folder)])
    for sample in [0, 6, 7, 19] {
      var ids: [Int32] = [-5]
      try samples.append(sample, to: &ids, limit: 64, vocabulary: 100)
      #expect(ids == [-5] + SampleData.tokens(sample))
    }
  }

  @Test func dataSetsFollowOneAnother() throws {
    let folders = try [12, 5, 8].map { try SampleData.tokens(samples: $0, perShard: 5) }
    defer { for folder in folders { try? FileSystem.removeTree(folder) } }
    let samples = try TokenSamples(try folders.map { try MDSDataset(folder: $0) })
    #expect(samples.samples == 25 && samples.shardSamples == [5, 5, 2, 5, 5, 3])
    var ids: [Int32] = []
    for sample in [11, 12, 16, 17, 24] { try samples.append(sample, to: &ids, limit: 64, vocabulary: 100) }
    #expect(ids == [11, 0, 4, 0, 7].flatMap { SampleData.tokens($0) })
    #expect(
      try samples.documents(of: 13) == [
        .init(id: "doc 1", from: 0, count: 3), .init(id: "文書2", from: 4, count: 1),
      ])
  }

  @Test func whatAModelCannotTakeIsAnError() throws {
    let folder = try SampleData.tokens(samples: 20, perShard: 7, type: .int32)
    let numbers = try SampleData.numbers(samples: 3, perShard: 3)
    defer { for path in [folder, numbers] { try? FileSystem.removeTree(path) } }
    let samples = try TokenSamples([MDSDataset(folder: folder)])
    var ids: [Int32] = []
    #expect {
      try samples.append(9, to: &ids, limit: 8, vocabulary: 100)
    } throws: {
      "\($0)" == "\(folder): sample 9 has 12 tokens, the sequence length is 8. "
        + "Raise the sequence length, or tokenize with 'sequenceLength' 8."
    }
    #expect {
      try samples.append(9, to: &ids, limit: 64, vocabulary: 20)
    } throws: {
      "\($0)".hasPrefix("\(folder): token 6 of sample 9 is 20, the vocabulary has 20 tokens.")
    }
    #expect {
      _ = try TokenSamples([MDSDataset(folder: numbers)])
    } throws: {
      "\($0)".hasPrefix("\(numbers): no column 'input_ids' with arrays of token ids among 'n'.")
    }
  }
}

/// Ranks of one machine read the same shards at the same moment, through one folder.
@Suite struct SharedCacheTests {
  private final class Read: Sendable {
    let numbers = Mutex<[[Int]]>([])
  }

  @Test func eightRanksFetchAShardOnce() throws {
    let folder = try SampleData.numbers(samples: 600, perShard: 100), cache = temporaryDirectory()
    let source = CountingSource(folder), read = Read()
    let threads = (0..<8).map { _ in
      BackgroundThread {
        let found = try? numbers(
          MDSDataset(index: folder + "/index.json", source: source, cache: cache, limitBytes: 1 << 30), Array(0..<600))
        read.numbers.withLock { $0.append(found ?? []) }
      }
    }
    for thread in threads { thread?.join() }
    #expect(read.numbers.withLock { $0 } == Array(repeating: Array(0..<600), count: 8))
    #expect(source.shards.count == 6 && Set(source.shards).count == 6)
  }
}
