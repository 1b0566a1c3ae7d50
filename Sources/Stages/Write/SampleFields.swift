import PipelineKit
import ShardKit

/// Which column of an MDS sample becomes which part of a document.
struct SampleFields {
  private enum Use { case field(DocumentField), metadata(MDSColumn), none }
  private let uses: [Use]
  private let columns: [MDSColumn]

  /// - Parameter mapping: column names by field; a field not named takes the column of its own name.
  init(_ columns: [MDSColumn], _ mapping: [String: String], path: String) throws(StageError) {
    self.columns = columns
    var fields: [String: DocumentField] = [:]
    for field in DocumentField.names {
      let column = mapping[field] ?? field
      if columns.contains(where: { $0.name == column }) {
        fields[column] = DocumentField(field)
      } else if mapping[field] != nil || field == "text" {
        throw StageError(
          .input, path, "the data set has no column '\(column)' for '\(field)'",
          hint: "Its columns are \(columns.map(\.name).joined(separator: ", ")); map one with \"columns\".")
      }
    }
    uses = columns.map { column in
      if let field = fields[column.name] { return .field(field) }
      switch column.encoding {
      case .str, .json, .int, .scalar, .digits: return .metadata(column)
      default: return .none
      }
    }
  }

  /// Returns nil, or the reason to drop the sample.
  func fill(_ document: inout Document, from reader: MDSShardReader, _ sample: Int) throws -> String? {
    document = Document()
    var problem: String?
    var members: [UInt8] = []
    try reader.sample(sample) { i, value in
      switch uses[i] {
      case .field(let field): if !Self.set(field, of: &document, value) { problem = "invalid-utf8" }
      case .metadata(let column): Self.append(column, value, to: &members)
      case .none: break
      }
    }
    if document.metadata.first == UInt8(ascii: "{"), !members.isEmpty {
      let isEmpty = document.metadata.dropFirst().first { $0 > 32 } == UInt8(ascii: "}")
      members.append(contentsOf: isEmpty ? [] : [UInt8(ascii: ",")])
      members.append(contentsOf: document.metadata.dropFirst())
      document.metadata = [UInt8(ascii: "{")] + members
    } else if !members.isEmpty {
      document.metadata = [UInt8(ascii: "{")] + members + [UInt8(ascii: "}")]
    }
    return problem
  }

  /// False where the bytes are no UTF-8 (or, for metadata, no JSON object).
  private static func set(_ field: DocumentField, of document: inout Document, _ value: UnsafeRawBufferPointer) -> Bool
  {
    let bytes = Array(value)
    guard isUTF8(bytes) else { return false }
    switch field {
    case .id: document.id = bytes
    case .text: document.text = bytes
    case .source: document.source = bytes
    case .added: document.added = bytes
    case .created: document.created = bytes
    case .version: document.version = bytes
    case .metadata, .member:
      guard case .object(let members)? = try? JSONValue.parse(bytes).value else { return true }
      document.metadata = members.isEmpty ? [] : bytes
    }
    return true
  }

  private static func append(_ column: MDSColumn, _ value: UnsafeRawBufferPointer, to out: inout [UInt8]) {
    if !out.isEmpty { out.append(UInt8(ascii: ",")) }
    JSONText.append(string: column.name, to: &out)
    out.append(UInt8(ascii: ":"))
    switch column.encoding {
    case .json where (try? JSONValue.parse(Array(value))) != nil: out.append(contentsOf: value)
    case .int: out.append(contentsOf: "\(integer(value, Int64.self))".utf8)
    case .scalar(let scalar): out.append(contentsOf: number(value, scalar).utf8)
    case .digits where (try? JSONValue.parse(Array(value)).value.double) != nil: out.append(contentsOf: value)
    default: JSONText.append(string: String(decoding: value, as: UTF8.self), to: &out)
    }
  }

  private static func integer<T: FixedWidthInteger>(_ value: UnsafeRawBufferPointer, _: T.Type) -> T {
    T(littleEndian: value.loadUnaligned(as: T.self))
  }

  private static func number(_ value: UnsafeRawBufferPointer, _ scalar: MDSScalar) -> String {
    switch scalar {
    case .uint8: "\(integer(value, UInt8.self))"
    case .int8: "\(integer(value, Int8.self))"
    case .uint16: "\(integer(value, UInt16.self))"
    case .int16: "\(integer(value, Int16.self))"
    case .uint32: "\(integer(value, UInt32.self))"
    case .int32: "\(integer(value, Int32.self))"
    case .uint64: "\(integer(value, UInt64.self))"
    case .int64: "\(integer(value, Int64.self))"
    case .float16: fraction(Float16(bitPattern: integer(value, UInt16.self)))
    case .float32: fraction(Float(bitPattern: integer(value, UInt32.self)))
    case .float64: fraction(Double(bitPattern: integer(value, UInt64.self)))
    }
  }

  private static func fraction<T: BinaryFloatingPoint & LosslessStringConvertible>(_ value: T) -> String {
    value.isFinite ? value.description : "null"
  }

  private static func isUTF8(_ bytes: [UInt8]) -> Bool { (try? UTF8Span(validating: bytes.span)) != nil }
}
