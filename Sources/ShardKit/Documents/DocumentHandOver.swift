/// Documents that go from a writer to a reader without a file in between: the reader gets what it would have read.
extension Document {
  /// Takes a document over from its writer: becomes what a reader would get from a file into which `DocumentWriter` wrote it.
  /// - Returns: whether a metadata key is repeated; its last value counts.
  /// - Throws: as `DocumentWriter.write(_:)` does.
  public mutating func take(over written: borrowing Document) throws(ShardError) -> Bool {
    func copy(_ from: [UInt8], _ to: inout [UInt8]) {
      to.removeAll(keepingCapacity: true)
      to.append(contentsOf: from)
    }
    copy(written.id, &id)
    copy(written.text, &text)
    copy(written.source, &source)
    copy(written.added, &added)
    copy(written.created, &created)
    copy(written.version, &version)
    metadata.removeAll(keepingCapacity: true)
    let isRepeated = try takeMetadata(written)
    guard isUTF8(id), isUTF8(text), isUTF8(source), isUTF8(added), isUTF8(created), isUTF8(version), isUTF8(metadata)
    else { throw DocumentCheck.noUTF8(written) }
    return isRepeated
  }

  private mutating func takeMetadata(_ written: borrowing Document) throws(ShardError) -> Bool {
    guard !written.metadata.isEmpty else { return false }
    let judged = written.metadata.withUnsafeBytes { JSONKeys.judge($0) }
    switch judged {
    case .unique: metadata.append(contentsOf: written.metadata)
    case .repeated: metadata = written.metadata.withUnsafeBytes { JSONKeys.once($0) }
    case .noObject: throw DocumentCheck.noObject(written)
    case .tooMany: throw DocumentCheck.tooManyMembers(written)
    }
    for i in metadata.indices where metadata[i] == 10 { metadata[i] = 32 }
    while let last = metadata.last, last <= 32 { metadata.removeLast() }
    metadata.removeFirst(metadata.prefix { $0 <= 32 }.count)
    return judged == .repeated
  }
}

/// Reads documents out of single JSON lines.
public final class DocumentLine {
  private let json = JSONObjectReader()
  private let padded = PaddedCopy()

  public init() {}

  /// Reads a line, reusing the document's arrays.
  /// - Throws: `ShardError` (`.malformed`) if it is not a document.
  public func read(_ line: UnsafeRawBufferPointer, into document: inout Document) throws(ShardError) {
    document.clear()
    if let problem = document.fill(from: padded.copy(line), json) {
      throw ShardError(.malformed, "a document's line", "it is not a document: \(problem)", hint: DocumentCheck.hint)
    }
  }
}
