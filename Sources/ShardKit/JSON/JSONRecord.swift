/// A value stored as JSON: a manifest, a job, a line of a list. Its properties are the members, in order.
public protocol JSONRecord: Codable {
  /// Whether nil members are written as null.
  static var writesNull: Bool { get }
}

extension JSONRecord {
  public static var writesNull: Bool { false }

  /// For a record with finite numbers, as in documents and counts.
  public var json: JSONValue {
    do { return try JSONValue.encoding(self, writesNull: Self.writesNull) } catch {
      fatalError("\(Self.self) cannot be written: \(error)")
    }
  }

  /// Every member must be present with its type; others are ignored.
  /// - Throws: `JSONCodingError` for a member that is missing or has a wrong value.
  public init(json: JSONValue) throws(JSONCodingError) { self = try json.decode(Self.self) }

  /// - Parameter path: a file that contains only the record.
  /// - Throws: what `FileSystem.read` throws; `ShardError` (`.malformed`) if it is not JSON or not such a record.
  public init(jsonFile path: String, limit: Int = 1 << 20) throws(ShardError) {
    let text = try FileSystem.read(path, limit: limit)
    let node: JSONNode
    do { node = try JSONValue.parse(text) } catch {
      throw ShardError(.malformed, path, "is not valid JSON at byte \(error.offset): \(error.message)")
    }
    do { self = try node.decode(Self.self) } catch { throw ShardError(.malformed, path, "\(error)") }
  }
}

extension KeyedDecodingContainer {
  /// An integer within bounds.
  /// - Throws: `JSONCodingError` if it is not in `range`; what the container throws if there is no such integer.
  public func decode<T: FixedWidthInteger & Decodable>(
    _ type: T.Type, forKey key: Key, in range: ClosedRange<T>
  ) throws -> T {
    let value = try decode(type, forKey: key)
    guard range.contains(value) else {
      throw JSONCodingError(
        codingPath + [key], "\(value) is not between \(range.lowerBound) and \(range.upperBound)")
    }
    return value
  }
}

/// A figure. One that is not a number, or has no end, is written as null, and null is read as not a number.
@propertyWrapper
public struct JSONFigure: Codable, Equatable, Sendable {
  public var wrappedValue: Double

  public init(wrappedValue: Double) { self.wrappedValue = wrappedValue }

  /// Reads a number, or null.
  /// - Throws: what the decoder throws for another value.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    wrappedValue = container.decodeNil() ? .nan : try container.decode(Double.self)
  }

  /// Writes a number, or null.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if wrappedValue.isFinite { try container.encode(wrappedValue) } else { try container.encodeNil() }
  }
}

/// Metrics by name. NaN and infinite values are written as null; null values are left out when reading.
@propertyWrapper
public struct JSONFigures: Codable, Equatable, Sendable {
  public var wrappedValue: [String: Double]

  public init(wrappedValue: [String: Double]) { self.wrappedValue = wrappedValue }

  /// Reads an object of numbers and nulls.
  /// - Throws: what the decoder throws for another value.
  public init(from decoder: any Decoder) throws {
    wrappedValue = try [String: Double?](from: decoder).compactMapValues { $0 }
  }

  /// Writes an object of numbers and nulls, in key order.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    try JSONStringTable(wrappedValue.mapValues { $0.isFinite ? $0 : nil }).encode(to: encoder)
  }
}

/// A dictionary in key order: the same bytes each time.
struct JSONStringTable<Value: Encodable>: Encodable {
  let values: [String: Value]

  init(_ values: [String: Value]) { self.values = values }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: JSONCodingKey.self)
    for (key, value) in values.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      try container.encode(value, forKey: JSONCodingKey(stringValue: key))
    }
  }
}

/// The `Encodable` conformance of a dictionary.
protocol JSONOrderedTable {
  var ordered: any Encodable { get }
}

extension Dictionary: JSONOrderedTable where Key == String, Value: Encodable {
  var ordered: any Encodable { JSONStringTable(self) }
}
