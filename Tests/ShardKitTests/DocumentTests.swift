import ShardKit
import TestKit
import Testing

private func read(_ lines: String) throws -> [Document] {
  let reader = DocumentReader(MemorySource(Array(lines.utf8), name: "test.jsonl"))
  var out: [Document] = []
  while let document = try reader.next() { out.append(document) }
  return out
}

@Suite struct DocumentTests {
  /// A Dolma document of another writer: other fields, spaces, escapes, any order.
  @Test func readsWhatOthersWrite() throws {
    let document = try #require(
      try read(
        #"{ "metadata" : {"url": "https://example.jp/\u3042"} , "extra": [1], "text": "\u3044\n", "id": "a/1" }"#
      ).first)
    #expect(document.idString == "a/1")
    #expect(document.textString == "い\n")
    #expect(document.source.isEmpty)
    #expect(String(decoding: document.metadata, as: UTF8.self) == #"{"url": "https://example.jp/\u3042"}"#)
  }

  @Test func randomDocumentsRoundTripThroughEveryFormat() throws {
    var random = RandomJSON(seed: 21)
    var documents: [Document] = []
    for i in 0..<500 {
      var document = Document(id: "\(i)" + random.string(), text: random.string(), source: random.string())
      document.added = Array(random.string().utf8)
      document.created = Array(random.string().utf8)
      document.version = Array(random.string().utf8)
      document.metadata = i % 3 == 0 ? [] : Array(random.object().text().utf8)
      documents.append(document)
    }
    for wrap in [{ $0 }, { ZstdSink($0) }, { try GzipSink($0) }] as [(any ByteSink) throws -> any ByteSink] {
      let folder = temporaryDirectory()
      defer { try? FileSystem.removeTree(folder) }
      let writer = DocumentWriter(try wrap(FileSink(folder + "/d")))
      for document in documents { try writer.write(document) }
      try writer.commit()
      let reader = try DocumentReader(path: folder + "/d")
      var out: [Document] = []
      while let document = try reader.next() { out.append(document) }
      #expect(out == documents)
      #expect(writer.documents == 500)
      #expect(writer.textBytes == documents.reduce(0) { $0 + $1.text.count })
      #expect(writer.idHashes == documents.map { recordHash($0.id) })
    }
  }

  /// Arrays are used again; nothing of one document may stay in the next.
  @Test func aUsedDocumentIsCleared() throws {
    let full = #"{"id":"a","text":"t","source":"s","added":"x","created":"y","version":"z","metadata":{"m":1}}"#
    let reader = DocumentReader(MemorySource(Array((full + "\n" + #"{"id":"b","text":""}"#).utf8)))
    var document = Document()
    #expect(try reader.next(&document))
    #expect(try reader.next(&document))
    #expect(document == Document(id: "b", text: ""))
    #expect(try !reader.next(&document))
  }

  @Test func ofARepeatedKeyTheLastValueCounts() throws {
    let documents = try read(#"{"id":"a","id":"b","text":"one","text":"two","metadata":{},"metadata":null}"#)
    #expect(documents == [Document(id: "b", text: "two")])
    #expect(throws: ShardError.self) { try read(#"{"id":"a","text":"one","text":2}"#) }
  }

  @Test(arguments: [
    (#"{"text":"t"}"#, #"it has no string "id""#), (#"{"id":"a"}"#, #"it has no string "text""#),
    (#"{"id":7,"text":"t"}"#, #"it has no string "id""#), (#"{"id":"a","text":null}"#, #"it has no string "text""#),
    ("", "the line is empty"),
    (#"{"id":"a","text":"t","metadata":{"n":tru}}"#, "a value is not JSON, or nested deeper than 128"),
  ])
  func linesThatAreNoDocument(_ line: String, _ problem: String) {
    let first = #"{"id":"a","text":"t"}"# + "\n"
    let error = #expect(throws: ShardError.self) { try read(first + line + "\n") }
    #expect(
      error?.description == "test.jsonl: line 2 is not a document: \(problem). "
        + "Read external files with the stage 'documents.read', which drops such lines and counts them.")
  }

  /// Bytes that are no UTF-8 never reach a document's text.
  @Test func invalidUTF8IsRefused() {
    for bad: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE3, 0x81], [0x80]] {
      let line = Array(#"{"id":"a","text":""#.utf8) + bad + Array(#""}"#.utf8)
      #expect(throws: ShardError.self) { try DocumentReader(MemorySource(line)).next() }
    }
  }
}
