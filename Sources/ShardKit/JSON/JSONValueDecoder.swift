/// How to treat members of an object that its type does not declare.
public enum JSONUnknownMembers: Sendable { case passedOver, refused }

extension JSONValue {
  /// Decodes a value. Required members must be present with their type; a null or absent member decodes as a nil
  /// optional.
  /// - Throws: `JSONCodingError` for a member that is missing, has a wrong value, or is unknown and refused.
  public func decode<T: Decodable>(
    _ type: T.Type = T.self, unknownMembers: JSONUnknownMembers = .passedOver
  ) throws(JSONCodingError) -> T {
    try JSONNode(self).decode(type, unknownMembers: unknownMembers)
  }
}

extension JSONNode {
  /// Like `JSONValue.decode`; errors include their position in the text.
  /// - Throws: `JSONCodingError` for a member that is missing, has a wrong value, or is unknown and refused.
  public func decode<T: Decodable>(
    _ type: T.Type = T.self, unknownMembers: JSONUnknownMembers = .passedOver
  ) throws(JSONCodingError) -> T {
    let decoder = JSONValueDecoder(self, codingPath: [], unknownMembers)
    do { return try decoder.decode(type) } catch { throw JSONCodingError(error, at: [], offset: offset) }
  }
}

extension JSONValue: Decodable {
  /// Takes the value as it is.
  /// - Throws: `DecodingError` if the decoder is not that of `JSONValue.decode`.
  public init(from decoder: any Decoder) throws {
    guard let own = decoder as? JSONValueDecoder else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "JSON is decoded from JSON alone"))
    }
    self = own.wholeValue
  }
}

/// One value with its path. A class, so that all containers of an object share the set of keys that were read.
final class JSONValueDecoder: Decoder {
  let node: JSONNode
  let codingPath: [any CodingKey]
  let unknownMembers: JSONUnknownMembers
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  /// Indices of the members by key, for large objects.
  private lazy var places: [ExactText: Int] = Dictionary(
    (node.value.members ?? []).enumerated().map { (ExactText($0.element.key), $0.offset) },
    uniquingKeysWith: { first, _ in first })
  private var asked: Set<Int> = []
  /// Whether it was decoded as an object with known members.
  private var isKeyed = false

  init(_ node: JSONNode, codingPath: [any CodingKey], _ unknownMembers: JSONUnknownMembers) {
    self.node = node
    self.codingPath = codingPath
    self.unknownMembers = unknownMembers
  }

  // MARK: Values

  /// Also checks it for unknown members.
  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    do {
      let value = try T(from: self)
      try checkMembers()
      return value
    } catch DecodingError.dataCorrupted(let context) {
      throw choiceError(T.self) ?? JSONCodingError(context.codingPath, context.debugDescription, offset: node.offset)
    } catch { throw JSONCodingError(error, at: codingPath, offset: node.offset) }
  }

  /// The value unchanged; all its members count as read.
  var wholeValue: JSONValue {
    isKeyed = false
    return node.value
  }

  private func checkMembers() throws(JSONCodingError) {
    guard unknownMembers == .refused, isKeyed, let members = node.value.members else { return }
    for (place, member) in members.enumerated() where !asked.contains(place) {
      throw JSONCodingError(
        codingPath + [JSONCodingKey(stringValue: member.key)], "is not a known key", offset: member.keyOffset)
    }
  }

  /// For an enumeration of texts or numbers, whose own error only says that it cannot be created.
  private func choiceError<T>(_ type: T.Type) -> JSONCodingError? {
    guard type is any RawRepresentable.Type else { return nil }
    let known = (type as? any CaseIterable.Type).map { ", one of \(Self.names($0))" } ?? ""
    return error("\(node.value.text()) is not a valid value\(known)")
  }

  private static func names<Choice: CaseIterable>(_: Choice.Type) -> String {
    Choice.allCases.map { choice in (choice as? any RawRepresentable).map { "\($0.rawValue)" } ?? "\(choice)" }
      .joined(separator: ", ")
  }

  func error(_ message: String) -> JSONCodingError { JSONCodingError(codingPath, message, offset: node.offset) }

  func mismatch(_ wanted: String) -> JSONCodingError { error("should be \(wanted), not \(node.value.typeName)") }

  func integer<T: FixedWidthInteger>(_: T.Type) throws(JSONCodingError) -> T {
    switch node.value {
    case .integer(let integer):
      guard let value = T(exactly: integer) else {
        throw error("\(integer) is not between \(T.min) and \(T.max)")
      }
      return value
    // As the encoder writes values beyond `Int`.
    case .string(let text) where Int(text) == nil:
      guard let value = T(text), "\(value)".isExactly(text) else { throw mismatch("an integer") }
      return value
    default: throw mismatch("an integer")
    }
  }

  func double() throws(JSONCodingError) -> Double {
    switch node.value {
    case .number(let number): return number
    case .integer(let integer):
      guard let value = Double(exactly: integer) else { throw error("\(integer) has too many digits for a number") }
      return value
    default: throw mismatch("a number")
    }
  }

  func float() throws(JSONCodingError) -> Float {
    let value = try double()
    guard Float(value).isFinite else { throw error("\(value) is too large") }
    return Float(value)
  }

  // MARK: Containers

  func container<Key: CodingKey>(keyedBy: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object = node.value else { throw mismatch("an object") }
    isKeyed = true
    return KeyedDecodingContainer(Keyed<Key>(decoder: self))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let nodes) = node.value else { throw mismatch("an array") }
    return Unkeyed(decoder: self, nodes: nodes)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { Single(decoder: self) }

  fileprivate func member(_ key: some CodingKey) -> JSONValueDecoder? {
    guard case .object(let members) = node.value else { return nil }
    let name = key.stringValue
    let place = members.count > 16 ? places[ExactText(name)] : members.firstIndex { $0.key.isExactly(name) }
    guard let place else { return nil }
    if unknownMembers == .refused { asked.insert(place) }
    // A key that happens to be a number is not an index.
    let path = codingPath + [JSONCodingKey(stringValue: key.stringValue)]
    return JSONValueDecoder(members[place].node, codingPath: path, unknownMembers)
  }

  private struct Single: SingleValueDecodingContainer {
    let decoder: JSONValueDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool { decoder.node.value == .null }
    func decode(_: Bool.Type) throws -> Bool {
      guard let value = decoder.node.value.bool else { throw decoder.mismatch("true or false") }
      return value
    }
    func decode(_: String.Type) throws -> String {
      guard let value = decoder.node.value.string else { throw decoder.mismatch("a string") }
      return value
    }
    func decode(_: Double.Type) throws -> Double { try decoder.double() }
    func decode(_: Float.Type) throws -> Float { try decoder.float() }
    func decode(_ type: Int.Type) throws -> Int { try decoder.integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.integer(type) }
    func decode(_ type: Int128.Type) throws -> Int128 { try decoder.integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.integer(type) }
    func decode(_ type: UInt128.Type) throws -> UInt128 { try decoder.integer(type) }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.decode(type) }
  }

  private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: JSONValueDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }
    var allKeys: [Key] { (decoder.node.value.members ?? []).compactMap { Key(stringValue: $0.key) } }

    func contains(_ key: Key) -> Bool { decoder.member(key) != nil }
    func decodeNil(forKey key: Key) throws -> Bool { try value(key).node.value == .null }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try value(key).decode(type) }
    func nestedContainer<Nested: CodingKey>(
      keyedBy: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { try value(key).container(keyedBy: keyedBy) }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
      try value(key).unkeyedContainer()
    }
    func superDecoder() throws -> any Decoder { try value(JSONCodingKey(stringValue: "super")) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try value(key) }

    private func value(_ key: some CodingKey) throws(JSONCodingError) -> JSONValueDecoder {
      guard let value = decoder.member(key) else { throw decoder.error(JSONCodingError.missing(key)) }
      return value
    }
  }

  private struct Unkeyed: UnkeyedDecodingContainer {
    let decoder: JSONValueDecoder
    let nodes: [JSONNode]
    var currentIndex = 0
    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { nodes.count }
    var isAtEnd: Bool { currentIndex == nodes.count }

    mutating func decodeNil() throws -> Bool {
      guard try peek().node.value == .null else { return false }
      currentIndex += 1
      return true
    }
    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().decode(type) }
    mutating func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
      try next().container(keyedBy: keyedBy)
    }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
    mutating func superDecoder() throws -> any Decoder { try next() }

    private func peek() throws(JSONCodingError) -> JSONValueDecoder {
      guard !isAtEnd else { throw decoder.error("has \(nodes.count) elements, but one more is required") }
      let path = decoder.codingPath + [JSONCodingKey(intValue: currentIndex)]
      return JSONValueDecoder(nodes[currentIndex], codingPath: path, decoder.unknownMembers)
    }

    private mutating func next() throws(JSONCodingError) -> JSONValueDecoder {
      let value = try peek()
      currentIndex += 1
      return value
    }
  }
}
