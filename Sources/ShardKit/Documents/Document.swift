/// A Dolma document (`id`, `text`, `source`, optional `added`, `created`, `version`, `metadata`), as UTF-8 bytes.
///
/// Format: https://github.com/allenai/dolma/blob/main/docs/data-format.md
public struct Document: Equatable, Sendable {
  public var id: [UInt8] = []
  public var text: [UInt8] = []
  public var source: [UInt8] = []
  public var added: [UInt8] = []
  public var created: [UInt8] = []
  public var version: [UInt8] = []
  /// A JSON object as written; empty means none.
  public var metadata: [UInt8] = []

  public init() {}

  public init(id: String, text: String, source: String = "", metadata: JSONValue? = nil) {
    self.id = Array(id.utf8)
    self.text = Array(text.utf8)
    self.source = Array(source.utf8)
    self.metadata = metadata.map { Array($0.text().utf8) } ?? []
  }

  public var idString: String { String(decoding: id, as: UTF8.self) }
  public var textString: String { String(decoding: text, as: UTF8.self) }
}

/// Reads documents, one per line.
///
///     let reader = try DocumentReader(path: "00000.jsonl.zst")
///     var document = Document()
///     while try reader.next(&document) { print(document.idString, document.text.count) }
public final class DocumentReader {
  public let lines: LineReader
  private let json = JSONObjectReader()

  public init(_ source: any ByteSource) { lines = LineReader(source) }

  /// Opens a file, compressed or not: its first bytes tell.
  /// - Throws: `ShardError` when it cannot be opened.
  public convenience init(path: String) throws(ShardError) { self.init(try openSource(path)) }

  /// The next document, nil at the end.
  /// - Throws: as `next(_:)` does.
  public func next() throws(ShardError) -> Document? {
    var document = Document()
    return try next(&document) ? document : nil
  }

  /// Reads into a document, reusing its arrays. False at the end.
  /// - Throws: `ShardError`: the file cannot be read, is cut off or damaged, or a line is not a document.
  public func next(_ document: inout Document) throws(ShardError) -> Bool {
    guard let line = try lines.next() else { return false }
    document.clear()
    if let problem = document.fill(from: line, json) {
      if lines.number == 1, Self.isPassed(line) { throw Self.notKept(lines.source.name) }
      throw ShardError(
        .malformed, lines.source.name, "line \(lines.number) is not a document: \(problem)",
        hint: "Read external files with the stage 'documents.read', which drops such lines and counts them.")
    }
    return true
  }
}

extension DocumentReader {
  /// How the line begins that stands for documents that one stage handed to another in memory.
  public static let passedBeginning = #"{"passed":"#

  private static func isPassed(_ line: UnsafeRawBufferPointer) -> Bool { line.starts(with: passedBeginning.utf8) }

  private static func notKept(_ name: String) -> ShardError {
    ShardError(
      .notFound, name, "its documents went to the next stage in memory and were not kept",
      hint: "Run with --until and the stage that makes them, or set \"keep\": true on it and run again.")
  }
}

extension Document {
  mutating func clear() {
    id.removeAll(keepingCapacity: true)
    text.removeAll(keepingCapacity: true)
    source.removeAll(keepingCapacity: true)
    added.removeAll(keepingCapacity: true)
    created.removeAll(keepingCapacity: true)
    version.removeAll(keepingCapacity: true)
    metadata.removeAll(keepingCapacity: true)
  }

  /// Returns nil, or what is wrong with the line. For a repeated key the last value counts, as in most JSON readers.
  mutating func fill(from line: UnsafeRawBufferPointer, _ json: JSONObjectReader) -> String? {
    var hasID = false
    var hasText = false
    let problem = json.read(padded: line) { field in
      func take(_ value: inout [UInt8], _ kind: JSONObjectReader.Kind = .string) {
        value.removeAll(keepingCapacity: true)
        if field.kind == kind { value.append(contentsOf: field.value) }
      }
      if field.has(key: "text") {
        take(&text)
        hasText = field.kind == .string
      } else if field.has(key: "id") {
        take(&id)
        hasID = field.kind == .string
      } else if field.has(key: "source") {
        take(&source)
      } else if field.has(key: "metadata") {
        take(&metadata, .object)
      } else if field.has(key: "added") {
        take(&added)
      } else if field.has(key: "created") {
        take(&created)
      } else if field.has(key: "version") {
        take(&version)
      }
    }
    if let problem { return problem }
    if !hasID { return "it has no string \"id\"" }
    return hasText ? nil : "it has no string \"text\""
  }

  /// Appends the document as one JSON line.
  public func append(to out: inout [UInt8]) {
    out.append(contentsOf: #"{"id":"#.utf8)
    JSONText.append(string: id, to: &out)
    out.append(contentsOf: #","text":"#.utf8)
    JSONText.append(string: text, to: &out)
    out.append(contentsOf: #","source":"#.utf8)
    JSONText.append(string: source, to: &out)
    func optional(_ key: StaticString, _ value: [UInt8]) {
      guard !value.isEmpty else { return }
      out.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
      JSONText.append(string: value, to: &out)
    }
    optional(#","added":"#, added)
    optional(#","created":"#, created)
    optional(#","version":"#, version)
    if !metadata.isEmpty {
      out.append(contentsOf: #","metadata":"#.utf8)
      out.append(contentsOf: metadata)
    }
    out.append(contentsOf: "}\n".utf8)
  }
}
