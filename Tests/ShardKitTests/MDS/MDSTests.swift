import TestKit
import Testing

@testable import ShardKit

/// Writes rows into one shard file and gives its entry.
private func writeShard(_ schema: MDSSchema, to path: String, _ rows: [@Sendable (inout MDSRow) -> Void]) throws
  -> MDSShard
{
  let writer = MDSShardWriter(schema)
  var row = MDSRow(schema)
  for fill in rows {
    row.removeAll()
    fill(&row)
    try writer.append(row)
  }
  let file = try FileSink(path)
  let shard = try writer.seal(into: file, basename: "shard.00000.mds")
  try file.commit()
  return shard
}

private func goldenSchema(_ compression: MDSCompression? = nil) throws -> MDSSchema {
  try MDSSchema(
    columns: [
      MDSColumn("text", .str), MDSColumn("n", .array(nil, shape: nil)),
      MDSColumn("input_ids", .array(.uint16, shape: [4])),
    ], compression: compression, hashes: [.sha1])
}

private let goldenRows: [@Sendable (inout MDSRow) -> Void] = [
  { row in
    row.append(array: [1, 2, 3, 4] as [UInt16])
    row.append(array: [7] as [Int64])
    row.append("あ")
  },
  { row in
    row.append(array: [5, 6, 7, 8] as [UInt16])
    ([1, 2] as [UInt8]).withUnsafeBytes { row.append(array: $0, .uint8, shape: [1, 2]) }
    row.append("ab")
  },
]

@Suite struct ShardBufferTests {
  /// More offsets than room was kept for, and samples beyond the expected size: the shard is the same.
  @Test(arguments: [(8, 0), (8, 100), (1 << 22, 1 << 10)])
  func aBufferThatIsTooSmallGrows(_ capacity: Int, _ room: Int) throws {
    var buffer = ShardBuffer(capacity: capacity, room: room)
    var expected: [UInt8] = []
    for i in 0..<300 {
      let piece = [UInt8](repeating: UInt8(i & 255), count: i)
      piece.withUnsafeBytes { buffer.append($0) }
      expected += piece
    }
    #expect(buffer.count == expected.count)
    for header in [[UInt8](repeating: 7, count: 90), [1, 2, 3]] {
      let whole = try buffer.take(header: header) { Array($0) }
      #expect(whole == header + expected)
      #expect(buffer.count == 0)
      expected.withUnsafeBytes { buffer.append($0) }
    }
  }
}

@Suite struct MDSFormatTests {
  @Test func encodingsAreNamedAsInTheFormat() {
    for name in MDSScalar.allCases.map(\.rawValue) + [
      "bytes", "str", "int", "json", "str_int", "pkl", "list[png]",
    ] {
      #expect(MDSEncoding(name: name)?.name == name)
    }
    #expect(MDSEncoding(name: "ndarray:uint16:4,2") == .array(.uint16, shape: [4, 2]))
    #expect(MDSEncoding(name: "ndarray:uint16:4,2")?.fixedBytes == 16)
    #expect(MDSEncoding(name: "ndarray:uint16")?.fixedBytes == nil)
    for bad in [
      "", "ndarray:", "ndarray:uint16:0", "ndarray:uint16:4,", "ndarray:text", "ndarray:uint8:1:1", "string",
    ] {
      #expect(MDSEncoding(name: bad) == nil)
    }
  }

  @Test func hashesAreThoseOfPython() {
    let expected = [
      "md5": "900150983cd24fb0d6963f7d28e17f72", "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
      "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "xxh32": "32d153ff",
      "xxh64": "44bc2cf5ad770999", "xxh3_64": "78af5f94892f3950", "xxh128": "06b05ab6733a618578af5f94892f3950",
    ]
    for (name, hex) in expected {
      #expect(Array("abc".utf8).withUnsafeBytes { MDSHash(rawValue: name)?.hex($0) } == hex)
    }
  }

  @Test func compressionsAreNamedAsInTheFormat() {
    #expect(MDSCompression(name: "zstd")?.level == 3)
    #expect(MDSCompression(name: "gz")?.level == 9)
    #expect(MDSCompression(name: "zstd:19")?.name == "zstd:19")
    for bad in ["", "zstd:", "zstd:0", "zstd:23", "zst", "br:11"] { #expect(MDSCompression(name: bad) == nil) }
  }

  @Test func schemaSortsColumnsAndRefusesWhatCannotBeWritten() throws {
    let schema = try MDSSchema(
      columns: [MDSColumn("text", .str), MDSColumn("id", .str)], hashes: [.xxh64, .md5])
    #expect(schema.columns.map(\.name) == ["id", "text"])
    #expect(schema.hashes == [.md5, .xxh64])
    #expect(throws: ShardError.self) { try MDSSchema(columns: []) }
    #expect(throws: ShardError.self) { try MDSSchema(columns: [MDSColumn("a", .str), MDSColumn("a", .int)]) }
    #expect(throws: ShardError.self) { try MDSSchema(columns: [MDSColumn("a", .opaque("pkl"))]) }
    #expect(throws: ShardError.self) { try MDSSchema(columns: [MDSColumn("a", .str)], shardBytes: 1 << 32) }
  }
}

@Suite struct MDSWriterTests {
  private let directory = temporaryDirectory()

  /// The shard whose bytes MosaicML Streaming 0.13 gave for the same rows.
  @Test func goldenShardByteForByte() throws {
    defer { try? FileSystem.removeTree(directory) }
    let path = directory + "/shard.00000.mds"
    let shard = try writeShard(try goldenSchema(), to: path, goldenRows)
    let bytes = try FileSystem.read(path)
    #expect(bytes.count == 303)
    #expect(hexadecimal(bytes[249..<279]) == "0b0000000300000001000200030004004104010700000000000000e38182")
    #expect(hexadecimal(bytes[279..<303]) == "060000000200000005000600070008000808010201026162")
    #expect(shard.raw.hashes == ["sha1": "7181b4d7d85044d50848b75ed1d460bbdc50474c"])
    #expect(
      MDSIndex(shards: [shard]).text
        == #"{"shards": [{"column_encodings": ["ndarray:uint16:4", "ndarray", "str"], "#
        + #""column_names": ["input_ids", "n", "text"], "column_sizes": [8, null, null], "compression": null, "#
        + #""format": "mds", "hashes": ["sha1"], "raw_data": {"basename": "shard.00000.mds", "bytes": 303, "#
        + #""hashes": {"sha1": "7181b4d7d85044d50848b75ed1d460bbdc50474c"}}, "samples": 2, "size_limit": 67108864, "#
        + #""version": 2, "zip_data": null}], "version": 2}"#)
  }

  @Test(arguments: ["zstd:3", "zstd", "gz", "gz:1"])
  func compressedShardsReadBackEqual(_ name: String) throws {
    defer { try? FileSystem.removeTree(directory) }
    let schema = try goldenSchema(MDSCompression(name: name))
    let path = directory + "/compressed"
    let shard = try writeShard(schema, to: path, goldenRows)
    #expect(shard.raw.bytes > 300 && shard.zip?.basename.hasPrefix("shard.00000.mds.") == true)
    let reader = try MDSShardReader(path: path, shard)
    #expect(try reader.array(0, of: 1).elements(UInt16.self) == [5, 6, 7, 8])
    #expect(try reader.array(1, of: 1).shape == [1, 2])
    #expect(try reader.array(1, of: 0).elements(Int64.self) == [7])
    #expect(try String(decoding: reader.value(2, of: 0), as: UTF8.self) == "あ")
  }

  @Test func aSampleOverTheLimitGetsAShardOfItsOwnAndNoneIsEmpty() throws {
    let schema = try MDSSchema(columns: [MDSColumn("text", .str)], shardBytes: 1000)
    let writer = MDSShardWriter(schema)
    var row = MDSRow(schema)
    row.append(String(repeating: "x", count: 5000))
    #expect(writer.fits(row), "an empty shard takes any row")
    try writer.append(row)
    row.removeAll()
    row.append("y")
    #expect(!writer.fits(row))
  }

  @Test func aShardIsFilledToItsLimitExactly() throws {
    let schema = try MDSSchema(columns: [MDSColumn("text", .str)], shardBytes: 400)
    let writer = MDSShardWriter(schema)
    var row = MDSRow(schema)
    row.append("")
    try writer.append(row)
    let room = 400 - writer.bytes - 8
    row.removeAll()
    row.append(String(repeating: "x", count: room + 1))
    #expect(!writer.fits(row))
    row.removeAll()
    row.append(String(repeating: "x", count: room))
    #expect(writer.fits(row))
    try writer.append(row)
    #expect(writer.bytes == 400)
  }

  @Test func wrongValuesAreNamed() throws {
    let schema = try MDSSchema(columns: [
      MDSColumn("a", .scalar(.uint8)), MDSColumn("b", .array(.uint16, shape: nil)),
    ])
    let writer = MDSShardWriter(schema)
    func message(_ fill: (inout MDSRow) -> Void) -> String {
      var row = MDSRow(schema)
      fill(&row)
      do { try writer.append(row) } catch { return "\(error)" }
      return ""
    }
    #expect(
      message { $0.append(256) }.contains(
        "MDS column 'a': the number 256 is not a valid value for the encoding 'uint8'"))
    #expect(message { $0.append(1) }.contains("a row has 1 values, but its schema has 2 columns"))
    #expect(
      message {
        $0.append(1)
        $0.append(array: [1] as [UInt32])
      }.contains("an array of uint32"))
    #expect(
      message {
        $0.append(1)
        $0.append(array: [] as [UInt16])
      }.contains("shape [0]"))
    #expect(writer.samples == 0)
  }

  @Test func everyScalarIsStoredLittleEndian() throws {
    defer { try? FileSystem.removeTree(directory) }
    let schema = try MDSSchema(columns: [
      MDSColumn("a", .int), MDSColumn("b", .scalar(.int16)), MDSColumn("c", .scalar(.float16)),
      MDSColumn("d", .scalar(.float32)), MDSColumn("e", .digits("str_int")), MDSColumn("f", .json),
    ])
    let shard = try writeShard(
      schema, to: directory + "/s",
      [
        { row in
          row.append(-2)
          row.append(-3)
          row.append(1.5)
          row.append(0.25)
          row.append(12345)
          row.append(#"{"a": 1}"#)
        }
      ])
    let reader = try MDSShardReader(path: directory + "/s", shard)
    var values: [String] = []
    try reader.sample(0) { values.append(hexadecimal($1)) }
    #expect(
      values == ["feffffffffffffff", "fdff", "003e", "0000803e", "3132333435", hexadecimal(#"{"a": 1}"#.utf8)])
  }
}

@Suite struct MDSReaderTests {
  private let directory = temporaryDirectory()

  private func dataSet() throws -> MDSIndex {
    let schema = try MDSSchema(columns: [MDSColumn("id", .str), MDSColumn("text", .str)])
    let shard = try writeShard(
      schema, to: directory + "/shard.00000.mds",
      (0..<5).map { i in
        { row in
          row.append("d\(i)")
          row.append(String(repeating: "本", count: i))
        }
      })
    let index = MDSIndex(shards: [shard])
    try FileSystem.write(Array(index.text.utf8), to: directory + "/index.json")
    return index
  }

  @Test func indexReadsBackEqual() throws {
    defer { try? FileSystem.removeTree(directory) }
    let index = try dataSet()
    #expect(try MDSReader(directory: directory).index == index)
    #expect(index.samples == 5)
    #expect(index.shards[0].numbered(123456).raw.basename == "shard.123456.mds")
  }

  @Test func aTruncatedShardIsNamed() throws {
    defer { try? FileSystem.removeTree(directory) }
    _ = try dataSet()
    let bytes = try FileSystem.read(directory + "/shard.00000.mds")
    try FileSystem.write(Array(bytes.dropLast(7)), to: directory + "/shard.00000.mds")
    let error = #expect(throws: ShardError.self) { try MDSReader(directory: directory).shard(0) }
    #expect(error?.code == .truncated)
    #expect(error?.message == "the shard has \(bytes.count - 7) bytes, but index.json says \(bytes.count)")
  }

  @Test func aFlippedBitIsFoundByTheHash() throws {
    defer { try? FileSystem.removeTree(directory) }
    _ = try dataSet()
    var bytes = try FileSystem.read(directory + "/shard.00000.mds")
    bytes[bytes.count - 1] ^= 1
    try FileSystem.write(bytes, to: directory + "/shard.00000.mds")
    let error = #expect(throws: ShardError.self) { try MDSReader(directory: directory).shard(0) }
    #expect(error?.message == "the shard's xxh64 does not match index.json")
    #expect(throws: Never.self) { try MDSReader(directory: directory).shard(0, verify: false) }
  }

  /// Every byte of the header set to every of a few values: an error or a sample inside the shard, never a crash.
  @Test func damagedOffsetsNeverReachOutside() throws {
    defer { try? FileSystem.removeTree(directory) }
    let index = try dataSet()
    let original = try FileSystem.read(directory + "/shard.00000.mds")
    for at in 0..<original.count {
      for value: UInt8 in [0, 1, 0x7F, 0xFF] {
        var bytes = original
        bytes[at] = value
        try FileSystem.write(bytes, to: directory + "/damaged")
        guard let reader = try? MDSShardReader(path: directory + "/damaged", index.shards[0], verify: false)
        else { continue }
        for i in 0..<reader.samples { try? reader.sample(i) { _, value in _ = value.reduce(0, ^) } }
      }
    }
  }

  @Test(arguments: ["../x.mds", "/x.mds", ""])
  func anIndexCannotPointOutsideItsFolder(_ name: String) throws {
    defer { try? FileSystem.removeTree(directory) }
    var index = try dataSet()
    index.shards[0].raw.basename = name
    let error = #expect(throws: ShardError.self) {
      try MDSIndex(text: Array(index.text.utf8), name: "index.json")
    }
    #expect(error?.message == "shard 0 is outside the folder: '\(name)'")
  }

  @Test(arguments: ["{}", "[", #"{"version": 1, "shards": []}"#, #"{"version": 2, "shards": [{}]}"#])
  func foreignIndexesAreRefused(_ text: String) {
    #expect(throws: ShardError.self) { try MDSIndex(text: Array(text.utf8), name: "index.json") }
  }
}
