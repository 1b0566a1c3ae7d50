/// A JSON value in memory, for options, manifests and API responses; records go through `JSONObjectReader`.
///
/// Objects keep their order. The `offset` of a node is its position in the text, for messages; equality ignores it.
public indirect enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONNode])
  case object([JSONMember])

  public var typeName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

public struct JSONNode: Equatable, Sendable {
  public var value: JSONValue
  /// Byte offset in the text that it was read from.
  public var offset: Int

  public init(_ value: JSONValue, offset: Int = 0) {
    self.value = value
    self.offset = offset
  }

  public static func == (a: JSONNode, b: JSONNode) -> Bool { a.value == b.value }
}

public struct JSONMember: Equatable, Sendable {
  public var key: String
  public var keyOffset: Int
  public var node: JSONNode
  public var value: JSONValue { node.value }

  public init(_ key: String, _ value: JSONValue, keyOffset: Int = 0, offset: Int = 0) {
    self.key = key
    self.keyOffset = keyOffset
    node = JSONNode(value, offset: offset)
  }

  public static func == (a: JSONMember, b: JSONMember) -> Bool { a.key == b.key && a.node == b.node }
}

extension JSONValue {
  /// The member of an object, nil for anything else.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.isExactly(key) }?.value
  }
  public var string: String? { if case .string(let s) = self { s } else { nil } }
  public var integer: Int? { if case .integer(let i) = self { i } else { nil } }
  public var double: Double? {
    switch self {
    case .integer(let i): Double(i)
    case .number(let d): d
    default: nil
    }
  }
  public var bool: Bool? { if case .bool(let b) = self { b } else { nil } }
  public var array: [JSONValue]? { if case .array(let nodes) = self { nodes.map(\.value) } else { nil } }
  public var members: [JSONMember]? { if case .object(let members) = self { members } else { nil } }

  public static func list(_ values: [JSONValue]) -> JSONValue { .array(values.map { JSONNode($0) }) }
  public static func strings(_ values: [String]) -> JSONValue { list(values.map { .string($0) }) }
}

extension JSONValue: ExpressibleByDictionaryLiteral, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral
{
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember($0.0, $0.1) })
  }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue {
  /// One line without spaces; with `sortedKeys`, equal values give equal bytes.
  public func text(sortedKeys: Bool = false) -> String {
    var out: [UInt8] = []
    append(to: &out, sortedKeys: sortedKeys)
    return String(decoding: out, as: UTF8.self)
  }

  /// Indented by two spaces, with a final line end.
  public func prettyText() -> String {
    var out: [UInt8] = []
    append(to: &out, indent: 2)
    out.append(10)
    return String(decoding: out, as: UTF8.self)
  }

  /// Appends the value as `text` or, with an indentation, as `prettyText` writes it within a value of that depth.
  public func append(to out: inout [UInt8], sortedKeys: Bool = false, indent: Int? = nil, depth: Int = 0) {
    func newline(_ depth: Int) {
      guard let indent else { return }
      out.append(10)
      out.append(contentsOf: repeatElement(32, count: indent * depth))
    }
    switch self {
    case .null: out.append(contentsOf: "null".utf8)
    case .bool(let b): out.append(contentsOf: (b ? "true" : "false").utf8)
    case .integer(let i): out.append(contentsOf: String(i).utf8)
    case .number(let d): out.append(contentsOf: (d.isFinite ? "\(d)" : "null").utf8)
    case .string(let s): JSONText.append(string: s, to: &out)
    case .array(let nodes):
      out.append(0x5B)
      for (i, node) in nodes.enumerated() {
        if i > 0 { out.append(0x2C) }
        newline(depth + 1)
        node.value.append(to: &out, sortedKeys: sortedKeys, indent: indent, depth: depth + 1)
      }
      if !nodes.isEmpty { newline(depth) }
      out.append(0x5D)
    case .object(var members):
      if sortedKeys { members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } }
      out.append(0x7B)
      for (i, member) in members.enumerated() {
        if i > 0 { out.append(0x2C) }
        newline(depth + 1)
        JSONText.append(string: member.key, to: &out)
        out.append(0x3A)
        if indent != nil { out.append(32) }
        member.value.append(to: &out, sortedKeys: sortedKeys, indent: indent, depth: depth + 1)
      }
      if !members.isEmpty { newline(depth) }
      out.append(0x7D)
    }
  }
}
