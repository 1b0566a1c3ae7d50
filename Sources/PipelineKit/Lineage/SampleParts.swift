public import ShardKit

/// A sample of an MDS data set, and the documents in it.
public struct SampleParts: Equatable, Sendable {
  /// A document in a sample, or a part of one.
  public struct Part: Equatable, Sendable {
    /// nil if the sample does not name it.
    public var id: String?
    /// `recordHash` of its id.
    public var hash: UInt64
    /// Tokens of the document before this part.
    public var from: Int
    /// Places of the sample that it takes up; nil if samples are not of tokens.
    public var count: Int?
  }

  public var shard: Int
  /// The shard's file.
  public var file: String
  /// From 0, in the shard.
  public var sample: Int
  public var parts: [Part]

  public init(shard: Int, file: String, sample: Int, parts: [Part] = []) {
    self.shard = shard
    self.file = file
    self.sample = sample
    self.parts = parts
  }
}

/// Reads which documents the samples of a data set are from.
public final class SampleReading {
  private let data: MDSReader
  /// The folder of the ids of each shard.
  private let ids: String?
  private var current: OpenShard?

  private struct OpenShard {
    var number: Int
    var reader: MDSShardReader
    /// The documents of its samples, one each; nil if there is no such list.
    var hashes: [UInt64]?
  }

  /// - Parameters:
  ///   - folder: of index.json and the shards.
  ///   - ids: the folder of the shards' lists of ids; nil: there are none.
  /// - Throws: `ShardError` if index.json cannot be read.
  public init(folder: String, ids: String?) throws(ShardError) {
    data = try MDSReader(directory: folder)
    self.ids = ids
  }

  /// A data set in the store.
  /// - Throws: `ShardError` if index.json cannot be read.
  public convenience init(_ artifact: ArtifactAncestry.Artifact, _ store: RunStore) throws(ShardError) {
    let folder = store.artifacts.directory(of: artifact.manifest)
    try self.init(folder: "\(folder)/\(artifact.port)", ids: "\(folder)/\(Workspace.idsPort)/\(artifact.port)")
  }

  public var index: MDSIndex { data.index }

  /// The shard of this number, or whose file has this name.
  /// - Throws: `RunError` (`.notFound`) with the shards that there are.
  public func shard(named name: String) throws -> Int {
    let shards = index.shards
    if let number = Int(name), shards.indices.contains(number) { return number }
    let file = ArchivePath.lastPart(of: name)
    if let number = shards.firstIndex(where: { $0.raw.basename == file || $0.stored.basename == file }) {
      return number
    }
    throw RunError(
      .notFound, "the data set has no shard '\(name)'",
      hint:
        "It has \(shards.count), from \(shards.first?.stored.basename ?? "") to \(shards.last?.stored.basename ?? "").")
  }

  /// - Throws: `RunError` (`.notFound`) if the shard has no such sample; `ShardError` if it cannot be read.
  public func sample(_ number: Int, of shardNumber: Int) throws -> SampleParts {
    let entry = index.shards[shardNumber]
    guard (0..<entry.samples).contains(number) else {
      throw RunError(
        .notFound, "\(entry.stored.basename) has no sample \(number)",
        hint: "Its \(entry.samples) samples count from 0 to \(entry.samples - 1).")
    }
    let place = try opened(shardNumber)
    let shard = place.reader
    var sample = SampleParts(shard: shardNumber, file: entry.stored.basename, sample: number)
    if let column = shard.columns.firstIndex(where: { $0.name == "documents" && $0.encoding == .json }) {
      sample.parts = Self.packed(Array(try shard.value(column, of: number)))
    } else if let hash = place.hashes?[number] {
      let column = shard.columns.firstIndex { $0.name == "id" }
      let id = try column.map { Array(try shard.value($0, of: number)) }.flatMap { recordHash($0) == hash ? $0 : nil }
      sample.parts = [
        SampleParts.Part(id: id.map { String(decoding: $0, as: UTF8.self) }, hash: hash, from: 0, count: nil)
      ]
    }
    return sample
  }

  /// Consecutive samples are often in one shard.
  private func opened(_ number: Int) throws -> OpenShard {
    if let current, current.number == number { return current }
    let shard = OpenShard(
      number: number, reader: try data.shard(number, verify: false), hashes: try hashes(of: index.shards[number]))
    current = shard
    return shard
  }

  static func packed(_ text: [UInt8]) -> [SampleParts.Part] {
    let parts = (try? JSONValue.parse(text))?.value.array ?? []
    return parts.compactMap { part in
      guard let part = part.array, part.count == 3, let id = part[0].string, let from = part[1].integer,
        let count = part[2].integer
      else { return nil }
      return SampleParts.Part(id: id, hash: recordHash(Array(id.utf8)), from: from, count: count)
    }
  }

  private func hashes(of entry: MDSShard) throws -> [UInt64]? {
    guard let path = ids.map({ "\($0)/\(entry.stored.basename).ids" }), FileSystem.exists(path) else { return nil }
    let mapped = try MappedFile(path)
    return withExtendedLifetime(mapped) {
      let words = mapped.bytes.bindMemory(to: UInt64.self)
      return words.count == entry.samples ? words.map { UInt64(littleEndian: $0) } : nil
    }
  }
}
