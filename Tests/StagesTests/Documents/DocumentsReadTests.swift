import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct PlainTextReadersTests {
  private static let fixtures = packagePath("Fixtures")

  private func texts<S: Stage>(_ type: S.Type, _ options: JSONValue, base: String = fixtures) throws -> [String] {
    let run = try StageHarness(type, options: options, base: base).run()
    #expect(run.ledger.imbalance == 0)
    return try run.documents().map { "\($0.idString) \($0.textString)" }
  }

  @Test func cc100DocumentsArePartedByEmptyLines() throws {
    let plain = try texts(CC100Read.self, ["files": "cc100/ja.txt"])
    #expect(plain.count == 4)
    #expect(
      plain[0] == "cc100:ja.txt:0 春の市場では、声の大きい順に魚が売れる。\n夕方になると、残った鯵は半値になった。")
    #expect(plain[3].hasSuffix("誰も困らない。"))
    let packed = try texts(CC100Read.self, ["files": "cc100/ja-part.txt.xz"])
    #expect(packed.count == 4 && packed[1].hasSuffix("一行だけの文書。（圧縮）"))
  }

  @Test(arguments: [1, 2, 3, 5, 17, 60, 61, 62, 63, 64, 200, 100_000])
  func rangesOfAnySizeGiveTheSameDocuments(rangeBytes: Int) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let text = "\n\n甲\n乙\n\n\n\n丙\r\n\r\n丁\n \n戊\n己\n\n庚"
    try FileSystem.write(Array(text.utf8), to: folder + "/a.txt")
    let options: JSONValue = ["files": .string(folder + "/a.txt"), "rangeBytes": .integer(rangeBytes)]
    #expect(
      try texts(CC100Read.self, options) == [
        "cc100:a.txt:2 甲\n乙", "cc100:a.txt:13 丙", "cc100:a.txt:20 丁", "cc100:a.txt:26 戊\n己", "cc100:a.txt:35 庚",
      ])
    let lines: JSONValue = [
      "files": .string(folder + "/a.txt"), "rangeBytes": .integer(rangeBytes), "document": "line",
    ]
    #expect(try texts(TextRead.self, lines).map { $0.last! } == ["甲", "乙", "丙", "丁", "戊", "己", "庚"])
  }

  @Test func wholeFilesAreDocuments() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.makeDirectory(folder + "/sub")
    try FileSystem.write(Array("\u{FEFF}一行目\r\n二行目\n\n".utf8), to: folder + "/a.txt")
    try FileSystem.write([0x82, 0xA0, 0xFF], to: folder + "/sub/b.txt")
    try FileSystem.write([], to: folder + "/sub/c.txt")
    try FileSystem.write(Array(repeating: 65, count: 200), to: folder + "/sub/d.txt")
    let run = try StageHarness(
      TextRead.self, options: ["files": .string(folder), "maximumDocumentBytes": 100]
    ).run()
    #expect(try run.documents().map { "\($0.idString) \($0.textString)" } == ["text:a.txt 一行目\n二行目"])
    #expect(
      try run.drops().map { "\($0.id) \($0.reason)" } == [
        "text:sub/b.txt invalid-utf8", "text:sub/c.txt empty", "text:sub/d.txt too-large",
      ])
  }

  /// Of an object with a million members and more, neither the record nor its metadata is kept.
  @Test func recordsOfTooManyMembersAreDropped() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let many = String(repeating: #""a":1,"#, count: 1 << 20) + #""b":2"#
    let lines = [
      #"{"id":"1","text":"x","metadata":{\#(many)}}"#, #"{"id":"2","text":"x",\#(many)}"#, #"{"id":"3","text":"x"}"#,
    ]
    try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: folder + "/a.jsonl")
    let options: JSONValue = ["files": .string(folder), "maximumMalformedFraction": 1]
    let run = try StageHarness(DocumentsRead.self, options: options).run()
    #expect(try run.documents().map(\.idString) == ["3"])
    #expect(
      try run.drops().map { [$0.reason, $0.detail] } == [
        ["malformed-json", "its metadata has more than 1048576 members"],
        ["malformed-json", "the object has more than 1048576 members"],
      ])
  }

  @Test func aLongBlockIsDroppedWithoutBeingHeld() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let text = String(repeating: "abcdefghi\n", count: 50) + "\nshort\n"
    try FileSystem.write(Array(text.utf8), to: folder + "/a.txt")
    let run = try StageHarness(
      CC100Read.self, options: ["files": .string(folder + "/a.txt"), "maximumDocumentBytes": 99]
    ).run()
    #expect(try run.documents().map(\.textString) == ["short"])
    #expect(try run.drops() == [.init(id: "cc100:a.txt:0", reason: "too-large", value: 500, threshold: 99)])
  }

  /// Carriage returns end lines wherever ranges begin.
  @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 17, 100_000], ["\r", "\r\n", "\n"])
  func linesOfAnySystemInRangesOfAnySize(rangeBytes: Int, end: String) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let text = "甲\(end)乙\(end)\(end)丙\(end)\(end)\(end)丁 \(end)戊"
    try FileSystem.write(Array(text.utf8), to: folder + "/a.txt")
    func read(_ unit: String) throws -> [String] {
      let options: JSONValue = [
        "files": .string(folder + "/a.txt"), "rangeBytes": .integer(rangeBytes), "document": .string(unit),
      ]
      return try StageHarness(TextRead.self, options: options).run().documents().map(\.textString)
    }
    #expect(try read("block") == ["甲\n乙", "丙", "丁 \n戊"])
    #expect(try read("line") == ["甲", "乙", "丙", "丁 ", "戊"])
    #expect(try read("file") == ["甲\n乙\n\n丙\n\n\n丁 \n戊"])
  }

  @Test func otherLineEndsStayInTheText() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("一\u{85}二\u{2028}三\u{2029}四\u{B}五\u{C}六\r\r\n七\r".utf8), to: folder + "/a.txt")
    #expect(
      try texts(TextRead.self, ["files": .string(folder)]) == [
        "text:a.txt 一\u{85}二\u{2028}三\u{2029}四\u{B}五\u{C}六\n\n七"
      ])
  }

  /// Files that are not what they are taken for are dropped by name; text compressed under another name is read.
  @Test func filesThatAreNoTextAreNamed() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let files: [(String, [UInt8])] = [
      ("a.txt", Array("本文".utf8)), ("b.txt", Array("PK\u{3}\u{4}rest".utf8)), ("c.txt", [0xFF, 0xFE, 0x42, 0x30]),
      ("d.txt", [65, 0, 66]), ("e.txt", Array("%PDF-1.4\n".utf8)),
      ("f.txt", [UInt8](repeating: 97, count: 257) + Array("ustar".utf8)),
    ]
    for (name, bytes) in files { try FileSystem.write(bytes, to: "\(folder)/\(name)") }
    for unit in ["file", "block", "line"] {
      let run = try StageHarness(TextRead.self, options: ["files": .string(folder), "document": .string(unit)]).run()
      #expect(try run.documents().map(\.textString) == ["本文"])
      #expect(try run.drops().map(\.reason) == Array(repeating: "not-text", count: 5))
      #expect(
        try run.drops().compactMap(\.detail) == [
          "it is a zip archive", "it is UTF-16 text", "it is a binary file", "it is a PDF file", "it is a tar archive",
        ])
      #expect(run.ledger.imbalance == 0)
    }
  }

  @Test func anErrorPageIsNoCorpus() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("\n<!DOCTYPE HTML><p>Not found</p>\n".utf8), to: folder + "/ja.txt")
    let corpus = try StageHarness(CC100Read.self, options: ["files": .string(folder), "rangeBytes": 10]).run()
    #expect(try corpus.drops().map(\.detail) == ["it is an HTML page"] && corpus.documents().isEmpty)
    let text = try StageHarness(TextRead.self, options: ["files": .string(folder)]).run()
    #expect(try text.documents().count == 1)
    #expect(throws: (any Error).self) {
      try StageHarness(DocumentsRead.self, options: ["files": .string(folder)]).run()
    }
  }

  @Test func aTruncatedArchiveIsAnError() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let whole = try FileSystem.read(Self.fixtures + "/cc100/ja-part.txt.xz")
    try FileSystem.write(Array(whole.dropLast(40)), to: folder + "/cut.xz")
    #expect { try texts(CC100Read.self, ["files": .string(folder + "/cut.xz")]) } throws: {
      ($0 as? ShardError)?.code == .truncated
    }
  }
}

@Suite struct DocumentsReadTests {
  private static let fixtures = packagePath("Fixtures/documents")

  private func run(_ options: JSONValue) throws -> StageHarness {
    try StageHarness(DocumentsRead.self, options: options, base: Self.fixtures).run()
  }

  /// A large file is several tasks, which give the same documents, drops, ids and places as one.
  @Test(arguments: [1, 900, 5000])
  func largeFilesAreReadInParts(rangeBytes: Int) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var random = SplitMix(seed: 5)
    for name in ["a.jsonl", "b.jsonl.zst", "c.jsonl.gz"] {
      var bytes: [UInt8] = []
      for number in 0..<(name == "b.jsonl.zst" ? 0 : 100) { bytes += line(number, &random) }
      // Frames of their own, as several writers append them.
      for number in 0..<(name == "b.jsonl.zst" ? 100 : 0) { bytes += try compressed(line(number, &random)) }
      let path = "\(folder)/\(name)"
      if name.hasSuffix("gz") {
        let sink = try GzipSink(FileSink(path))
        try sink.write(bytes)
        try sink.commit()
      } else {
        try FileSystem.write(bytes, to: path)
      }
    }
    func read(_ bytesPerTask: Int) throws -> StageHarness {
      let options: JSONValue = [
        "files": .string(folder), "bytesPerTask": .integer(bytesPerTask), "rangeBytes": .integer(rangeBytes),
        "maximumMalformedFraction": 1,
      ]
      return try StageHarness(DocumentsRead.self, options: options).run(backwards: true)
    }
    let (whole, parted) = (try read(1 << 20), try read(1))
    #expect(whole.manifests.count == 1 && parted.manifests.count > 4)
    #expect(try whole.documents().count > 100 && whole.drops().count > 20)
    #expect(try whole.documents() == parted.documents() && whole.drops() == parted.drops())
    #expect(whole.ledger == parted.ledger && whole.ledger.imbalance == 0)
    func places(_ run: StageHarness) throws -> [UInt8] {
      try run.files("places").filter { $0.name.hasSuffix(".places") }.flatMap { try FileSystem.read($0.path) }
    }
    #expect(try places(whole) == places(parted))
  }

  private func line(_ number: Int, _ random: inout SplitMix) -> [UInt8] {
    let text = String(repeating: "文", count: Int(random.next() % 40))
    let lines = [
      #"{"id":"\#(number)","text":"\#(text)文"}"#, #"{"text":"\#(text)文","n":\#(number)}"#, #"{"text":"\#(text)"#, " ",
      "",
    ]
    return Array((lines[Int(random.next() % 5)] + (random.next() % 3 == 0 ? "\r\n" : "\n")).utf8)
  }

  private func compressed(_ bytes: [UInt8]) throws -> [UInt8] {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let sink = ZstdSink(try FileSink(folder + "/frame"))
    try sink.write(bytes)
    try sink.commit()
    return try FileSystem.read(folder + "/frame")
  }

  @Test func readsWhatIsWellFormedAndNamesTheRest() throws {
    let run = try run(["files": "mixed.jsonl", "maximumMalformedFraction": 0.5.json])
    #expect(run.ledger.imbalance == 0)
    let documents = try run.documents()
    #expect(documents.map(\.idString) == ["dolma-1", "mixed.jsonl:2", "3", "dolma-9"])
    #expect(documents[3].textString == "改行\nと \"引用\" と あ。")
    #expect(
      documents.map { String(decoding: $0.source, as: UTF8.self) } == ["sample", "documents", "sample", "sample"])
    #expect(
      documents.map { String(decoding: $0.metadata, as: UTF8.self) } == [
        #"{"url":"https://example.invalid/1"}"#, #"{"title":"無題"}"#, "", "",
      ])
    #expect(documents[0].added == Array("2026-01-01".utf8) && documents[0].created == Array("2025-12-31".utf8))
    let drops = try run.drops()
    #expect(
      drops.map { "\($0.id) \($0.reason)" }.sorted() == [
        "empty empty", "mixed.jsonl:4 malformed-json", "mixed.jsonl:5 malformed-json", "mixed.jsonl:6 malformed-json",
        "mixed.jsonl:8 malformed-json",
      ])
  }

  /// Of repeated objects at the metadata's field the last one's members stand first, in linear time.
  @Test func repeatedMetadataIsLinear() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let count = 100_000
    let objects = (0..<count).map { "\"metadata\":{\"a\($0)\":1}" }.joined(separator: ",")
    let short = #"{"id":"2","text":"y","k":3,"metadata":{"a":1},"metadata":{},"metadata":{"b":2}}"#
    try FileSystem.write(Array("{\"id\":\"1\",\"text\":\"x\",\(objects)}\n\(short)\n".utf8), to: folder + "/a.jsonl")
    var metadata: [String] = []
    let time = try ContinuousClock().measure {
      metadata = try run(["files": .string(folder)]).documents().map { String(decoding: $0.metadata, as: UTF8.self) }
    }
    #expect(time < .seconds(20), "\(time)")
    try #require(metadata.count == 2)
    #expect(metadata[0].hasPrefix("{\"a\(count - 1)\":1,\"a\(count - 2)\":1,") && metadata[0].hasSuffix(",\"a0\":1}"))
    #expect(metadata[1] == #"{"b":2,"a":1,"k":3}"#)
  }

  @Test func tooManyMalformedLinesAreAnError() {
    #expect { try run(["files": "mixed.jsonl"]) } throws: {
      "\($0)".contains("mixed.jsonl: 4 of its 9 lines are not documents; the first: line 4:")
        && "\($0)".contains("maximumMalformedFraction")
    }
  }

  @Test func fieldNamesMayLeadIntoObjects() throws {
    let run = try run([
      "files": "foreign.jsonl.gz", "textField": "content.body", "idField": "meta.docId", "sourceField": "site",
    ])
    let documents = try run.documents()
    #expect(documents.map(\.idString) == ["x-1", "77"])
    #expect(documents.map(\.textString) == ["別の名の欄から本文を取る。", "二つ目の文書。"])
    #expect(documents.map { String(decoding: $0.source, as: UTF8.self) } == ["甲", "乙"])
    #expect(String(decoding: documents[0].metadata, as: UTF8.self).contains(#""meta":{"docId":"x-1"}"#))
    let bare = try StageHarness(
      DocumentsRead.self,
      options: ["files": "foreign.jsonl.gz", "textField": "content.body", "otherFields": "drop"], base: Self.fixtures
    ).run()
    #expect(try bare.documents().map { $0.metadata.isEmpty } == [true, true])
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    let first = try run(["files": "mixed.jsonl", "maximumMalformedFraction": 1])
    let second = try run(["files": .string(first.files("documents")[0].path)])
    #expect(try second.documents() == first.documents())
  }
}
