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
    (["columns": ["a": "body"]], "the column 'a' uses 'body', which is not a field of documents"),
    (["encodings": ["url": "str"]], "there is no column 'url'"),
    (["encodings": ["text": "pkl"]], "'pkl' of the column 'text' is not a supported encoding"),
    (["compression": "br:11"], "'br:11' is not supported"), (["hashes": .strings(["crc"])], "'crc' is not supported"),
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
    .needs(streaming.isUsable, "needs Python with mosaicml-streaming"), arguments: ["none", "zstd:3", "gz:6"])
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

/// Every encoding of a column that a document can fill, written, read by the peer and read back.
@Suite struct MDSEncodingTests {
  private static let texts = [
    "7", "127", "128", "-3", "255", "1000", "70000", "1700000007", "9007199254740993", "x", "",
  ]
  private static let bounds: [String: ClosedRange<Int>] = [
    "int": Int.min...Int.max, "int64": Int.min...Int.max, "uint8": 0...255, "int8": -128...127, "uint16": 0...65535,
    "int16": -32768...32767, "uint32": 0...4_294_967_295, "int32": -2_147_483_648...2_147_483_647,
    "uint64": 0...Int.max, "str_int": Int.min...Int.max,
  ]

  private func written(_ encoding: String, _ field: String) throws -> StageHarness {
    let harness = try StageHarness(
      MDSWrite.self,
      options: ["columns": ["text": "text", "n": .string(field)], "encodings": ["n": .string(encoding)]])
    try harness.add(
      documents: [
        Self.texts.map { text in
          var document = Document(id: text, text: "本文\(text)", metadata: ["n": .string(text)])
          document.created = Array(text.utf8)
          return document
        }
      ])
    try harness.run()
    return harness
  }

  private func back(_ write: StageHarness, _ field: String) throws -> [Document] {
    let read = try StageHarness(MDSRead.self, options: ["columns": [field: "n"]])
    read.add(files: write.files("mds"), to: "mds")
    try read.run()
    #expect(try read.drops().isEmpty)
    return try read.documents()
  }

  @Test(arguments: bounds.keys.sorted(), ["id", "created", "metadata.n"])
  func wholeNumbersComeBackAsDigits(_ encoding: String, _ field: String) throws {
    let write = try written(encoding, field)
    let fitting = Self.texts.filter { Int($0).map(Self.bounds[encoding]!.contains) ?? false }
    #expect(try write.drops().map(\.id) == Self.texts.filter { !fitting.contains($0) })
    #expect(try write.drops().allSatisfy { $0.reason == "no-column-value" && $0.detail == "n" })
    #expect(try back(write, "id").map(\.idString) == fitting)
    #expect(try back(write, "version").map { String(decoding: $0.version, as: UTF8.self) } == fitting)
  }

  @Test(arguments: ["float16", "float32", "float64", "str_float", "str_decimal", "str", "bytes", "json"])
  func otherEncodingsComeBackAsTexts(_ encoding: String) throws {
    let write = try written(encoding, "id")
    let isText = ["str", "bytes", "json"].contains(encoding)
    let limit = ["float16": 65504.0, "float32": 3e38][encoding] ?? 1e300
    let fitting = Self.texts.filter { isText || (Double($0).map { abs($0) <= limit } ?? false) }
    let found = try back(write, "version").map { String(decoding: $0.version, as: UTF8.self) }
    let exact = ["float16": 2048.0, "float32": 0x1p24, "float64": 0x1p53][encoding] ?? .infinity
    #expect(found.count == fitting.count)
    for (text, other) in zip(fitting, found) where isText || abs(Double(text)!) < exact { #expect(text == other) }
  }

  private static let unfit: [(String, String)] = [
    ("str_int", "--5"), ("str_int", "5-3"), ("str_int", "-"), ("str_float", "0x10"), ("str_float", "1_0"),
    ("float64", "0x1p3"), ("float64", "1e400"), ("float32", "1e39"), ("float16", "65520"), ("float64", "infinite"),
    ("int", "7.5"), ("int", "null"), ("uint64", "-1"), ("uint64", "18446744073709551616"), ("int64", "1e19"),
    ("str_decimal", "null"), ("float64", ""),
  ]

  @Test(arguments: unfit)
  func whatIsNoNumberOfTheEncodingIsDropped(_ encoding: String, _ text: String) throws {
    let harness = try StageHarness(
      MDSWrite.self, options: ["columns": ["n": "id"], "encodings": ["n": .string(encoding)]])
    try harness.add(documents: [[Document(id: text, text: "")]])
    try harness.run()
    #expect(try harness.drops().map(\.reason) == ["no-column-value"])
  }

  @Test(.needs(streaming.isUsable, "needs Python with mosaicml-streaming"))
  func mosaicmlStreamingReadsEveryNumber() throws {
    let names = [
      "int", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32",
      "float64", "str_int", "str_float", "json",
    ]
    let harness = try StageHarness(
      MDSWrite.self,
      options: [
        "columns": .object(names.map { JSONMember($0, "id") }),
        "encodings": .object(names.map { JSONMember($0, .string($0)) }),
      ])
    try harness.add(documents: [["7", "0", "127"].map { Document(id: $0, text: "") }])
    try harness.run()
    let output = try #require(streaming.run(folder(of: harness), harness.directory + "/local"))
    let samples = try output.split(separator: 10).map { try JSONValue.parse(Array($0)).value }
    #expect(samples.count == 3)
    for (sample, number) in zip(samples, [7.0, 0, 127]) {
      for name in names.dropLast() { #expect(sample[name]?.double == number, "\(name)") }
      #expect(sample["json"]?.string == String(Int(number)))
    }
  }

  @Test func nullIsMissingAndTheWordStaysTheWord() throws {
    var documents = [Document(id: "1", text: "一"), Document(id: "2", text: "二"), Document(id: "3", text: "三")]
    documents[0].metadata = Array(#"{"k":null}"#.utf8)
    documents[1].metadata = Array(#"{"k":"null"}"#.utf8)
    let harness = try StageHarness(
      MDSWrite.self,
      options: [
        "columns": ["text": "text", "k": "metadata.k", "j": "metadata.k", "b": "metadata.k", "c": "created"],
        "encodings": ["j": "json", "b": "bytes", "c": "json"],
      ])
    try harness.add(documents: [documents])
    try harness.run()
    let reader = try MDSReader(directory: folder(of: harness)).shard(0)
    func column(_ name: String) throws -> [String] {
      let column = try #require(reader.columns.firstIndex { $0.name == name })
      return try (0..<3).map { String(decoding: try reader.value(column, of: $0), as: UTF8.self) }
    }
    #expect(try column("k") == ["", "null", ""] && column("b") == ["", "null", ""])
    #expect(try column("j") == ["null", #""null""#, "null"] && column("c") == ["null", "null", "null"])
    let read = try StageHarness(MDSRead.self, options: ["columns": ["source": "j", "created": "c"]])
    read.add(files: harness.files("mds"), to: "mds")
    try read.run()
    let back = try read.documents()
    #expect(back.map { String(decoding: $0.source, as: UTF8.self) } == ["", "null", ""])
    #expect(back.allSatisfy { $0.created.isEmpty })
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
    #expect(try harness.drops() == [.init(id: "a", reason: "invalid-utf8", detail: "text")])
    #expect(harness.ledger.imbalance == 0)
  }

  /// A pickle is never opened, and an array is no text.
  @Test func columnsThatAreNoTextFillNoField() throws {
    defer { try? FileSystem.removeTree(directory) }
    try write([
      MDSColumn("id", .array(.uint8, shape: [2])), MDSColumn("text", .str), MDSColumn("x", .array(nil, shape: nil)),
    ]) { row in
      row.append(array: [1, 2] as [UInt8])
      row.append("本文")
      row.append(array: [1] as [UInt8])
    }
    let named = try StageHarness(
      MDSRead.self, options: ["path": .string(directory), "columns": ["source": "x"]])
    #expect(throws: StageError.self) { try named.run() }
    let index = try MDSIndex(path: directory + "/index.json").text
    try FileSystem.write(
      Array(
        index.replacing("ndarray:uint8:2", with: "pkl").replacing("[2, null, null]", with: "[null, null, null]").utf8),
      to: directory + "/index.json")
    let pickled = try StageHarness(MDSRead.self, options: ["path": .string(directory), "columns": ["version": "id"]])
    let error = #expect(throws: StageError.self) { try pickled.run() }
    #expect(error?.message == "the column 'id' for 'version' is encoded as 'pkl', which is not text")
    // Not asked for by name: the sample's place is its id.
    try FileSystem.write(Array(index.utf8), to: directory + "/index.json")
    let plain = try StageHarness(MDSRead.self, options: ["path": .string(directory)]).run()
    #expect(try plain.documents().map(\.idString) == ["shard.00000.mds:0"])
  }

  @Test func metadataThatIsNoObjectIsKeptAsAMember() throws {
    defer { try? FileSystem.removeTree(directory) }
    for (value, expected) in [
      ("[1]", #"{"metadata":[1],"url":"u"}"#), ("null", #"{"url":"u"}"#), ("{ }", #"{"url":"u"}"#),
      ("{\n \"a\": 1,\n \"url\": 2\n}", #"{"a":1,"url":"u"}"#), ("{oops", #"{"metadata":"{oops","url":"u"}"#),
    ] {
      try write([MDSColumn("metadata", .json), MDSColumn("text", .str), MDSColumn("url", .str)]) { row in
        row.append(value)
        row.append("本文")
        row.append("u")
      }
      let harness = try StageHarness(MDSRead.self, options: ["path": .string(directory)]).run()
      let metadata = try #require(harness.documents().first?.metadata)
      #expect(try JSONValue.parse(metadata).value == JSONValue.parse(expected).value)
    }
  }

  /// The bytes of a number are no text: 7 and 32 are control characters there, 200 is no UTF-8.
  @Test(arguments: [7, 0, -1, 32, 200, 123])
  func numbersUnderTheMetadatasNameAreMembers(_ number: Int) throws {
    defer { try? FileSystem.removeTree(directory) }
    for (encoding, expected) in [(MDSEncoding.int, "\(number)"), (.scalar(.float64), "\(Double(number))")] {
      try write([MDSColumn("metadata", encoding), MDSColumn("text", .str)]) { row in
        if encoding == .int { row.append(number) } else { row.append(Double(number)) }
        row.append("本文")
      }
      let harness = try StageHarness(MDSRead.self, options: ["path": .string(directory)]).run()
      let metadata = try #require(harness.documents().first?.metadata)
      #expect(String(decoding: metadata, as: UTF8.self) == "{\"metadata\":\(expected)}")
    }
  }

  @Test func sizesBeyondEveryShardAreRefused() throws {
    defer { try? FileSystem.removeTree(directory) }
    try write([MDSColumn("text", .str)]) { $0.append("本文") }
    let index = try MDSIndex(path: directory + "/index.json").text
    for (old, new) in [
      ("\"samples\": 1", "\"samples\": 9223372036854775807"), ("\"samples\": 1", "\"samples\": 4611686018427387904"),
      ("\"bytes\": 198", "\"bytes\": 9223372036854775807"),
    ] {
      #expect(index.contains(old))
      try FileSystem.write(Array(index.replacing(old, with: new).utf8), to: directory + "/index.json")
      #expect(throws: ShardError.self) {
        try StageHarness(MDSRead.self, options: ["path": .string(directory), "verify": false]).run()
      }
    }
  }

  @Test func missingShardsColumnsAndIndexesAreNamed() throws {
    defer { try? FileSystem.removeTree(directory) }
    try write([MDSColumn("body", .str)]) { $0.append("本文") }
    func message(_ options: JSONValue) -> String {
      do { try StageHarness(MDSRead.self, options: options).run() } catch { return "\(error)" }
      return ""
    }
    #expect(message(["path": .string(directory)]).contains("has no column 'text' for 'text'"))
    try FileSystem.remove(directory + "/shard.00000.mds")
    #expect(
      message(["path": .string(directory)]).contains("lists the shard 'shard.00000.mds', which is not in the folder"))
    #expect(message([:]).contains("there is no index.json"))
  }
}
