import ShardKit

/// What stands in the store for a file of documents that were handed on in memory: one line that says so, and what the
/// documents were.
struct PassedFile {
  private(set) var documents = 0
  private(set) var textBytes = 0
  private(set) var idHashes: [UInt64] = []
  private var content = Digester()

  mutating func add(_ document: borrowing Document) {
    for field in [
      document.id, document.text, document.source, document.added, document.created, document.version,
      document.metadata,
    ] { field.withUnsafeBytes { add($0) } }
    count(recordHash(document.id), document.text.count)
  }

  mutating func add(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) {
    add(line)
    count(recordHash(id), textBytes)
  }

  private mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let hash = recordHash128(bytes)
    withUnsafeBytes(of: (UInt64(bytes.count).littleEndian, hash.high.littleEndian, hash.low.littleEndian)) {
      content.update($0)
    }
  }

  private mutating func count(_ id: UInt64, _ textBytes: Int) {
    documents += 1
    self.textBytes += textBytes
    idHashes.append(id)
  }

  /// Equal lines stand for equal documents.
  var line: [UInt8] {
    let value: JSONValue = [
      "passed": "These documents went to the next stage in memory and were not kept.",
      "documents": .integer(documents), "textBytes": .integer(textBytes), "content": .string(content.finish().hex),
    ]
    return Array((value.text() + "\n").utf8)
  }
}

extension PublishedFile {
  /// Whether the file only stands for documents that were handed on in memory.
  public var isPassed: Bool { passed ?? false }
}

extension NodeManifest {
  /// Whether documents of a port were handed on in memory and not kept.
  func hasPassed(_ port: String) -> Bool { files.contains { $0.port == port && $0.isPassed } }
}
