/// Builds one sample: its encoded values, in the schema's column order (sorted by name).
///
/// Reused for every sample (`removeAll`, then one `append` per column), so that a row costs no allocation.
public struct MDSRow {
  public let schema: MDSSchema
  /// Sizes of the variable columns, then the values: the sample as it is stored.
  private(set) var bytes: [UInt8] = []
  private var column = 0
  private var variable = 0
  private var problem: ShardError?

  public init(_ schema: MDSSchema) {
    self.schema = schema
    removeAll()
  }

  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    bytes.append(contentsOf: repeatElement(0, count: 4 * schema.variableColumns))
    column = 0
    variable = 0
    problem = nil
  }

  // MARK: Values, already encoded

  /// The next column's value in its stored form: UTF-8 for `str`, JSON for `json`, little-endian for numbers.
  public mutating func append(_ value: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: value)
    close(value.count)
  }

  public mutating func append(_ value: [UInt8]) {
    bytes.append(contentsOf: value)
    close(value.count)
  }

  public mutating func append(_ value: String) {
    let before = bytes.count
    bytes.append(contentsOf: value.utf8)
    close(bytes.count - before)
  }

  // MARK: Numbers

  /// The next column's number, for `int` and every scalar encoding; `finished` throws if it is out of range.
  public mutating func append(_ value: Int) {
    guard let target = current else { return close(0) }
    switch target.encoding {
    case .int, .scalar(.int64): append(number: Int64(value))
    case .scalar(.uint8): append(exactly: UInt8(exactly: value), value)
    case .scalar(.int8): append(exactly: Int8(exactly: value), value)
    case .scalar(.uint16): append(exactly: UInt16(exactly: value), value)
    case .scalar(.int16): append(exactly: Int16(exactly: value), value)
    case .scalar(.uint32): append(exactly: UInt32(exactly: value), value)
    case .scalar(.int32): append(exactly: Int32(exactly: value), value)
    case .scalar(.uint64): append(exactly: UInt64(exactly: value), value)
    case .digits("str_int"), .digits("str_decimal"): append(String(value))
    default: append(Double(value))
    }
  }

  /// The same for numbers with a fraction.
  public mutating func append(_ value: Double) {
    guard let target = current else { return close(0) }
    switch target.encoding {
    case .scalar(.float64): append(number: value.bitPattern)
    case .scalar(.float32): append(number: Float(value).bitPattern)
    case .scalar(.float16): append(number: float16Bits(Float(value)))
    case .digits("str_float"), .digits("str_decimal"): append("\(value)")
    default: refuse("the number \(value)")
    }
  }

  private mutating func append<T: FixedWidthInteger>(exactly number: T?, _ value: Int) {
    if let number { append(number: number) } else { refuse("the number \(value)") }
  }

  private mutating func append<T: FixedWidthInteger>(number: T) {
    withUnsafeBytes(of: number.littleEndian) { append($0) }
  }

  // MARK: Arrays

  /// The next column's one-dimensional array.
  public mutating func append<T: MDSElement>(array values: some Collection<T>) {
    let done: Void? = values.withContiguousStorageIfAvailable {
      append(array: UnsafeRawBufferPointer($0), T.mdsScalar, shape: [$0.count])
    }
    if done == nil { append(array: Array(values)) }
  }

  /// The next column's array, row by row.
  /// - Parameter values: little-endian elements, as many as the shape has.
  public mutating func append(array values: UnsafeRawBufferPointer, _ type: MDSScalar, shape: [Int]) {
    guard case .array(let fixedType, let fixedShape)? = current?.encoding else {
      return refuse("an array of \(type.rawValue)")
    }
    let sized = shape.allSatisfy { $0 > 0 } && (1...63).contains(shape.count)
    guard sized, shape.reduce(type.bytes, *) == values.count else {
      return refuse("an array of the shape \(shape)")
    }
    guard fixedType == nil || fixedType == type else { return refuse("an array of \(type.rawValue)") }
    guard fixedShape == nil || fixedShape == shape else { return refuse("an array of the shape \(shape)") }
    let before = bytes.count
    if fixedType == nil { bytes.append(type.code) }
    if fixedShape == nil { append(shape: shape) }
    bytes.append(contentsOf: values)
    close(bytes.count - before)
  }

  private mutating func append(shape: [Int]) {
    let largest = shape.max()!
    let log2 = largest < 1 << 8 ? 0 : largest < 1 << 16 ? 1 : largest < 1 << 32 ? 2 : 3
    bytes.append(UInt8(shape.count << 2 | log2))
    for axis in shape {
      for byte in 0..<(1 << log2) { bytes.append(UInt8(truncatingIfNeeded: axis >> (8 * byte))) }
    }
  }

  // MARK: Completeness

  private var current: MDSColumn? { column < schema.columns.count ? schema.columns[column] : nil }

  private mutating func refuse(_ what: String) {
    if problem == nil, let current {
      problem = ShardError(
        .unsupported, "MDS column '\(current.name)'",
        "\(what) is not a valid value for the encoding '\(current.encoding.name)'")
    }
    close(0)
  }

  private mutating func close(_ size: Int) {
    defer { column += 1 }
    guard let current else { return }
    if let fixed = current.encoding.fixedBytes {
      guard size != fixed, problem == nil else { return }
      problem = ShardError(
        .unsupported, "MDS column '\(current.name)'",
        "a value has \(size) bytes, but the encoding '\(current.encoding.name)' requires \(fixed)")
    } else {
      let size = UInt32(truncatingIfNeeded: size)
      for byte in 0..<4 { bytes[4 * variable + byte] = UInt8(truncatingIfNeeded: size >> (8 * UInt32(byte))) }
      variable += 1
    }
  }

  /// The complete sample; throws if any of its values was invalid.
  func finished() throws(ShardError) -> [UInt8] {
    if let problem { throw problem }
    guard column == schema.columns.count else {
      throw ShardError(
        .malformed, "MDS", "a row has \(column) values, but its schema has \(schema.columns.count) columns")
    }
    return bytes
  }
}

/// IEEE 754 binary16 of a number, rounded to nearest even.
func float16Bits(_ value: Float) -> UInt16 { Float16(value).bitPattern }
