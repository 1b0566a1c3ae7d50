/// Header fields in their original order. Names are case-insensitive.
public struct HTTPHeaders: Equatable, Sendable {
  public struct Field: Equatable, Sendable {
    public var name: String
    public var value: String
  }

  public private(set) var fields: [Field] = []

  public init() {}
  public init(_ fields: KeyValuePairs<String, String>) { for (name, value) in fields { add(name, value) } }

  /// The first value of a name; nil if the name is absent.
  public subscript(name: String) -> String? {
    get { fields.first { Self.equal($0.name, name) }?.value }
    set {
      fields.removeAll { Self.equal($0.name, name) }
      if let newValue { add(name, newValue) }
    }
  }

  public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

  private static func equal(_ a: String, _ b: String) -> Bool {
    func folded(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
    return a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { folded($0) == folded($1) }
  }

  /// Whether every name is a token and no value contains a line end.
  var isWellFormed: Bool {
    fields.allSatisfy { field in
      let name = field.name.utf8
      return !name.isEmpty && name.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: ":") }
        && field.value.utf8.allSatisfy { $0 >= 32 && $0 != 127 || $0 == 9 }
    }
  }
}

/// Identifies one state of a resource (RFC 9110, 8.8).
public struct Validators: Equatable, Sendable {
  public var etag: String?
  public var lastModified: String?

  public init(etag: String? = nil, lastModified: String? = nil) {
    self.etag = etag
    self.lastModified = lastModified
  }

  init(_ headers: HTTPHeaders) { self.init(etag: headers["ETag"], lastModified: headers["Last-Modified"]) }

  public var isEmpty: Bool { etag == nil && lastModified == nil }

  /// The validator for range requests: a strong ETag, otherwise the date. nil for a weak ETag, which may match several
  /// byte sequences.
  var forRange: String? {
    if let etag { return etag.hasPrefix("W/") ? nil : etag }
    return lastModified
  }
}
