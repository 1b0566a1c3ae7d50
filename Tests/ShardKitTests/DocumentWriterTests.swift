import ShardKit
import TestKit
import Testing

/// Keeps what is written.
private final class Collected: ByteSink {
  var bytes: [UInt8] = []
  func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
  func commit() {}
}

@Suite struct DocumentWriterTests {
  private static let fields: [(name: String, path: WritableKeyPath<Document, [UInt8]> & Sendable)] = [
    ("id", \.id), ("text", \.text), ("source", \.source), ("added", \.added), ("created", \.created),
    ("version", \.version), ("metadata", \.metadata),
  ]

  /// Cut characters, surrogates, long forms, lone bytes: at the end of a field they might join what follows.
  private static let invalid: [[UInt8]] = [
    [0xE3, 0x81], [0x80], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0xF0, 0x9F, 0x8D],
  ]

  @Test(arguments: fields.map(\.name), invalid)
  func everyFieldIsUTF8(_ name: String, _ bytes: [UInt8]) throws {
    let field = try #require(Self.fields.first { $0.name == name })
    var document = Document(id: "a/1", text: "本文", source: "s", metadata: ["k": "v"])
    document[keyPath: field.path] =
      name == "metadata" ? Array(#"{"title":"長"#.utf8) + bytes + Array("\"}".utf8) : Array("長い".utf8) + bytes
    let sink = Collected()
    let writer = DocumentWriter(sink)
    try writer.write(Document(id: "0", text: "前"))
    let error = #expect(throws: ShardError.self) { try writer.write(document) }
    #expect(error?.description.contains("its field '\(name)' is not valid UTF-8 at byte ") == true)
    try writer.write(Document(id: "2", text: "後"))
    try writer.commit()
    let reader = DocumentReader(MemorySource(sink.bytes))
    #expect(try reader.next()?.idString == "0")
    #expect(try reader.next()?.idString == "2")
    #expect(try reader.next() == nil && writer.documents == 2)
  }

  @Test(arguments: ["[1]", "null", #"{"a":1"#, #"{"a":1}{"#, "x", #"{"a":"\#u{1}"}"#, "{'a':1}", "{\"a\":1}\"", " "])
  func metadataIsAnObject(_ metadata: String) throws {
    var document = Document(id: "a/1", text: "本文")
    document.metadata = Array(metadata.utf8)
    let error = #expect(throws: ShardError.self) { try DocumentWriter(Collected()).write(document) }
    #expect(error?.subject == "document 'a/1'" && error?.message.contains("not a JSON object") == true)
  }

  @Test func metadataOfSeveralLinesBecomesOne() throws {
    var document = Document(id: "a", text: "一\n二")
    document.metadata = Array("{\n  \"k\": [\r\n1,\n2]\n}".utf8)
    let sink = Collected()
    let writer = DocumentWriter(sink)
    for _ in 0..<2 { try writer.write(document) }
    try writer.commit()
    #expect(sink.bytes.count { $0 == 10 } == 2)
    #expect(try JSONValue.parse(Array(sink.bytes.prefix { $0 != 10 })).value["metadata"]?["k"]?.array?.count == 2)
  }

  @Test func repeatedKeysAreWrittenOnceAndCounted() throws {
    var document = Document(id: "a", text: "一")
    document.metadata = Array(#"{"url":"inner","n":1,"url":"outer"}"#.utf8)
    let sink = Collected()
    let writer = DocumentWriter(sink)
    try writer.write(document)
    try writer.commit()
    #expect(try JSONValue.parse(Array(sink.bytes.dropLast())).value["metadata"]?["url"]?.string == "outer")
    #expect(writer.repeatedKeys == 1 && writer.firstRepeated == Array("a".utf8))
  }
}
