import CSimdJSON

/// The members of a JSON object as bytes, each key once: for metadata that is put together or added to.
///
/// Values stay as they are written, long numbers too. Of a repeated key the last value counts, at the first one's place.
public struct JSONMembers: Sendable {
  private var keys: [[UInt8]] = []
  private var values: [[UInt8]] = []
  private var places: [[UInt8]: Int] = [:]

  public init() {}

  /// The members of an object as written; nil for anything else, and for more members than are read. Empty bytes are an empty object.
  public init?(object: [UInt8]) {
    guard !object.isEmpty else { return }
    guard object.withUnsafeBytes({ JSONKeys.judge($0) }).isObject else { return nil }
    object.withUnsafeBytes { _ = self.add(object: $0) }
  }

  public var isEmpty: Bool { keys.isEmpty }

  /// - Parameters:
  ///   - key: unescaped.
  ///   - value: JSON as written.
  /// - Returns: whether the key was there already.
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

  /// Adds the members of an object that has been checked.
  /// - Returns: whether a key was there already.
  @discardableResult
  public mutating func add(object: UnsafeRawBufferPointer) -> Bool {
    var repeated = false
    for (key, value) in JSONObjectSlices(object) { repeated = set(JSONKeys.unescaped(key), value) || repeated }
    return repeated
  }

  /// The object. Empty where there are no members.
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

/// What is known of the keys of a JSON object.
public enum JSONKeys: Int32, Sendable {
  case unique, repeated, noObject
  /// Objects that are open at once have more than `JSONObjectReader.maximumMembers`.
  case tooMany

  /// Whether it is an object whose members can be read.
  public var isObject: Bool { self == .unique || self == .repeated }

  /// Strict and linear but for the sorting of each object's keys; looks at objects within too.
  public static func judge(_ object: UnsafeRawBufferPointer) -> JSONKeys {
    JSONKeys(rawValue: pl_json_keys(object.baseAddress?.assumingMemoryBound(to: CChar.self), object.count))!
  }

  /// Whether an object has more members than are read and written.
  public static func hasTooMany(_ object: [UInt8]) -> Bool {
    // A member takes four bytes at least: `"":0`.
    object.count > 4 * JSONObjectReader.maximumMembers && object.withUnsafeBytes { judge($0) } == .tooMany
  }

  /// Whether the bytes are one JSON value.
  public static func isValue(_ json: UnsafeRawBufferPointer) -> Bool {
    pl_is_json(json.baseAddress?.assumingMemoryBound(to: CChar.self), json.count) != 0
  }

  /// A valid object, as written, with each key once in it and in the objects within; the last value counts.
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

  /// The bytes that a key means, from what stands between its quotes.
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
