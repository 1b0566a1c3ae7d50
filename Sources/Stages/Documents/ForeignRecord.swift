import ShardKit

/// Converts a JSON object with given field names to a document.
final class ForeignRecord {
  private struct Path {
    let first: [UInt8]
    let rest: [[UInt8]]
    let keys: [String]

    init(_ path: String) {
      keys = path.split(separator: ".").map(String.init)
      let parts = keys.map { Array($0.utf8) }
      first = parts.first ?? []
      rest = Array(parts.dropFirst())
    }
  }

  private let text, id, source: Path
  private let metadata: [UInt8]
  private let keepsOthers: Bool
  private let fallbackSource: [UInt8]
  private let reader = JSONObjectReader()
  private let inner = JSONObjectReader()
  /// Members of the metadata, each followed by a comma.
  private var members: [UInt8] = []
  /// The contents of the objects in the metadata's field, written before `members`, the last one first.
  private var objects: [[UInt8]] = []

  init(_ options: DocumentsRead.Options) {
    text = Path(options.textField)
    id = Path(options.idField)
    source = Path(options.sourceField)
    metadata = Array(options.metadataField.utf8)
    keepsOthers = options.otherFields == .metadata
    fallbackSource = Array(options.source.utf8)
  }

  /// Fills a document from a line of a `LineReader`, reusing its arrays. Returns nil, or what is wrong.
  func fill(_ document: inout Document, from line: UnsafeRawBufferPointer) -> String? {
    clear(&document)
    var hasText = false
    let problem = reader.read(padded: line) { field in
      let isText = field.key.elementsEqual(text.first)
      if isText { hasText = take(field, text, strings: true, into: &document.text) || hasText }
      if !takeNames(field, &document), !(isText && text.rest.isEmpty) { takeOther(field, &document) }
    }
    if let problem { return problem }
    return hasText ? complete(&document) : "its text field is not a string"
  }

  // MARK: Rows of tables

  /// The keys that lead to the text.
  var textPath: [String] { text.keys }

  /// The columns of a file that documents are made of, other than the text.
  func columns(of file: ParquetFile) -> [Int] {
    let own = String(decoding: metadata, as: UTF8.self)
    let wanted: [String] = [id.keys, source.keys].compactMap(\.first) + ["added", "created", "version", own]
    return file.columns.indices.filter { number in
      let name = file.columns[number].name
      if text.keys.count == 1, name.isExactly(text.keys[0]) { return false }
      return keepsOthers || wanted.contains { name.isExactly($0) }
    }
  }

  /// Fills a document from a row: its text, and its other columns as an object. Returns nil, or a reason to drop it.
  func fill(
    _ document: inout Document, from object: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer,
    _ kind: ParquetRows.Kind
  ) -> (reason: String, detail: String)? {
    clear(&document)
    guard kind == .string else { return ("malformed-row", "its text is \(kind == .null ? "null" : "not a string")") }
    guard isUTF8(text) else { return ("invalid-utf8", "its text is not valid UTF-8") }
    document.text.append(contentsOf: text)
    let problem = reader.read(padded: object) { field in
      guard !takeNames(field, &document), !takeMetadataText(field) else { return }
      takeOther(field, &document)
    }
    return (problem ?? complete(&document)).map { ("malformed-row", $0) }
  }

  /// A table whose columns are the same for all documents often holds metadata as a text, which is a JSON object.
  private func takeMetadataText(_ field: JSONObjectReader.Field) -> Bool {
    guard field.kind == .string, field.key.elementsEqual(metadata), JSONKeys.judge(field.value) != .noObject else {
      return false
    }
    takeMetadata(field.value)
    return true
  }

  // MARK: Fields

  private func clear(_ document: inout Document) {
    document.id.removeAll(keepingCapacity: true)
    document.text.removeAll(keepingCapacity: true)
    document.source.removeAll(keepingCapacity: true)
    document.added.removeAll(keepingCapacity: true)
    document.created.removeAll(keepingCapacity: true)
    document.version.removeAll(keepingCapacity: true)
    document.metadata.removeAll(keepingCapacity: true)
    members.removeAll(keepingCapacity: true)
    objects.removeAll(keepingCapacity: true)
  }

  private func complete(_ document: inout Document) -> String? {
    if document.source.isEmpty { document.source.append(contentsOf: fallbackSource) }
    writeMetadata(to: &document)
    guard !JSONKeys.hasTooMany(document.metadata) else {
      return "its metadata has more than \(JSONObjectReader.maximumMembers) members"
    }
    return nil
  }

  /// Takes the id and the source; true if the field is one of them as a whole.
  private func takeNames(_ field: JSONObjectReader.Field, _ document: inout Document) -> Bool {
    var isTaken = false
    if field.key.elementsEqual(id.first) {
      isTaken = take(field, id, strings: false, into: &document.id) && id.rest.isEmpty
    }
    if field.key.elementsEqual(source.first) {
      isTaken = take(field, source, strings: true, into: &document.source) && source.rest.isEmpty || isTaken
    }
    return isTaken
  }

  private func take(_ field: JSONObjectReader.Field, _ path: Path, strings: Bool, into out: inout [UInt8]) -> Bool {
    take(field.kind, field.value, path.rest[...], strings: strings, into: &out)
  }

  private func writeMetadata(to document: inout Document) {
    guard !objects.isEmpty || !members.isEmpty else { return }
    document.metadata.append(UInt8(ascii: "{"))
    for inside in objects.reversed() {
      document.metadata.append(contentsOf: inside)
      document.metadata.append(UInt8(ascii: ","))
    }
    document.metadata.append(contentsOf: members)
    document.metadata.removeLast()
    document.metadata.append(UInt8(ascii: "}"))
  }

  /// Appends a value to `out` if it is a string, or a number if `strings` is false; follows `path` into objects.
  private func take(
    _ kind: JSONObjectReader.Kind, _ value: UnsafeRawBufferPointer, _ path: ArraySlice<[UInt8]>, strings: Bool,
    into out: inout [UInt8]
  ) -> Bool {
    guard let key = path.first else {
      guard kind == .string || !strings && kind == .number else { return false }
      out.removeAll(keepingCapacity: true)  // the last of repeated keys counts
      out.append(contentsOf: value)
      return true
    }
    guard kind == .object else { return false }
    var nested: (kind: JSONObjectReader.Kind, value: [UInt8])?
    _ = inner.read(copying: value) { member in
      if member.key.elementsEqual(key) { nested = (member.kind, Array(member.value)) }
    }
    guard let nested else { return false }
    return nested.value.withUnsafeBytes { take(nested.kind, $0, path.dropFirst(), strings: strings, into: &out) }
  }

  private func takeOther(_ field: JSONObjectReader.Field, _ document: inout Document) {
    if field.kind == .string {
      if field.has(key: "added") { return document.added = Array(field.value) }
      if field.has(key: "created") { return document.created = Array(field.value) }
      if field.has(key: "version") { return document.version = Array(field.value) }
    }
    if field.kind == .object && field.key.elementsEqual(metadata) {
      return takeMetadata(field.value)
    }
    guard keepsOthers, field.kind != .null else { return }
    JSONText.append(string: field.key, to: &members)
    members.append(UInt8(ascii: ":"))
    if field.kind == .string {
      JSONText.append(string: field.value, to: &members)
    } else {
      members.append(contentsOf: field.value)
    }
    members.append(UInt8(ascii: ","))
  }

  /// `{…}` as written; its members come before the others.
  private func takeMetadata(_ object: UnsafeRawBufferPointer) {
    let trimmed = object.drop { $0 <= 32 }.reversed().drop { $0 <= 32 }.reversed()
    let inside = trimmed.dropFirst().dropLast()
    if inside.contains(where: { $0 > 32 }) { objects.append(Array(inside)) }
  }
}
