import ShardKit
import TestKit

/// Small data sets for the tests of this folder.
enum SampleData {
  /// A folder with the samples that `fill` gives, `perShard` in each shard.
  static func write(
    _ columns: [MDSColumn], samples: Int, perShard: Int, compression: MDSCompression? = nil,
    hashes: [MDSHash] = [.xxh64], _ fill: (inout MDSRow, Int) -> Void
  ) throws -> String {
    let folder = temporaryDirectory()
    let schema = try MDSSchema(columns: columns, compression: compression, hashes: hashes)
    let writer = MDSShardWriter(schema)
    var row = MDSRow(schema)
    var shards: [MDSShard] = []
    func seal() throws {
      let digits = "\(shards.count)"
      let name = "shard." + String(repeating: "0", count: 5 - digits.count) + digits + ".mds"
      let sink = try FileSink("\(folder)/\(name)" + (compression.map { ".\($0.fileExtension)" } ?? ""))
      shards.append(try writer.seal(into: sink, basename: name))
      try sink.commit()
    }
    for i in 0..<samples {
      row.removeAll()
      fill(&row, i)
      try writer.append(row)
      if writer.samples == perShard { try seal() }
    }
    if writer.samples > 0 { try seal() }
    try FileSystem.write(Array(MDSIndex(shards: shards).text.utf8), to: folder + "/index.json")
    return folder
  }

  /// Sample `i` has the number `i` in the column `n`.
  static func numbers(samples: Int, perShard: Int) throws -> String {
    try write([MDSColumn("n", .int)], samples: samples, perShard: perShard) { $0.append($1) }
  }
}
