import CSimdJSON

/// Reads the top-level fields of one JSON object at a time, using simdjson.
///
/// Slices are valid until the next call or until the input is freed.
public final class JSONObjectReader {
  public enum Kind: Int32, Sendable { case string, number, bool, null, object, array }

  public struct Field {
    /// Unescaped UTF-8.
    public let key: UnsafeRawBufferPointer
    /// A string's unescaped UTF-8; for every other kind, the JSON as written.
    public let value: UnsafeRawBufferPointer
    public let kind: Kind

    public func has(key name: StaticString) -> Bool {
      key.count == name.utf8CodeUnitCount
        && key.elementsEqual(UnsafeRawBufferPointer(start: name.utf8Start, count: key.count))
    }
  }

  /// Objects with more members are rejected, whatever their size: a field takes forty bytes of memory.
  public static let maximumMembers = Int(PL_JSON_MEMBERS)

  /// Bytes that must be readable after a `padded` buffer.
  public static let padding = Int(PL_JSON_PADDING)

  private let parser: OpaquePointer
  /// Grows with the largest object.
  private var fields: UnsafeMutableBufferPointer<pl_json_field>

  public init() {
    guard let parser = pl_json_parser_new() else { fatalError("there is no memory for a JSON parser") }
    self.parser = parser
    fields = .allocate(capacity: 64)
  }

  deinit {
    pl_json_parser_free(parser)
    fields.deallocate()
  }

  /// Calls `body` for each field in order. Returns nil, or what is wrong with the JSON.
  ///
  /// `padded` must have `PL_JSON_PADDING` readable bytes after it, as the lines of a `LineReader` have.
  public func read(padded: UnsafeRawBufferPointer, _ body: (Field) -> Void) -> String? {
    guard padded.count > 0 else { return "the line is empty" }
    let bytes = padded.baseAddress!.assumingMemoryBound(to: CChar.self)
    var count = pl_json_object(parser, bytes, padded.count, fields.baseAddress!, Int32(fields.count))
    while pl_json_is_full(count) != 0, fields.count < Self.maximumMembers {
      let larger = min(fields.count * 4, Self.maximumMembers)
      fields.deallocate()
      fields = .allocate(capacity: larger)
      count = pl_json_object(parser, bytes, padded.count, fields.baseAddress!, Int32(fields.count))
    }
    guard count >= 0 else { return String(cString: pl_json_message(count)) }
    for i in 0..<Int(count) {
      let field = fields[i]
      body(
        Field(
          key: UnsafeRawBufferPointer(start: field.key, count: field.key_length),
          value: UnsafeRawBufferPointer(start: field.value, count: field.value_length),
          kind: Kind(rawValue: field.kind)!))
    }
    return nil
  }

  /// The same for bytes without padding, at the cost of a copy.
  public func read(copying bytes: UnsafeRawBufferPointer, _ body: (Field) -> Void) -> String? {
    let padded = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + PL_JSON_PADDING, alignment: 64)
    defer { padded.deallocate() }
    padded.copyMemory(from: bytes)
    padded[bytes.count...].initializeMemory(as: UInt8.self, repeating: 0)
    return read(padded: UnsafeRawBufferPointer(rebasing: padded[..<bytes.count]), body)
  }
}

extension UnsafeMutableRawBufferPointer.SubSequence {
  fileprivate func initializeMemory(as: UInt8.Type, repeating value: UInt8) {
    _ = UnsafeMutableRawBufferPointer(rebasing: self).initializeMemory(as: UInt8.self, repeating: value)
  }
}
