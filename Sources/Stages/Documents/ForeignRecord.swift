import ShardKit

/// Converts a JSON object with given field names to a document.
final class ForeignRecord {
  private struct Path {
    let first: [UInt8]
    let rest: [[UInt8]]

    init(_ path: String) {
      let parts = path.split(separator: ".").map { Array($0.utf8) }
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
    document.id.removeAll(keepingCapacity: true)
    document.text.removeAll(keepingCapacity: true)
    document.source.removeAll(keepingCapacity: true)
    document.added.removeAll(keepingCapacity: true)
    document.created.removeAll(keepingCapacity: true)
    document.version.removeAll(keepingCapacity: true)
    document.metadata.removeAll(keepingCapacity: true)
    members.removeAll(keepingCapacity: true)
    objects.removeAll(keepingCapacity: true)
    var hasText = false
    let problem = reader.read(padded: line) { field in
      var isTaken = false
      if field.key.elementsEqual(text.first) {
        isTaken = text.rest.isEmpty
        hasText = take(field.kind, field.value, text.rest[...], strings: true, into: &document.text) || hasText
      }
      if field.key.elementsEqual(id.first) {
        isTaken =
          take(field.kind, field.value, id.rest[...], strings: false, into: &document.id) && id.rest.isEmpty || isTaken
      }
      if field.key.elementsEqual(source.first) {
        isTaken =
          take(field.kind, field.value, source.rest[...], strings: true, into: &document.source) && source.rest.isEmpty
          || isTaken
      }
      if !isTaken { takeOther(field, &document) }
    }
    if let problem { return problem }
    guard hasText else { return "its text field is not a string" }
    if document.source.isEmpty { document.source.append(contentsOf: fallbackSource) }
    writeMetadata(to: &document)
    guard !JSONKeys.hasTooMany(document.metadata) else {
      return "its metadata has more than \(JSONObjectReader.maximumMembers) members"
    }
    return nil
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
      // `{…}` as written; its members come before the others.
      let inside = field.value.dropFirst().dropLast()
      if inside.contains(where: { $0 > 32 }) { objects.append(Array(inside)) }
      return
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
}
