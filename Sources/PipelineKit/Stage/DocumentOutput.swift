public import ShardKit

/// Writes documents to an output's files: `KEY.jsonl.zst`, or `KEY-00000.jsonl.zst` and so on if files are rotated.
///
/// Where the next stage works in the same pass, they go to it instead, and what would be a file is only recorded.
public final class DocumentOutput {
  private struct Part {
    let name: String
    let writer: any DocumentPart
  }

  private unowned let workspace: Workspace
  private let port: String
  private let rotateAtBytes: Int64
  private let compressionLevel: Int
  private let link: PassLink?
  private let hearer: ((Document) -> Void)?
  private var parts = 0
  private var current: Part?

  init(
    workspace: Workspace, port: String, link: PassLink?, hearer: ((Document) -> Void)?, rotateAtBytes: Int64,
    compressionLevel: Int
  ) {
    self.workspace = workspace
    self.port = port
    self.link = link
    self.hearer = hearer
    self.rotateAtBytes = rotateAtBytes
    self.compressionLevel = compressionLevel
  }

  /// Writes a document and counts it as output; one that was removed from the store is dropped instead.
  /// - Returns: whether it was written.
  /// - Throws: `ShardError`: the disk is full, or the document is one that no reader would take (a field that is not
  ///   UTF-8, metadata that is not one JSON object), which is a fault of the stage; where the next stage works in the same
  ///   pass, also its failure, which is no `ShardError`.
  @discardableResult
  public func write(_ document: borrowing Document) throws -> Bool {
    let bytes = document.text.count
    if try document.id.withUnsafeBytes({ try workspace.leavesOut(id: $0, bytes: bytes) }) { return false }
    try part().write(document)
    workspace.ledger.output.add(bytes: document.text.count)
    return true
  }

  /// Writes a document's JSON line without parsing it.
  /// - Throws: as `write(_:)` does.
  public func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws {
    if try workspace.leavesOut(id: id, bytes: textBytes) { return }
    try part().write(line: line, id: id, textBytes: textBytes)
    workspace.ledger.output.add(bytes: textBytes)
  }

  /// The part that is open.
  private func part() throws -> any DocumentPart {
    if let writer = current?.writer {
      if Int64(writer.textBytes) < rotateAtBytes { return writer }
      try finishPart()
    }
    return try begin()
  }

  private func begin() throws -> any DocumentPart {
    let key = workspace.task.key
    let name = (rotateAtBytes == .max ? key : "\(key)-\(TaskPlan.padded(parts))") + ".jsonl.zst"
    let file = try FileSink(workspace.stagedPath(port, name))
    let writer: any DocumentPart =
      if let link {
        try PassedPart(link, file, name: name)
      } else if let hearer {
        HeardPart(hearer, file)
      } else {
        DocumentFile(file, level: compressionLevel)
      }
    current = Part(name: name, writer: writer)
    parts += 1
    return writer
  }

  private func finishPart() throws {
    guard let part = current else { return }
    let writer = part.writer
    try writer.finish()
    workspace.warn(
      "repeated-keys", times: writer.repeatedKeys,
      "'\(String(decoding: writer.firstRepeated, as: UTF8.self))' has a repeated metadata key; its last value is kept"
    )
    try workspace.publish(
      PublishedFile(
        port: port, name: part.name, bytes: writer.file.bytes, digest: writer.file.digest, documents: writer.documents,
        textBytes: Int64(writer.textBytes), passed: link == nil && hearer == nil ? nil : true),
      ids: writer.idHashes)
    current = nil
  }

  /// Called by the workspace when the task ends.
  func finish() throws { try finishPart() }
}

/// Where the documents of one file go, and what is known of them afterwards.
private protocol DocumentPart: AnyObject {
  var documents: Int { get }
  var textBytes: Int { get }
  var idHashes: [UInt64] { get }
  var repeatedKeys: Int { get }
  /// The id of the first document with a repeated key.
  var firstRepeated: [UInt8] { get }
  var file: FileSink { get }

  func write(_ document: borrowing Document) throws
  func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws
  /// Called once, after the last document.
  func finish() throws
}

private final class DocumentFile: DocumentPart {
  private let sink: ZstdSink
  private let writer: DocumentWriter
  let file: FileSink
  var documents: Int { writer.documents }
  var textBytes: Int { writer.textBytes }
  var idHashes: [UInt64] { writer.idHashes }
  var repeatedKeys: Int { writer.repeatedKeys }
  var firstRepeated: [UInt8] { writer.firstRepeated }

  init(_ file: FileSink, level: Int) {
    self.file = file
    sink = ZstdSink(file, level: level)
    writer = DocumentWriter(sink)
  }

  func write(_ document: borrowing Document) throws { try writer.write(document) }

  func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws {
    try writer.write(line: line, id: id, textBytes: textBytes)
  }

  func finish() throws { try writer.commit() }
}

/// Hands documents on in memory; its file is the line that stands for them.
private final class PassedPart: DocumentPart {
  private let link: PassLink
  private var passed = PassedFile()
  private(set) var repeatedKeys = 0
  private(set) var firstRepeated: [UInt8] = []
  let file: FileSink
  var documents: Int { passed.documents }
  var textBytes: Int { passed.textBytes }
  var idHashes: [UInt64] { passed.idHashes }

  init(_ link: PassLink, _ file: FileSink, name: String) throws {
    self.link = link
    self.file = file
    try link.begin(file: name)
  }

  func write(_ document: borrowing Document) throws {
    let isRepeated = try link.readBack(document)
    passed.add(document)
    if isRepeated {
      if repeatedKeys == 0 { firstRepeated = document.id }
      repeatedKeys += 1
    }
    try link.pass()
  }

  func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws {
    try link.readBack(line: line)
    passed.add(line: line, id: id, textBytes: textBytes)
    try link.pass()
  }

  func finish() throws {
    try link.end()
    try file.write(passed.line)
    try file.commit()
  }
}

/// Tells of documents; its file is the line that would stand for them if they were handed on.
private final class HeardPart: DocumentPart {
  private let hearer: (Document) -> Void
  private var document = Document()
  private lazy var lines = DocumentLine()
  private var passed = PassedFile()
  let file: FileSink
  var documents: Int { passed.documents }
  var textBytes: Int { passed.textBytes }
  let idHashes: [UInt64] = []
  let repeatedKeys = 0
  let firstRepeated: [UInt8] = []

  init(_ hearer: @escaping (Document) -> Void, _ file: FileSink) {
    self.hearer = hearer
    self.file = file
  }

  func write(_ written: borrowing Document) throws {
    _ = try document.take(over: written)
    passed.add(written)
    hearer(document)
  }

  func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws {
    try lines.read(line, into: &document)
    passed.add(line: line, id: id, textBytes: textBytes)
    hearer(document)
  }

  func finish() throws {
    try file.write(passed.line)
    try file.commit()
  }
}
