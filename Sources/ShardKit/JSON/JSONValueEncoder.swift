extension JSONValue {
  /// Encodes a value: members in the order in which they are encoded, which is declaration order for synthesized
  /// conformances and key order for string dictionaries.
  ///
  /// Numbers are exact: an unsigned value beyond `Int.max` becomes a string of digits, which `decode` reads back.
  /// - Parameter writesNull: whether nil members are written as null; otherwise they are left out.
  /// - Throws: `JSONCodingError` for a number that is not finite, or with what the value's `encode(to:)` throws.
  public static func encoding(_ value: some Encodable, writesNull: Bool = false) throws(JSONCodingError) -> JSONValue {
    do {
      return try JSONValueEncoder(slot: .init(), codingPath: [], writesNull: writesNull).filled(with: value).json
    } catch {
      throw JSONCodingError(error, at: [])
    }
  }
}

extension JSONValue: Encodable {
  /// Encodes the value as it is, with any encoder.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    if let own = encoder as? JSONValueEncoder { return own.slot.content = .value(self) }
    switch self {
    case .array(let nodes):
      var container = encoder.unkeyedContainer()
      for node in nodes { try container.encode(node.value) }
    case .object(let members):
      var container = encoder.container(keyedBy: JSONCodingKey.self)
      for member in members { try container.encode(member.value, forKey: JSONCodingKey(stringValue: member.key)) }
    default:
      var container = encoder.singleValueContainer()
      switch self {
      case .bool(let value): try container.encode(value)
      case .integer(let value): try container.encode(value)
      case .number(let value): try container.encode(value)
      case .string(let value): try container.encode(value)
      default: try container.encodeNil()
      }
    }
  }
}

struct JSONValueEncoder: Encoder {
  /// A slot that a container fills, possibly after the enclosing container was created.
  final class Slot {
    enum Content {
      case empty
      case value(JSONValue)
      case array([Slot])
      case object([(key: String, slot: Slot)])
    }

    var content = Content.empty

    init(_ content: Content = .empty) { self.content = content }

    /// A value that encodes nothing is an empty object, as in other encoders.
    var json: JSONValue {
      switch content {
      case .empty: .object([])
      case .value(let value): value
      case .array(let slots): .list(slots.map(\.json))
      case .object(let members): .object(members.map { JSONMember($0.key, $0.slot.json) })
      }
    }

    func append(_ slot: Slot) {
      guard case .array(var slots) = content else { return content = .array([slot]) }
      content = .empty
      slots.append(slot)
      content = .array(slots)
    }

    /// A key that was already encoded keeps its position.
    func set(_ key: String, _ slot: Slot) {
      guard case .object(var members) = content else { return content = .object([(key, slot)]) }
      content = .empty
      if let place = members.firstIndex(where: { $0.key.isExactly(key) }) {
        members[place].slot = slot
      } else {
        members.append((key, slot))
      }
      content = .object(members)
    }

    func member(_ key: String) -> Slot? {
      guard case .object(let members) = content else { return nil }
      return members.first { $0.key.isExactly(key) }?.slot
    }

    var count: Int { if case .array(let slots) = content { slots.count } else { 0 } }
  }

  let slot: Slot
  let codingPath: [any CodingKey]
  let writesNull: Bool
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  /// The slot, with a value in it.
  func filled(with value: some Encodable) throws -> Slot {
    // The dictionary's own order differs between processes.
    if let table = value as? any JSONOrderedTable {
      try table.ordered.encode(to: self)
    } else {
      try value.encode(to: self)
    }
    return slot
  }

  /// For a slot of this encoder.
  private func inner(_ key: any CodingKey, _ inner: Slot = Slot()) -> JSONValueEncoder {
    JSONValueEncoder(slot: inner, codingPath: codingPath + [key], writesNull: writesNull)
  }

  func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedEncodingContainer<Key> {
    if case .object = slot.content {} else { slot.content = .object([]) }
    return KeyedEncodingContainer(Keyed<Key>(encoder: self))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if case .array = slot.content {} else { slot.content = .array([]) }
    return Unkeyed(encoder: self)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { Single(encoder: self) }

  /// The encodings of the standard library's scalars, all exact.
  private struct Single: SingleValueEncodingContainer {
    let encoder: JSONValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }
    private var slot: Slot { encoder.slot }

    func encodeNil() { slot.content = .value(.null) }
    func encode(_ value: Bool) { slot.content = .value(.bool(value)) }
    func encode(_ value: String) { slot.content = .value(.string(value)) }
    func encode(_ value: Double) throws {
      guard value.isFinite else { throw JSONCodingError(codingPath, "\(value) cannot be represented in JSON") }
      slot.content = .value(.number(value))
    }
    func encode(_ value: Float) throws { try encode(Double(value)) }
    func encode(_ value: Int) { integer(value) }
    func encode(_ value: Int8) { integer(value) }
    func encode(_ value: Int16) { integer(value) }
    func encode(_ value: Int32) { integer(value) }
    func encode(_ value: Int64) { integer(value) }
    func encode(_ value: Int128) { integer(value) }
    func encode(_ value: UInt) { integer(value) }
    func encode(_ value: UInt8) { integer(value) }
    func encode(_ value: UInt16) { integer(value) }
    func encode(_ value: UInt32) { integer(value) }
    func encode(_ value: UInt64) { integer(value) }
    func encode(_ value: UInt128) { integer(value) }
    func encode(_ value: some Encodable) throws { _ = try encoder.filled(with: value) }

    private func integer(_ value: some FixedWidthInteger) {
      slot.content = .value(Int(exactly: value).map { .integer($0) } ?? .string("\(value)"))
    }
  }

  private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: JSONValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }

    func encodeNil(forKey key: Key) { encoder.slot.set(key.stringValue, Slot(.value(.null))) }
    func encode(_ value: some Encodable, forKey key: Key) throws {
      // Inserted once it is complete.
      encoder.slot.set(key.stringValue, try encoder.inner(named(key)).filled(with: value))
    }
    func encodeIfPresent(_ value: (some Encodable)?, forKey key: Key) throws { try encodeAny(value, key) }
    // The protocol has separate methods for these, which leave nil out.
    func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: String?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Double?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Float?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Int8?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Int16?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Int32?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: Int64?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: UInt?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws { try encodeAny(value, key) }
    func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws { try encodeAny(value, key) }

    private func encodeAny(_ value: (some Encodable)?, _ key: Key) throws {
      if let value { try encode(value, forKey: key) } else if encoder.writesNull { encodeNil(forKey: key) }
    }

    func nestedContainer<Nested: CodingKey>(
      keyedBy: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { nested(key).container(keyedBy: keyedBy) }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { placed(JSONCodingKey(stringValue: "super")) }
    func superEncoder(forKey key: Key) -> any Encoder { placed(key) }

    /// A key that happens to be a number is not an index.
    private func named(_ key: some CodingKey) -> JSONCodingKey { JSONCodingKey(stringValue: key.stringValue) }

    /// A container that was already started is continued.
    private func nested(_ key: Key) -> JSONValueEncoder {
      guard let begun = encoder.slot.member(key.stringValue) else { return placed(key) }
      return encoder.inner(named(key), begun)
    }

    private func placed(_ key: some CodingKey) -> JSONValueEncoder {
      let inner = encoder.inner(named(key))
      encoder.slot.set(key.stringValue, inner.slot)
      return inner
    }
  }

  private struct Unkeyed: UnkeyedEncodingContainer {
    let encoder: JSONValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.slot.count }

    func encodeNil() { encoder.slot.append(Slot(.value(.null))) }
    func encode(_ value: some Encodable) throws { encoder.slot.append(try next().filled(with: value)) }
    func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type) -> KeyedEncodingContainer<Nested> {
      placed().container(keyedBy: keyedBy)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { placed().unkeyedContainer() }
    func superEncoder() -> any Encoder { placed() }

    private func next() -> JSONValueEncoder { encoder.inner(JSONCodingKey(intValue: count)) }

    private func placed() -> JSONValueEncoder {
      let inner = next()
      encoder.slot.append(inner.slot)
      return inner
    }
  }
}
