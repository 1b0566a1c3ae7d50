import CSimdJSON

/// The members of a JSON object as bytes, each key once: for building or extending metadata.
///
/// Values are kept as written, including long numbers. For a repeated key the last value counts, at the position of the
/// first.
public struct JSONMembers: Sendable {
  private var keys: [[UInt8]] = []
  private var values: [[UInt8]] = []
  private var places: [[UInt8]: Int] = [:]

  public init() {}

  /// The members of an object as written; nil for anything else, and for too many members. Empty bytes are an empty
  /// object.
  public init?(object: [UInt8]) {
    guard !object.isEmpty else { return }
    guard object.withUnsafeBytes({ JSONKeys.judge($0) }).isObject else { return nil }
    object.withUnsafeBytes { _ = self.add(object: $0) }
  }

  public var isEmpty: Bool { keys.isEmpty }

  /// - Parameters:
  ///   - key: unescaped.
  ///   - value: JSON as written.
  /// - Returns: whether the key already existed.
  @discardableResult
  public mutating func set(_ key: some Collection<UInt8>, _ value: some Collection<UInt8>) -> Bool {
    let key = Array(key)
    if let place = places[key] {
      values[place] = Array(value)
      return true
    }
    places[key] = keys.count
    keys.append(key)
    values.append(Array(value))
    return false
  }

  /// A string, unescaped.
  @discardableResult
  public mutating func set(_ key: some Collection<UInt8>, string: UnsafeRawBufferPointer) -> Bool {
    var quoted: [UInt8] = []
    JSONText.append(string: string, to: &quoted)
    return set(key, quoted)
  }

  public func contains(_ key: [UInt8]) -> Bool { places[key] != nil }

  public mutating func removeAll() {
    keys.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
  }

  /// Adds the members of an object that has been validated.
  /// - Returns: whether a key already existed.
  @discardableResult
  public mutating func add(object: UnsafeRawBufferPointer) -> Bool {
    var repeated = false
    for (key, value) in JSONObjectSlices(object) { repeated = set(JSONKeys.unescaped(key), value) || repeated }
    return repeated
  }

  /// The object. Empty if there are no members.
  public var object: [UInt8] {
    guard !keys.isEmpty else { return [] }
    var out: [UInt8] = [UInt8(ascii: "{")]
    for (key, value) in zip(keys, values) {
      if out.count > 1 { out.append(UInt8(ascii: ",")) }
      JSONText.append(string: key, to: &out)
      out.append(UInt8(ascii: ":"))
      out.append(contentsOf: value)
    }
    out.append(UInt8(ascii: "}"))
    return out
  }
}

/// What is known about the keys of a JSON object.
public enum JSONKeys: Int32, Sendable {
  case unique, repeated, noObject
  /// Nested open objects have more than `JSONObjectReader.maximumMembers` in total.
  case tooMany

  /// Whether it is an object with readable members.
  public var isObject: Bool { self == .unique || self == .repeated }

  /// Strict, and linear except for sorting each object's keys; checks nested objects too.
  public static func judge(_ object: UnsafeRawBufferPointer) -> JSONKeys {
    JSONKeys(rawValue: pl_json_keys(object.baseAddress?.assumingMemoryBound(to: CChar.self), object.count))!
  }

  /// Whether an object has more members than can be read and written.
  public static func hasTooMany(_ object: [UInt8]) -> Bool {
    // A member takes at least four bytes: `"":0`.
    object.count > 4 * JSONObjectReader.maximumMembers && object.withUnsafeBytes { judge($0) } == .tooMany
  }

  /// Whether the bytes are one JSON value.
  public static func isValue(_ json: UnsafeRawBufferPointer) -> Bool {
    pl_is_json(json.baseAddress?.assumingMemoryBound(to: CChar.self), json.count) != 0
  }

  /// A valid object as written, without repeated keys in it and in nested objects; the last value counts.
  public static func once(_ written: UnsafeRawBufferPointer) -> [UInt8] {
    let object = UnsafeRawBufferPointer(rebasing: written.drop { $0 <= 32 })
    switch object.first {
    case UInt8(ascii: "{"):
      var members = JSONMembers()
      for (key, value) in JSONObjectSlices(object) { members.set(unescaped(key), once(value)) }
      return members.isEmpty ? Array("{}".utf8) : members.object
    case UInt8(ascii: "["):
      var out: [UInt8] = [UInt8(ascii: "[")]
      for element in JSONArraySlices(object) {
        if out.count > 1 { out.append(UInt8(ascii: ",")) }
        out.append(contentsOf: once(element))
      }
      return out + [UInt8(ascii: "]")]
    default: return object.reversed().drop { $0 <= 32 }.reversed()
    }
  }

  /// The unescaped bytes of a key, given the bytes between its quotes.
  static func unescaped(_ key: UnsafeRawBufferPointer) -> [UInt8] {
    guard key.contains(UInt8(ascii: "\\")) else { return Array(key) }
    let quoted = [UInt8(ascii: "\"")] + key + [UInt8(ascii: "\"")]
    return (try? JSONValue.parse(quoted).value.string).map { Array($0.utf8) } ?? Array(key)
  }
}

/// The members of a valid JSON object as slices: keys as written between their quotes, values as written.
struct JSONObjectSlices: Sequence, IteratorProtocol {
  private var elements: JSONArraySlices

  init(_ object: UnsafeRawBufferPointer) { elements = JSONArraySlices(members: object) }

  mutating func next() -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
    guard let member = elements.next(), member.first == UInt8(ascii: "\"") else { return nil }
    var end = 1
    while end < member.count, member[end] != UInt8(ascii: "\"") { end += member[end] == UInt8(ascii: "\\") ? 2 : 1 }
    var start = end + 1
    while start < member.count, member[start] <= 32 || member[start] == UInt8(ascii: ":") { start += 1 }
    guard start < member.count else { return nil }
    return (slice(member, 1..<end), slice(member, start..<member.count))
  }

  private func slice(_ member: UnsafeRawBufferPointer, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: member[range])
  }
}
