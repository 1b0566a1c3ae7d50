/// Builds a stage's options from declarations by name, through the compiler-generated `Decodable` conformance.
struct OptionDecoder: Decoder {
  let options: [String: any DeclaredOption]
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  init(_ fields: [OptionField]) {
    options = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.option) })
  }

  func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(Container(decoder: self))
  }
  func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Self.notDeclared([]) }
  func singleValueContainer() throws -> any SingleValueDecodingContainer { throw Self.notDeclared([]) }

  static func notDeclared(_ path: [any CodingKey]) -> DecodingError {
    DecodingError.dataCorrupted(
      .init(codingPath: path, debugDescription: "options must be properties declared with @Option or @OptionGroup"))
  }

  private struct Container<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: OptionDecoder
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { decoder.options.keys.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { decoder.options[key.stringValue] != nil }
    func decodeNil(forKey key: Key) -> Bool { false }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
      // The options of a group appear among the others.
      if type is any DeclaredGroup.Type { return try T(from: decoder) }
      guard let option = decoder.options[key.stringValue] as? T else { throw OptionDecoder.notDeclared([key]) }
      return option
    }
    func nestedContainer<Nested: CodingKey>(
      keyedBy: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw OptionDecoder.notDeclared([key]) }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
      throw OptionDecoder.notDeclared([key])
    }
    func superDecoder() throws -> any Decoder { throw OptionDecoder.notDeclared([]) }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw OptionDecoder.notDeclared([key]) }
  }
}

extension Option: Decodable {
  /// Available only as a property of options, which `OptionDecoder` reads.
  public init(from decoder: any Decoder) throws { throw OptionDecoder.notDeclared(decoder.codingPath) }
}

extension OptionGroup: Decodable {
  public init(from decoder: any Decoder) throws { self.init(wrappedValue: try Group(from: decoder)) }
}
