import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needsParquet, .needsParquetPeer)
struct ParquetWriteTests {
  private static func documents(_ count: Int, from first: Int = 0) -> [Document] {
    (first..<first + count).map { i in
      // A field that appears late, one of two types, one of integers and decimals, structures that differ.
      var metadata: [JSONMember] = [
        JSONMember("url", .string("https://example.org/\(i)?a=\"b\"")),
        JSONMember("score", i % 2 == 0 ? .integer(i) : .number(0.5)),
        JSONMember("mixed", i % 2 == 0 ? .integer(i) : .string("甲\n\(i)")),
        JSONMember(
          "nested",
          .object([JSONMember("k\(i % 3)", .list([.integer(i), .null])), JSONMember("flag", .bool(i % 2 == 0))])),
        JSONMember("text", .string("of metadata")), JSONMember("empty", .list([])),
      ]
      if i > 250 { metadata.append(JSONMember("late", .list([.object([JSONMember("x", .integer(i))])]))) }
      var document = Document(
        id: "doc-\(i)", text: "\(i)番目の文書。" + String(repeating: "水車", count: i % 50), source: "s\(i % 2)",
        metadata: i % 10 == 9 ? nil : .object(metadata))
      if i % 2 == 0 { document.created = Array("2024-01-01T00:00:00Z".utf8) }
      return document
    }
  }

  private func write(_ options: JSONValue = [:], backwards: Bool = false) throws -> StageHarness {
    let harness = try StageHarness(ParquetWrite.self, options: options)
    try harness.add(documents: [Self.documents(200), Self.documents(100, from: 200)])
    try harness.run(backwards: backwards)
    #expect(harness.ledger.imbalance == 0)
    return harness
  }

  private func rows(_ harness: StageHarness) throws -> [JSONValue] {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for file in harness.files("files") {
      try FileSystem.write(FileSystem.read(file.path), to: "\(folder)/\(file.name)")
    }
    let output = try #require(parquetPeer.run("load", folder))
    return try output.split(separator: 10).map { try JSONValue.parse(Array($0)).value }
  }

  @Test func dataSetsReadsWhatWasWritten() throws {
    let all = try rows(try write())
    let features = all[0]
    #expect(
      features.members?.map(\.key) == [
        "id", "text", "source", "created", "url", "score", "mixed", "nested", "metadata_text", "empty", "late",
      ])
    #expect(features["score"] == "Value('float64')")
    #expect(features["late"] == "List({'x': Value('int64')})")
    let documents = Self.documents(300)
    #expect(all.count == 301)
    for (row, document) in zip(all.dropFirst(), documents) {
      #expect(row["id"]?.string == document.idString && row["text"]?.string == document.textString)
      #expect(row["created"] == (document.created.isEmpty ? .null : "2024-01-01T00:00:00Z"))
      guard !document.metadata.isEmpty else {
        #expect(row["url"] == .null && row["nested"] == .null)
        continue
      }
      let metadata = try JSONValue.parse(document.metadata).value
      #expect(row["url"] == metadata["url"] && row["score"]?.double == metadata["score"]?.double)
      #expect(row["mixed"]?.string == metadata["mixed"]?.string ?? metadata["mixed"]?.text())
      #expect(row["metadata_text"] == "of metadata" && row["empty"] == .list([]))
      #expect(row["late"] == metadata["late"] ?? .null)
      for member in metadata["nested"]?.members ?? [] { #expect(row["nested"]?[member.key] == member.value) }
    }
  }

  /// The order of tasks changes nothing; rows groups are of about equal size; pages are indexed.
  @Test func bytesDoNotDependOnTheOrderOfTasks() throws {
    let options: JSONValue = ["fileBytes": 10_000, "rowGroupBytes": 5_000, "split": "test"]
    let harness = try write(options)
    #expect(harness.digests == (try write(options, backwards: true)).digests)
    #expect(harness.files("files").map(\.name) == ["test-00000.parquet", "test-00001.parquet"])
    let facts = try JSONValue.parse(try #require(parquetPeer.run("describe", harness.files("files")[0].path))).value
    #expect(facts["codecs"] == .list(["ZSTD"]) && facts["pageIndex"] == .bool(true) && facts["rows"] == .integer(200))
    #expect((facts["groups"]?.array?.count ?? 0) > 2)
  }

  @Test func metadataAsJSONComesBackUnchanged() throws {
    let written = try write(["metadata": "json"])
    let read = try StageHarness(DocumentsRead.self)
    read.add(files: written.files("files"), to: "files")
    try read.run()
    #expect(try read.documents() == Self.documents(300))
  }

  @Test func theStructureOfMetadataIsOneColumn() throws {
    let features = try rows(try write(["metadata": "structure"]))[0]
    #expect(features.members?.map(\.key) == ["id", "text", "source", "created", "metadata"])
    #expect(try rows(try write(["metadata": "drop"]))[0].members?.map(\.key) == ["id", "text", "source", "created"])
  }

  @Test func tooManyFieldsAreAnError() throws {
    let many = JSONValue.object((0..<300).map { JSONMember("k\($0)", 1) })
    let harness = try StageHarness(ParquetWrite.self)
    try harness.add(documents: [[Document(id: "1", text: "x", metadata: many)]])
    let error = #expect(throws: StageError.self) { try harness.run() }
    #expect(error?.message == "the documents have more than 256 different metadata fields")
    // Below the top they are written as their JSON.
    let nested = try StageHarness(ParquetWrite.self)
    try nested.add(documents: [[Document(id: "1", text: "x", metadata: ["counts": many])]])
    #expect(try rows(try nested.run())[1]["counts"]?.string == many.text())
  }
}
