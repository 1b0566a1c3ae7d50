import CSimdJSON
import Glibc

/// Writes documents, one per line, into a sink.
///
///     let file = try FileSink("00000.jsonl.zst")
///     let writer = DocumentWriter(ZstdSink(file))
///     try writer.write(Document(id: "a", text: "…"))
///     try writer.commit()
///
/// The output is valid for every reader: all fields are UTF-8, and metadata is a JSON object without repeated keys.
public final class DocumentWriter {
  private let sink: any ByteSink
  private var buffer: [UInt8] = []
  public private(set) var documents = 0
  /// Bytes of text, not of JSON.
  public private(set) var textBytes = 0
  /// XXH3 of each id in order: what `trace` searches.
  public private(set) var idHashes: [UInt64] = []
  /// Documents with a repeated metadata key; the last value of each key was written.
  public private(set) var repeatedKeys = 0
  /// The id of the first of them.
  public private(set) var firstRepeated: [UInt8] = []

  public init(_ sink: any ByteSink) {
    self.sink = sink
    buffer.reserveCapacity(1 << 18)
  }

  /// Writes a document; nothing of it is written when this throws.
  /// - Throws: `ShardError` with the code `.malformed` for a field that is not UTF-8 or metadata that is not one JSON
  ///   object, or what the sink throws (`.diskFull`, `.io`).
  public func write(_ document: borrowing Document) throws(ShardError) {
    let start = buffer.count
    switch document.metadata.isEmpty ? .unique : document.metadata.withUnsafeBytes({ JSONKeys.judge($0) }) {
    case .unique: document.append(to: &buffer)
    case .repeated: writeOnce(document)
    case .noObject: throw DocumentCheck.noObject(document)
    case .tooMany: throw DocumentCheck.tooManyMembers(document)
    }
    if !document.metadata.isEmpty { joinLines(from: start) }
    // Checks the complete line at once: quotes and names are ASCII, so a line is UTF-8 exactly if every field is.
    guard isUTF8(buffer, from: start) else {
      buffer.removeSubrange(start...)
      throw DocumentCheck.noUTF8(document)
    }
    count(recordHash(document.id), textBytes: document.text.count)
    if buffer.count >= 1 << 17 { try flush() }
  }

  private func writeOnce(_ document: borrowing Document) {
    var copy = copy document
    copy.metadata = document.metadata.withUnsafeBytes { JSONKeys.once($0) }
    copy.append(to: &buffer)
    if repeatedKeys == 0 { firstRepeated = document.id }
    repeatedKeys += 1
  }

  /// Writes a document that is already a JSON line (without its line end), unchanged.
  /// - Throws: `ShardError` when the line is not valid UTF-8 or the sink fails.
  public func write(line: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, textBytes: Int) throws(ShardError) {
    guard isUTF8(line) else {
      throw ShardError(
        .malformed, "document '\(String(decoding: id, as: UTF8.self))'", "its line is not valid UTF-8",
        hint: DocumentCheck.hint)
    }
    buffer.append(contentsOf: line)
    buffer.append(10)
    count(recordHash(id), textBytes: textBytes)
    if buffer.count >= 1 << 17 { try flush() }
  }

  private func count(_ id: UInt64, textBytes: Int) {
    documents += 1
    self.textBytes += textBytes
    idHashes.append(id)
  }

  /// Metadata may contain line breaks between its values; a document must be one line.
  private func joinLines(from start: Int) {
    let end = buffer.count - 1
    buffer.withUnsafeMutableBytes { bytes in
      var at = start
      while at < end, let hit = memchr(bytes.baseAddress! + at, 10, end - at) {
        at = UnsafeRawPointer(hit) - UnsafeRawPointer(bytes.baseAddress!)
        bytes[at] = 32
      }
    }
  }

  /// Passes everything to the sink, which the caller commits.
  /// - Throws: what the sink throws.
  public func flush() throws(ShardError) {
    try sink.write(buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  /// Hands everything to the sink and commits it: the file is complete and synced.
  /// - Throws: what the sink throws.
  public func commit() throws(ShardError) {
    try flush()
    try sink.commit()
  }
}

/// Whether bytes are valid UTF-8. Vectorized.
public func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
  pl_is_utf8(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count) != 0
}

public func isUTF8(_ bytes: [UInt8], from start: Int = 0) -> Bool {
  bytes.withUnsafeBytes { isUTF8(UnsafeRawBufferPointer(rebasing: $0[start...])) }
}

/// Which field of a document cannot be written, and why.
enum DocumentCheck {
  static let hint = "This is a bug in the stage that writes it; please report it."

  static func noObject(_ document: borrowing Document) -> ShardError {
    ShardError(
      .malformed, subject(document), "its metadata is not a JSON object, or is nested deeper than 128", hint: hint)
  }

  static func tooManyMembers(_ document: borrowing Document) -> ShardError {
    ShardError(
      .malformed, subject(document), "its metadata has more than \(JSONObjectReader.maximumMembers) members", hint: hint
    )
  }

  static func noUTF8(_ document: borrowing Document) -> ShardError {
    let fields = [
      ("id", document.id), ("text", document.text), ("source", document.source), ("added", document.added),
      ("created", document.created), ("version", document.version), ("metadata", document.metadata),
    ]
    let (field, bytes) = fields.first { !isUTF8($0.1) } ?? ("text", [])
    var offset = 0
    do { _ = try UTF8Span(validating: bytes.span) } catch { offset = error.byteOffsets.lowerBound }
    return ShardError(
      .malformed, subject(document), "its field '\(field)' is not valid UTF-8 at byte \(offset)", hint: hint)
  }

  private static func subject(_ document: borrowing Document) -> String { "document '\(document.idString)'" }
}
