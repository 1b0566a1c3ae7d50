public import ShardKit

/// Writes documents to an output's files: `KEY.jsonl.zst`, or `KEY-00000.jsonl.zst` and so on if files are rotated.
public final class DocumentOutput {
  private unowned let workspace: Workspace
  private let port: String
  private let rotateAtBytes: Int64
  private let compressionLevel: Int
  private var part = 0
  private var current: (file: FileSink, sink: ZstdSink, writer: DocumentWriter, name: String)?

  init(workspace: Workspace, port: String, rotateAtBytes: Int64, compressionLevel: Int) {
    self.workspace = workspace
    self.port = port
    self.rotateAtBytes = rotateAtBytes
    self.compressionLevel = compressionLevel
  }

  /// Writes a document and counts it as output; one that was removed from the store is dropped instead.
  /// - Returns: whether it was written.
  /// - Throws: `ShardError`: the disk is full, or the document is one that no reader would take (a field that is not
  ///   UTF-8, metadata that is not one JSON object), which is a fault of the stage.
  @discardableResult
  public func write(_ document: borrowing Document) throws -> Bool {
    let bytes = document.text.count
    if try document.id.withUnsafeBytes({ try workspace.leavesOut(id: $0, bytes: bytes) }) { return false }
    try writer().write(document)
    workspace.ledger.output.add(bytes: document.text.count)
    return true
  }

  /// Writes a document's JSON line without parsing it.
  /// - Throws: as `write(_:)` does.
  public func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws {
    if try workspace.leavesOut(id: id, bytes: textBytes) { return }
    try writer().write(line: line, id: id, textBytes: textBytes)
    workspace.ledger.output.add(bytes: textBytes)
  }

  /// Of the part that is open.
  private func writer() throws -> DocumentWriter {
    if let writer = current?.writer {
      if Int64(writer.textBytes) < rotateAtBytes { return writer }
      try finishPart()
    }
    return try begin()
  }

  private func begin() throws -> DocumentWriter {
    let key = workspace.task.key
    let name = (rotateAtBytes == .max ? key : "\(key)-\(TaskPlan.padded(part))") + ".jsonl.zst"
    let file = try FileSink(workspace.stagedPath(port, name))
    let sink = ZstdSink(file, level: compressionLevel)
    let writer = DocumentWriter(sink)
    current = (file, sink, writer, name)
    part += 1
    return writer
  }

  private func finishPart() throws {
    guard let (file, sink, writer, name) = current else { return }
    try writer.flush()
    workspace.warn(
      "repeated-keys", times: writer.repeatedKeys,
      "'\(String(decoding: writer.firstRepeated, as: UTF8.self))' has a repeated metadata key; its last value is kept"
    )
    try workspace.publish(
      port: port, file, through: sink, name: name, documents: writer.documents, textBytes: Int64(writer.textBytes),
      ids: writer.idHashes)
    current = nil
  }

  /// Called by the workspace when the task ends.
  func finish() throws { try finishPart() }
}
