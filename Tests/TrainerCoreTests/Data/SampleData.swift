import ShardKit
import TestKit
import TrainerCore

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
  static func numbers(samples: Int, perShard: Int, compression: MDSCompression? = nil) throws -> String {
    try write([MDSColumn("n", .int)], samples: samples, perShard: perShard, compression: compression) {
      $0.append($1)
    }
  }

  /// Ids of a sample: [CLS] = 2, ordinary ones from 6 to 99 that tell samples apart, [SEP] = 3; 3 to 32 tokens.
  static func tokens(_ sample: Int) -> [Int32] {
    [2] + (0..<1 + sample % 30).map { Int32(6 + (sample + $0) % 94) } + [3]
  }

  /// Tokens of the documents in a packed sample.
  static func packing(_ sample: Int) -> [Int] { [3 + sample % 7, 4 + sample % 5, 3 + sample % 11] }

  /// What the stage `tokenizer.encode` writes, with several documents in each sample.
  static func packed(samples: Int, perShard: Int) throws -> String {
    let columns = [MDSColumn("documents", .json), MDSColumn("input_ids", .array(.uint16, shape: nil))]
    return try write(columns, samples: samples, perShard: perShard) { row, sample in
      let counts = packing(sample)
      row.append("[" + counts.map { #"["doc \#(sample)",0,\#($0)]"# }.joined(separator: ",") + "]")
      var ids: [UInt16] = []
      for (number, count) in counts.enumerated() {
        ids.append(2)
        for place in 0..<count - 2 { ids.append(UInt16(6 + (sample * 5 + number * 29 + place) % 94)) }
        ids.append(3)
      }
      row.append(array: ids)
    }
  }

  /// What the stage `tokenizer.encode` writes, for samples of `tokens`.
  static func tokens(
    samples: Int, perShard: Int, type: MDSScalar = .uint16, compression: MDSCompression? = nil
  ) throws -> String {
    let columns = [MDSColumn("documents", .json), MDSColumn("input_ids", .array(type, shape: nil))]
    return try write(columns, samples: samples, perShard: perShard, compression: compression) { row, sample in
      row.append(#"[["doc \#(sample)",0,\#(2 + sample)],["文書\#(2 * sample)",4,1]]"#)
      let ids = tokens(sample)
      switch type {
      case .uint8: row.append(array: ids.map { UInt8($0) })
      case .uint16: row.append(array: ids.map { UInt16($0) })
      case .uint32: row.append(array: ids.map { UInt32($0) })
      case .int64: row.append(array: ids.map { Int64($0) })
      case .uint64: row.append(array: ids.map { UInt64($0) })
      default: row.append(array: ids)
      }
    }
  }
}

extension ShuffleOrder.Algorithm {
  /// Those of mosaicml-streaming.
  static let streamings: [Self] = [.py1e, .py1s, .py2s, .py1br]
}
