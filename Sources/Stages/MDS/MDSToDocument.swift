import PipelineKit
import ShardKit

/// Maps the columns of an MDS sample to the fields of a document.
struct MDSToDocument {
  private enum Use { case field(DocumentField, MDSColumn), metadata(MDSColumn), none }
  private let uses: [Use]
  private let columns: [MDSColumn]

  /// - Parameter mapping: column names by field; other fields use the column of the same name.
  init(_ columns: [MDSColumn], _ mapping: [String: String], path: String) throws(StageError) {
    self.columns = columns
    var fields: [String: DocumentField] = [:]
    for field in DocumentField.names {
      let column = mapping[field] ?? field
      if columns.contains(where: { $0.name == column }) {
        fields[column] = DocumentField(field)
      } else if mapping[field] != nil || field == "text" {
        throw StageError(
          .input, path, "has no column '\(column)' for '\(field)'",
          hint: "Its columns are \(columns.map(\.name).joined(separator: ", ")); map one with \"columns\".")
      }
    }
    for (column, field) in fields {
      let encoding = columns.first { $0.name == column }!.encoding
      guard !Self.isReadable(encoding) else { continue }
      guard mapping[field.name] == nil, field != .text else {
        throw StageError(
          .input, path,
          "the column '\(column)' for '\(field.name)' is encoded as '\(encoding.name)', which is not text",
          hint: "Map a text, JSON or number column with \"columns\".")
      }
      fields[column] = nil
    }
    uses = columns.map { column in
      if let field = fields[column.name] { return .field(field, column) }
      return Self.isReadable(column.encoding) && column.encoding != .bytes ? .metadata(column) : .none
    }
  }

  /// Whether a value is text or can be written as text. Pickles are never decoded.
  private static func isReadable(_ encoding: MDSEncoding) -> Bool {
    switch encoding {
    case .array, .opaque: false
    default: true
    }
  }

  /// Returns nil, or the reason to drop the sample and the affected column.
  func fill(
    _ document: inout Document, from reader: MDSShardReader, _ sample: Int
  ) throws -> (reason: String, column: String)? {
    document = Document()
    var problem: (reason: String, column: String)?
    var members: [UInt8] = []
    try reader.sample(sample) { i, value in
      switch uses[i] {
      case .field(let field, let column):
        if !Self.set(field, of: &document, column, value, &members) { problem = ("invalid-utf8", column.name) }
      case .metadata(let column):
        if !Self.append(column, value, to: &members) { problem = ("invalid-utf8", column.name) }
      case .none: break
      }
    }
    if !members.isEmpty {
      // A member that occurs twice is written once, with the column's value.
      let held = document.metadata.dropFirst().dropLast()
      document.metadata = [UInt8(ascii: "{")] + held + (held.isEmpty ? [] : [UInt8(ascii: ",")]) + members
      document.metadata.append(UInt8(ascii: "}"))
    }
    if problem == nil, JSONKeys.hasTooMany(document.metadata) { problem = ("malformed-json", "metadata") }
    return problem
  }

  /// False if the bytes are not valid UTF-8.
  private static func set(
    _ field: DocumentField, of document: inout Document, _ column: MDSColumn, _ value: UnsafeRawBufferPointer,
    _ members: inout [UInt8]
  ) -> Bool {
    if field == .metadata { return setMetadata(of: &document, column, value, &members) }
    guard let bytes = SampleText.text(value, column.encoding) else { return false }
    switch field {
    case .id: document.id = bytes
    case .text: document.text = bytes
    case .source: document.source = bytes
    case .added: document.added = bytes
    case .created: document.created = bytes
    case .version: document.version = bytes
    case .metadata, .member: break
    }
    return true
  }

  /// An object becomes the metadata, null becomes none, anything else a member named after the column.
  private static func setMetadata(
    of document: inout Document, _ column: MDSColumn, _ value: UnsafeRawBufferPointer, _ members: inout [UInt8]
  ) -> Bool {
    // The bytes of a number are never text.
    guard column.encoding.fixedBytes == nil else { return append(column, value, to: &members) }
    guard isUTF8(value) else { return false }
    let trimmed = Array(value).trimmed
    if trimmed.isEmpty || trimmed.elementsEqual("null".utf8) && column.encoding == .json { return true }
    guard trimmed.withUnsafeBytes({ JSONKeys.judge($0) }) != .noObject else {
      return append(column, value, to: &members)
    }
    let isEmpty = trimmed.dropFirst().dropLast().allSatisfy { $0 <= 32 }
    document.metadata = isEmpty ? [] : trimmed
    return true
  }

  /// False if the bytes are not valid UTF-8.
  private static func append(
    _ column: MDSColumn, _ value: UnsafeRawBufferPointer, to out: inout [UInt8]
  ) -> Bool {
    guard let json = SampleText.json(value, column.encoding) else { return false }
    if !out.isEmpty { out.append(UInt8(ascii: ",")) }
    JSONText.append(string: column.name, to: &out)
    out.append(UInt8(ascii: ":"))
    out.append(contentsOf: json)
    return true
  }
}

extension [UInt8] {
  /// The bytes without white space at both ends.
  fileprivate var trimmed: [UInt8] {
    Array(drop { $0 <= 32 }.reversed().drop { $0 <= 32 }.reversed())
  }
}
