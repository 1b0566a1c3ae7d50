import PipelineKit
import ShardKit

/// The shards of one task, named after the task and written one by one. `MDSIndexing` numbers them.
///
/// If the task's text needs several shards, it is distributed about evenly, so that the last shard is not tiny.
final class SealedShards {
  private let schema: MDSSchema
  private let writer: MDSShardWriter
  private let workspace: Workspace
  private let sealed: Output<MDS>
  private let entries: Output<Intermediate>
  private var shards: [MDSShard] = []
  private var ids: [UInt64] = []
  private var textBytes = 0
  /// A shard is sealed when it holds this amount of text, even if more would fit.
  private let textBytesPerShard: Int64

  /// - Parameter expectingBytes: the size of the task's text, if the shards consist of it.
  init(
    _ schema: MDSSchema, _ workspace: Workspace, _ sealed: Output<MDS>, _ entries: Output<Intermediate>,
    expectingBytes: Int64? = nil
  ) {
    self.schema = schema
    writer = MDSShardWriter(schema)
    self.workspace = workspace
    self.sealed = sealed
    self.entries = entries
    // Ids, sizes and offsets add a few percent to the text.
    let full = Int64(schema.shardBytes) * 15 / 16 + 1
    textBytesPerShard =
      expectingBytes.map { text in
        let shards = max(1, (text + full - 1) / full)
        return (text + shards - 1) / shards
      } ?? .max
  }

  func append(_ row: borrowing MDSRow, id: [UInt8], textBytes: Int) throws {
    try append(row, ids: CollectionOfOne(recordHash(id)), textBytes: textBytes)
  }

  /// Appends a sample of several documents, with the `recordHash` of each document's id.
  func append(_ row: borrowing MDSRow, ids: some Sequence<UInt64>, textBytes: Int) throws {
    if !writer.fits(row) || Int64(self.textBytes) >= textBytesPerShard { try seal() }
    try writer.append(row)
    self.ids.append(contentsOf: ids)
    self.textBytes += textBytes
  }

  func finish() throws {
    if writer.samples > 0 { try seal() }
    let list = JSONValue.list(shards.map(\.json)).text()
    try workspace.write(entries, name: workspace.task.key + ".json", Array(list.utf8))
  }

  private func seal() throws {
    try workspace.control.check()
    let basename = "\(workspace.task.key)-\(TaskPlan.padded(shards.count)).mds"
    let name = basename + (schema.compression.map { ".\($0.fileExtension)" } ?? "")
    let file = try workspace.file(sealed, name)
    let shard = try writer.seal(into: file, basename: basename)
    try workspace.publish(sealed, file, name: name, documents: shard.samples, textBytes: Int64(textBytes))
    try workspace.write(entries, name: name + ".ids", ids.withUnsafeBytes { Array($0) })
    shards.append(shard)
    ids.removeAll(keepingCapacity: true)
    textBytes = 0
  }
}

/// Combines sealed shards: `shard.00000.mds`, … and `index.json`, with the ids by which `trace` finds a sample.
enum MDSIndexing {
  static func run(
    _ workspace: Workspace, from sealed: Output<MDS> = MDSWrite.sealed,
    _ entries: Output<Intermediate> = MDSWrite.entries,
    into dataSet: Output<MDS> = MDSWrite.dataSet
  ) throws {
    MDSShardWriter.releaseMemory()
    let files = Dictionary(uniqueKeysWithValues: workspace.files(sealed).map { ($0.name, $0) })
    let described = workspace.files(entries)
    let ids = Dictionary(uniqueKeysWithValues: described.map { ($0.name, $0) })
    var shards: [MDSShard] = []
    for file in described where file.name.hasSuffix(".json") {
      for entry in try JSONValue.parse(FileSystem.read(file.path)).value.array ?? [] {
        guard let shard = try? MDSShard(json: entry), let stored = files[shard.stored.basename] else {
          throw StageError(.input, file.name, "describes a missing shard", hint: "Run with --force.")
        }
        let numbered = shard.numbered(shards.count)
        let hashes = try ids[stored.name + ".ids"].map { try Self.hashes(in: $0.path) } ?? []
        try workspace.link(dataSet, name: numbered.stored.basename, to: stored, ids: hashes)
        shards.append(numbered)
      }
    }
    try workspace.write(dataSet, name: "index.json", Array(MDSIndex(shards: shards).text.utf8))
  }

  private static func hashes(in path: String) throws -> [UInt64] {
    try FileSystem.read(path).withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
    }
  }
}
