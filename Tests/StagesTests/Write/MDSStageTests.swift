import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private let streaming = PeerScript("mosaicml_streaming.py")

/// Documents with the texts that formats like to trip over: empty, quoted, outside the first plane, long.
private func sampleDocuments(_ count: Int, from first: Int = 0) -> [Document] {
  (first..<first + count).map { i in
    let texts = ["", "春は\"あけぼの\"\\\n", "𠮷野家🍚", String(repeating: "長い文。", count: 40 + i), "nul\u{0}と\u{7F}"]
    return Document(
      id: "文書-\(i)", text: texts[i % 5], source: "試験",
      metadata: ["url": .string("https://example.jp/\(i)"), "tokens": .integer(i), "nested": ["score": .number(0.5)]])
  }
}

/// The data set's files under their names in a folder of their own, as a task would leave them.
private func folder(of harness: StageHarness) -> String {
  String(harness.files("mds")[0].path.dropLast("index.json".count))
}

@Suite struct MDSWriteTests {
  @Test(arguments: ["none", "zstd:3", "gz"])
  func everyDocumentBecomesASampleAndComesBack(_ compression: String) throws {
    let documents = [sampleDocuments(40), sampleDocuments(30, from: 40), [], sampleDocuments(5, from: 70)]
    let write = try StageHarness(
      MDSWrite.self,
      options: ["shardBytes": 4096, "compression": .string(compression), "hashes": .strings(["sha1", "xxh64"])])
    try write.add(documents: documents)
    try write.run()
    let all = documents.flatMap { $0 }
    #expect(write.ledger.imbalance == 0 && write.ledger.consumed.documents == all.count)
    let index = try MDSIndex(path: folder(of: write) + "index.json")
    #expect(index.samples == all.count && index.shards.count > 3)
    #expect(index.shards.allSatisfy { $0.samples > 0 && $0.raw.hashes.count == 2 })
    #expect(index.shards.map(\.raw.basename).last == "shard.0000\(index.shards.count - 1).mds")
    #expect(write.files("mds").dropFirst().map(\.documents) == index.shards.map(\.samples))

    let read = try StageHarness(MDSRead.self, options: ["source": "試験"])
    read.add(files: write.files("mds"), to: "mds")
    try read.run()
    #expect(try read.documents().map(\.id) == all.map(\.id))
    #expect(try read.documents().map(\.text) == all.map(\.text))
    #expect(read.ledger.imbalance == 0 && read.ledger.output.documents == all.count)
  }

  @Test func tasksInAnyOrderGiveTheSameBytes() throws {
    func digests(backwards: Bool) throws -> [String: String] {
      let harness = try StageHarness(MDSWrite.self, options: ["shardBytes": 2048])
      try harness.add(documents: (0..<6).map { sampleDocuments(12, from: 12 * $0) })
      try harness.run(backwards: backwards)
      #expect(harness.manifests.count > 3)
      return harness.digests
    }
    #expect(try digests(backwards: false) == digests(backwards: true))
  }

  /// Text for two and a half shards makes three of about equal size, not two full ones and a sliver.
  @Test func shardsOfATaskAreOfEqualSize() throws {
    let documents = (0..<100).map { Document(id: "\(1000 + $0)", text: String(repeating: "文", count: 100)) }
    let harness = try StageHarness(MDSWrite.self, options: ["shardBytes": 13_000])
    try harness.add(documents: [documents])
    try harness.run()
    let samples = try MDSIndex(path: folder(of: harness) + "index.json").shards.map(\.samples)
    #expect(samples == [34, 34, 32])
  }

  /// So that all processors work to the end, a task gets about a shard of text, and the files decide where it is cut.
  @Test func aTaskGetsAboutAShard() throws {
    let harness = try StageHarness(MDSWrite.self, options: ["shardBytes": 10_000])
    let documents = (0..<8).map { file in
      (0..<10).map { Document(id: "\(file)-\($0)", text: String(repeating: "a", count: 450)) }
    }
    try harness.add(documents: documents)
    try harness.run()
    #expect(harness.manifests.map(\.ledger.consumed.documents) == [20, 20, 20, 20, 0])
  }

  @Test func idsOfEverySampleAreFoundWithTheShard() throws {
    let documents = sampleDocuments(20)
    let harness = try StageHarness(MDSWrite.self, options: ["shardBytes": 2048])
    try harness.add(documents: [documents])
    try harness.run()
    var hashes: [UInt64] = []
    for file in harness.files("ids") {
      let bytes = try FileSystem.read(file.path)
      hashes += bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    }
    #expect(hashes == documents.map { recordHash($0.id) })
    #expect(harness.files("ids").first?.name == "mds/shard.00000.mds.ids")
  }

  @Test func metadataBecomesColumnsAndMissingNumbersAreDrops() throws {
    var documents = sampleDocuments(4)
    documents[2].metadata = Array(#"{"url":"x"}"#.utf8)
    let harness = try StageHarness(
      MDSWrite.self,
      options: [
        "columns": [
          "id": "id", "text": "text", "url": "metadata.url", "n": "metadata.tokens", "s": "metadata.nested.score",
          "all": "metadata",
        ], "encodings": ["n": "uint16", "s": "json"],
      ])
    try harness.add(documents: [documents])
    try harness.run()
    #expect(try harness.drops() == [.init(id: "文書-2", reason: "no-column-value", detail: "n")])
    let reader = try MDSReader(directory: folder(of: harness)).shard(0)
    #expect(reader.columns.map(\.name) == ["all", "id", "n", "s", "text", "url"])
    func text(_ column: Int, _ sample: Int) throws -> String {
      String(decoding: try reader.value(column, of: sample), as: UTF8.self)
    }
    #expect(try text(0, 0) == String(decoding: documents[0].metadata, as: UTF8.self))
    #expect(try Array(reader.value(2, of: 2)) == [3, 0])
    #expect(try text(3, 0) == "0.5")
    #expect(try text(5, 1) == "https://example.jp/1")
  }

  private static let wrongOptions: [(JSONValue, String)] = [
    (["columns": ["a": "body"]], "the column 'a' asks for 'body', which documents do not have"),
    (["encodings": ["url": "str"]], "there is no column 'url'"),
    (["encodings": ["text": "pkl"]], "'pkl' of the column 'text' is no encoding of a document's field"),
    (["compression": "br:11"], "'br:11' is not known"), (["hashes": .strings(["crc"])], "'crc' is not known"),
    (["columns": [:]], "there must be at least one column"),
  ]

  @Test(arguments: wrongOptions)
  func wrongOptionsAreNamed(_ options: JSONValue, _ message: String) {
    let error = #expect(throws: StageError.self) { try StageHarness(MDSWrite.self, options: options) }
    #expect(error.map { "\($0)".contains(message) } == true)
  }

  @Test func noDocumentsAreAnEmptyDataSet() throws {
    let harness = try StageHarness(MDSWrite.self)
    try harness.add(documents: [[]])
    try harness.run()
    #expect(harness.files("mds").map(\.name) == ["index.json"])
    #expect(try MDSIndex(path: harness.files("mds")[0].path).shards.isEmpty)
  }

  @Test(
    .enabled(if: streaming.isUsable, "needs Python with mosaicml-streaming"), arguments: ["none", "zstd:3", "gz:6"])
  func mosaicmlStreamingFindsEveryDocument(_ compression: String) throws {
    let documents = [sampleDocuments(60), sampleDocuments(25, from: 60)]
    let harness = try StageHarness(
      MDSWrite.self,
      options: [
        "shardBytes": 4096, "compression": .string(compression),
        "columns": ["id": "id", "text": "text", "n": "metadata.tokens", "文": "metadata"],
        "encodings": ["n": "int32"],
      ])
    try harness.add(documents: documents)
    try harness.run()
    let output = try #require(streaming.run(folder(of: harness), harness.directory + "/local"))
    let lines = output.split(separator: 10).map { try? JSONValue.parse(Array($0)).value }
    #expect(lines.count == 85)
    for (line, document) in zip(lines, documents.joined()) {
      #expect(line?["id"]?.string == document.idString)
      #expect(line?["text"]?.string == document.textString)
      let metadata = try JSONValue.parse(document.metadata).value
      #expect(line?["文"]?.text(sortedKeys: true) == metadata.text(sortedKeys: true))
      #expect(line?["n"]?.integer == line?["文"]?["tokens"]?.integer)
    }
  }
}

@Suite struct MDSReadTests {
  private let directory = temporaryDirectory()

  private func write(_ columns: [MDSColumn], _ fill: (inout MDSRow) -> Void) throws {
    let schema = try MDSSchema(columns: columns)
    let writer = MDSShardWriter(schema)
    var row = MDSRow(schema)
    fill(&row)
    try writer.append(row)
    let file = try FileSink(directory + "/shard.00000.mds")
    let shard = try writer.seal(into: file, basename: "shard.00000.mds")
    try file.commit()
    try FileSystem.write(Array(MDSIndex(shards: [shard]).text.utf8), to: directory + "/index.json")
  }

  @Test func columnsAreMappedAndTheRestBecomesMetadata() throws {
    defer { try? FileSystem.removeTree(directory) }
    try write([
      MDSColumn("body", .str), MDSColumn("half", .scalar(.float16)), MDSColumn("n", .int), MDSColumn("tags", .json),
      MDSColumn("u", .digits("str_int")), MDSColumn("x", .array(nil, shape: nil)),
    ]) { row in
      row.append("本文")
      row.append(0.5)
      row.append(-4)
      row.append(#"["a"]"#)
      row.append("007")
      row.append(array: [1] as [UInt8])
    }
    let harness = try StageHarness(
      MDSRead.self, options: ["path": .string(directory), "columns": ["text": "body"], "source": "mds"])
    try harness.run()
    let document = try #require(harness.documents().first)
    #expect(document.idString == "shard.00000.mds:0" && document.textString == "本文")
    #expect(String(decoding: document.source, as: UTF8.self) == "mds")
    #expect(
      String(decoding: document.metadata, as: UTF8.self) == #"{"half":0.5,"n":-4,"tags":["a"],"u":"007"}"#)
  }

  @Test func textThatIsNoUTF8IsDropped() throws {
    defer { try? FileSystem.removeTree(directory) }
    try write([MDSColumn("id", .str), MDSColumn("text", .bytes)]) { row in
      row.append("a")
      row.append([0xE3, 0x81])
    }
    let harness = try StageHarness(MDSRead.self, options: ["path": .string(directory)]).run()
    #expect(try harness.drops() == [.init(id: "a", reason: "invalid-utf8")])
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func missingShardsColumnsAndIndexesAreNamed() throws {
    defer { try? FileSystem.removeTree(directory) }
    try write([MDSColumn("body", .str)]) { $0.append("本文") }
    func message(_ options: JSONValue) -> String {
      do { try StageHarness(MDSRead.self, options: options).run() } catch { return "\(error)" }
      return ""
    }
    #expect(message(["path": .string(directory)]).contains("the data set has no column 'text' for 'text'"))
    try FileSystem.remove(directory + "/shard.00000.mds")
    #expect(message(["path": .string(directory)]).contains("its shard 'shard.00000.mds' is not in the folder"))
    #expect(message([:]).contains("there is no index.json"))
  }
}
