extension JSONValue {
  /// What a value encodes itself as: members in the order in which they are encoded, which for synthesized
  /// conformances is the order of declaration; optionals that are nil are left out.
  ///
  /// Numbers are exact: an unsigned one beyond `Int.max` becomes a string of digits, which `decode` reads back.
  public static func encoding(_ value: some Encodable) throws(JSONCodingError) -> JSONValue {
    do { return try JSONValueEncoder.Slot.filled(with: value, path: []).json } catch {
      throw JSONCodingError(error, at: [])
    }
  }
}

extension JSONValue: Encodable {
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
  /// A place that a container fills, maybe after the container around it was made.
  final class Slot {
    enum Content {
      case empty
      case value(JSONValue)
      case array([Slot])
      case object([(key: String, slot: Slot)])
    }

    var content = Content.empty

    init(_ content: Content = .empty) { self.content = content }

    /// What encodes nothing is an empty object, as it is to other encoders.
    var json: JSONValue {
      switch content {
      case .empty: .object([])
      case .value(let value): value
      case .array(let slots): .list(slots.map(\.json))
      case .object(let members): .object(members.map { JSONMember($0.key, $0.slot.json) })
      }
    }

    static func filled(with value: some Encodable, path: [any CodingKey]) throws -> Slot {
      let slot = Slot()
      try value.encode(to: JSONValueEncoder(slot: slot, codingPath: path))
      return slot
    }

    func append(_ slot: Slot) {
      guard case .array(var slots) = content else { return content = .array([slot]) }
      content = .empty
      slots.append(slot)
      content = .array(slots)
    }

    /// A key that was encoded already keeps its place.
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
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedEncodingContainer<Key> {
    if case .object = slot.content {} else { slot.content = .object([]) }
    return KeyedEncodingContainer(Keyed<Key>(slot: slot, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if case .array = slot.content {} else { slot.content = .array([]) }
    return Unkeyed(slot: slot, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { Single(slot: slot, codingPath: codingPath) }

  /// What the standard library's scalars encode themselves as, each exactly.
  private struct Single: SingleValueEncodingContainer {
    let slot: Slot
    let codingPath: [any CodingKey]

    func encodeNil() { slot.content = .value(.null) }
    func encode(_ value: Bool) { slot.content = .value(.bool(value)) }
    func encode(_ value: String) { slot.content = .value(.string(value)) }
    func encode(_ value: Double) throws {
      guard value.isFinite else { throw JSONCodingError(codingPath, "\(value) cannot stand in JSON") }
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
    func encode(_ value: some Encodable) throws {
      try value.encode(to: JSONValueEncoder(slot: slot, codingPath: codingPath))
    }

    private func integer(_ value: some FixedWidthInteger) {
      slot.content = .value(Int(exactly: value).map { .integer($0) } ?? .string("\(value)"))
    }
  }

  private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let slot: Slot
    let codingPath: [any CodingKey]

    func encodeNil(forKey key: Key) { slot.set(key.stringValue, Slot(.value(.null))) }
    func encode(_ value: some Encodable, forKey key: Key) throws {
      slot.set(key.stringValue, try .filled(with: value, path: path(key)))
    }
    func nestedContainer<Nested: CodingKey>(
      keyedBy: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { nested(key).container(keyedBy: keyedBy) }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder(JSONCodingKey(stringValue: "super")) }
    func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }

    /// A key that happens to be a number is no index.
    private func path(_ key: some CodingKey) -> [any CodingKey] {
      codingPath + [JSONCodingKey(stringValue: key.stringValue)]
    }

    /// A container that was begun already is gone on with.
    private func nested(_ key: Key) -> JSONValueEncoder {
      guard let begun = slot.member(key.stringValue) else { return encoder(key) }
      return JSONValueEncoder(slot: begun, codingPath: path(key))
    }

    private func encoder(_ key: some CodingKey) -> JSONValueEncoder {
      let inner = Slot()
      slot.set(key.stringValue, inner)
      return JSONValueEncoder(slot: inner, codingPath: path(key))
    }
  }

  private struct Unkeyed: UnkeyedEncodingContainer {
    let slot: Slot
    let codingPath: [any CodingKey]
    var count: Int { slot.count }

    private var path: [any CodingKey] { codingPath + [JSONCodingKey(intValue: count)] }

    func encodeNil() { slot.append(Slot(.value(.null))) }
    func encode(_ value: some Encodable) throws { slot.append(try .filled(with: value, path: path)) }
    func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type) -> KeyedEncodingContainer<Nested> {
      encoder().container(keyedBy: keyedBy)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder().unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder() }

    private func encoder() -> JSONValueEncoder {
      let encoder = JSONValueEncoder(slot: Slot(), codingPath: path)
      slot.append(encoder.slot)
      return encoder
    }
  }
}
