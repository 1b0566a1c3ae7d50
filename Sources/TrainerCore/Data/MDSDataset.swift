import Glibc
public import ShardKit

/// An MDS data set whose samples are read in any order: from its folder, or from elsewhere through a cache folder.
public final class MDSDataset: Sendable {
  /// The folder or server, for messages.
  public let name: String
  public let index: MDSIndex
  /// Samples of each shard; samples are numbered across shards.
  public let shardSamples: [Int]
  public let samples: Int
  /// The same in every shard.
  public let columns: [MDSColumn]
  private let starts: [Int]
  private let cache: ShardCache

  /// A data set in its folder: raw shards are mapped, compressed ones decompressed into memory.
  /// - Parameter memoryBytes: limit for all decompressed shards together; one is always kept.
  /// - Throws: `ShardError` if index.json cannot be read, the data set is empty, or the columns of its shards differ.
  public convenience init(folder: String, memoryBytes: Int = 4 << 30) throws(ShardError) {
    try self.init(
      folder, MDSIndex(path: folder + "/index.json"), .folder(folder), limitBytes: memoryBytes)
  }

  /// The same with an index that was read already.
  convenience init(folder: String, _ index: MDSIndex, memoryBytes: Int) throws(ShardError) {
    try self.init(folder, index, .folder(folder), limitBytes: memoryBytes)
  }

  /// A data set elsewhere: each shard is fetched shortly before it is needed, verified by its hashes, and kept raw in
  /// the cache folder, where the next run finds it.
  /// - Parameter limitBytes: limit for the cache folder; the least recently used shards are removed. One is always
  ///   kept.
  /// - Throws: `ShardError` if index.json cannot be fetched or read, the data set is empty, or the columns of its
  ///   shards differ.
  public convenience init(
    source: any ShardSource, cache: String, limitBytes: Int = .max
  ) throws(ShardError) {
    try FileSystem.makeDirectory(cache)
    let path = cache + "/index.json"
    let fetched = "\(cache)/.index.json.\(getpid()).fetching"
    try source.fetch("index.json", to: fetched)
    try FileSystem.rename(fetched, to: path)
    try self.init(source.name, MDSIndex(path: path), .cache(cache, source), limitBytes: limitBytes)
  }

  /// The same for a data set whose index is already here; the source's own is not fetched.
  /// - Throws: `ShardError` if the index cannot be read, the data set is empty, or the columns of its shards differ.
  public convenience init(
    index path: String, source: any ShardSource, cache: String, limitBytes: Int
  ) throws(ShardError) {
    try FileSystem.makeDirectory(cache)
    try self.init(source.name, MDSIndex(path: path), .cache(cache, source), limitBytes: limitBytes)
  }

  private init(_ name: String, _ index: MDSIndex, _ place: ShardLocation, limitBytes: Int) throws(ShardError) {
    guard let first = index.shards.first, index.samples > 0 else {
      throw ShardError(.malformed, name, "the data set has no samples", hint: "Check the stage that wrote it.")
    }
    columns = first.columns
    for (number, shard) in index.shards.enumerated() where shard.columns != first.columns {
      throw ShardError(
        .unsupported, name, "the columns of shard \(number) are not those of shard 0",
        hint: "Wire data sets of different columns as different inputs.")
    }
    self.name = name
    self.index = index
    shardSamples = index.shards.map(\.samples)
    var start = 0
    var starts: [Int] = []
    for samples in shardSamples {
      starts.append(start)
      start += samples
    }
    self.starts = starts
    samples = start
    cache = ShardCache(index.shards, place, limitBytes: limitBytes)
  }

  // MARK: Samples

  /// The index of a column; nil if there is none of that name.
  public func column(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }

  /// The shard that contains a sample, and its number there. Binary search.
  public func place(of sample: Int) -> (shard: Int, number: Int) {
    precondition((0..<samples).contains(sample))
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= sample { low = middle } else { high = middle }
    }
    return (low, sample - starts[low])
  }

  /// A column's value as stored: UTF-8 for `str`, JSON for `json`, little-endian for numbers.
  /// - Throws: `ShardError` if the shard cannot be fetched or read, or is damaged.
  public func bytes(_ column: Int, of sample: Int) throws(ShardError) -> [UInt8] {
    let (shard, number) = place(of: sample)
    let reader = try cache.shard(shard)
    defer { withExtendedLifetime(reader) {} }
    return Array(try reader.value(column, of: number))
  }

  /// Lends a sample's array to `body`; it is valid only during the call.
  func withArray<Result>(
    _ column: Int, of sample: Int, _ body: (MDSArray) throws(ShardError) -> Result
  ) throws(ShardError) -> Result {
    let (shard, number) = place(of: sample)
    let reader = try cache.shard(shard)
    defer { withExtendedLifetime(reader) {} }
    return try body(reader.array(column, of: number))
  }

  /// Announces the next samples, so that their shards are open in time.
  public func prefetch(_ samples: some Sequence<Int>) {
    var isWanted = [Bool](repeating: false, count: starts.count)
    var shards: [Int] = []
    for sample in samples {
      let shard = place(of: sample).shard
      guard !isWanted[shard] else { continue }
      isWanted[shard] = true
      shards.append(shard)
    }
    cache.prefetch(shards)
  }
}
