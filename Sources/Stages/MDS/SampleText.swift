import ShardKit

/// Values of MDS samples as text and as JSON.
enum SampleText {
  /// A value for a document's field: numbers as digits, a JSON string without its quotes, a JSON null as empty text.
  /// nil if the bytes are not valid UTF-8.
  static func text(_ value: UnsafeRawBufferPointer, _ encoding: MDSEncoding) -> [UInt8]? {
    switch encoding {
    case .int: return Array("\(integer(value, Int64.self))".utf8)
    case .scalar(let scalar):
      let number = number(value, scalar)
      return Array((number.hasSuffix(".0") ? number.dropLast(2) : number[...]).utf8)
    case .json:
      guard isUTF8(value) else { return nil }
      switch try? JSONValue.parse(Array(value)).value {
      case .string(let string)?: return Array(string.utf8)
      case .null?: return []
      default: return Array(value)
      }
    default: return isUTF8(value) ? Array(value) : nil
    }
  }

  /// A value for the metadata. nil if the bytes are not valid UTF-8.
  static func json(_ value: UnsafeRawBufferPointer, _ encoding: MDSEncoding) -> [UInt8]? {
    switch encoding {
    case .int: return Array("\(integer(value, Int64.self))".utf8)
    case .scalar(let scalar):
      let text = number(value, scalar)
      // JSON cannot represent NaN and infinities.
      return Array((text.contains("n") ? "null" : text).utf8)
    default:
      guard isUTF8(value) else { return nil }
      let isJSON = encoding == .json && JSONKeys.isValue(value)
      if isJSON || isNumber(value, encoding) { return Array(value) }
      var quoted: [UInt8] = []
      JSONText.append(string: value, to: &quoted)
      return quoted
    }
  }

  /// Whether the digits are a valid JSON number; `007` is not.
  private static func isNumber(_ value: UnsafeRawBufferPointer, _ encoding: MDSEncoding) -> Bool {
    guard case .digits = encoding, let first = value.first, first == UInt8(ascii: "-") || (48...57).contains(first)
    else {
      return false
    }
    return JSONKeys.isValue(value)
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
    case .float16: "\(Float16(bitPattern: integer(value, UInt16.self)))"
    case .float32: "\(Float(bitPattern: integer(value, UInt32.self)))"
    case .float64: "\(Double(bitPattern: integer(value, UInt64.self)))"
    }
  }
}
