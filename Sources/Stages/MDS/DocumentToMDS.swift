import ShardKit

/// Fills an MDS row from documents.
final class DocumentToMDS {
  let schema: MDSSchema
  private(set) var row: MDSRow
  private let fields: [DocumentField]
  /// By column: the index of its path among the metadata paths.
  private let paths: [Int?]
  private let reader: MetadataReader
  private var found: [(bytes: UnsafeRawBufferPointer, kind: JSONObjectReader.Kind)?]

  /// - Parameter fields: one per column of the schema, in the same order.
  init(_ schema: MDSSchema, fields: [DocumentField]) {
    self.schema = schema
    self.fields = fields
    row = MDSRow(schema)
    var names: [String] = []
    paths = fields.map { field in
      guard case .member(let path) = field else { return nil }
      names.append(path)
      return names.count - 1
    }
    reader = MetadataReader(names)
    found = Array(repeating: nil, count: names.count)
  }

  static func canFill(_ encoding: MDSEncoding) -> Bool {
    switch encoding {
    case .array, .opaque: false
    default: true
    }
  }

  /// Puts a document into `row`. Returns nil, or the column for which the document has no value.
  ///
  /// A missing or null member becomes an empty string in `str` and `bytes`, and `null` in `json`. A number column
  /// requires a value.
  func fill(from document: borrowing Document) -> String? {
    row.removeAll()
    if !found.isEmpty {
      for i in found.indices { found[i] = nil }
      reader.read(document.metadata) { found[$0] = ($1, $2) }
    }
    for (i, field) in fields.enumerated() {
      let encoding = schema.columns[i].encoding
      let fits =
        switch field {
        case .id: append(document.id, encoding)
        case .text: append(document.text, encoding)
        case .source: append(document.source, encoding)
        case .added: append(document.added, encoding, document.added.isEmpty ? .null : .string)
        case .created: append(document.created, encoding, document.created.isEmpty ? .null : .string)
        case .version: append(document.version, encoding, document.version.isEmpty ? .null : .string)
        case .metadata: append(document.metadata.isEmpty ? Array("{}".utf8) : document.metadata, encoding, .object)
        case .member: append(found[paths[i]!], encoding)
        }
      if !fits { return schema.columns[i].name }
    }
    return nil
  }

  @inline(__always)
  private func append(_ bytes: [UInt8], _ encoding: MDSEncoding, _ kind: JSONObjectReader.Kind = .string) -> Bool {
    if encoding == .str || encoding == .bytes {
      row.append(bytes)
      return true
    }
    return bytes.withUnsafeBytes { append(($0, kind), encoding) }
  }

  private func append(
    _ value: (bytes: UnsafeRawBufferPointer, kind: JSONObjectReader.Kind)?, _ encoding: MDSEncoding
  ) -> Bool {
    let value = value?.kind == .null ? nil : value
    switch encoding {
    case .str, .bytes:
      row.append(value?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
    case .json:
      guard let value, value.kind == .string else {
        row.append(value.map { Array($0.bytes) } ?? Array("null".utf8))
        return true
      }
      var quoted: [UInt8] = []
      JSONText.append(string: value.bytes, to: &quoted)
      row.append(quoted)
    default:
      guard let value else { return false }
      return append(number: String(decoding: value.bytes, as: UTF8.self), encoding)
    }
    return true
  }

  /// False if the encoding cannot hold the value: not a number, out of range, or infinite when the text is not.
  private func append(number text: String, _ encoding: MDSEncoding) -> Bool {
    switch encoding {
    case .scalar(.uint64):
      guard let number = UInt64(text) ?? DecimalText.integer(text).flatMap(UInt64.init(exactly:)) else { return false }
      withUnsafeBytes(of: number.littleEndian) { row.append($0) }
    case .scalar(let scalar) where Self.largest(of: scalar) != nil:
      guard let number = DecimalText.number(text), !number.isFinite || abs(number) <= Self.largest(of: scalar)! else {
        return false
      }
      row.append(number)
    case .digits(let name):
      guard name == "str_int" ? DecimalText.isInteger(text) : DecimalText.number(text) != nil else { return false }
      row.append(text)
    default:
      guard let number = Int(text) ?? DecimalText.integer(text), Self.range(of: encoding).contains(number) else {
        return false
      }
      row.append(number)
    }
    return true
  }

  /// The largest finite number of a floating-point type.
  private static func largest(of scalar: MDSScalar) -> Double? {
    switch scalar {
    case .float16: Double(Float16.greatestFiniteMagnitude)
    case .float32: Double(Float.greatestFiniteMagnitude)
    case .float64: .greatestFiniteMagnitude
    default: nil
    }
  }

  private static func range(of encoding: MDSEncoding) -> ClosedRange<Int> {
    switch encoding {
    case .scalar(.uint8): 0...Int(UInt8.max)
    case .scalar(.int8): Int(Int8.min)...Int(Int8.max)
    case .scalar(.uint16): 0...Int(UInt16.max)
    case .scalar(.int16): Int(Int16.min)...Int(Int16.max)
    case .scalar(.uint32): 0...Int(UInt32.max)
    case .scalar(.int32): Int(Int32.min)...Int(Int32.max)
    default: Int.min...Int.max
    }
  }
}

/// Numbers as text, in the forms that Python also reads: hexadecimal is not supported.
enum DecimalText {
  static func isInteger(_ text: String) -> Bool {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    return !digits.isEmpty && digits.allSatisfy { (48...57).contains($0) }
  }

  /// A number with or without a fraction, `nan` or an infinity. nil for anything else, and if it is too large.
  static func number(_ text: String) -> Double? {
    if let special = ["nan", "inf", "infinity"].first(where: { text.lowercased().hasSuffix($0) }) {
      let sign = text.dropLast(special.utf8.count)
      guard sign.isEmpty || sign == "-" || sign == "+" else { return nil }
      return special == "nan" ? .nan : sign == "-" ? -.infinity : .infinity
    }
    let allowed = text.utf8.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) }
    guard allowed, let number = Double(text), number.isFinite else { return nil }
    return number
  }

  /// An integer that is written with a fraction or an exponent, such as `7.0`.
  static func integer(_ text: String) -> Int? {
    number(text).flatMap { abs($0) <= 0x1p53 ? Int(exactly: $0) : nil }
  }
}
