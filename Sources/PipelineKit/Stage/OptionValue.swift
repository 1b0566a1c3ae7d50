public import ShardKit

/// A type that an option can have.
public protocol OptionValue: Sendable {
  /// For messages and documentation: "an integer".
  static var typeName: String { get }
  /// A JSON Schema.
  static var schema: JSONValue { get }
  /// Reads a value from a pipeline file.
  /// - Throws: `OptionProblem` if it is of another type or not allowed.
  init(json: JSONValue) throws(OptionProblem)
  var json: JSONValue { get }
}

extension OptionValue {
  static func mismatch(_ json: JSONValue) -> OptionProblem {
    OptionProblem("should be \(typeName), not \(json.typeName)")
  }
}

extension Bool: OptionValue {
  public static var typeName: String { "true or false" }
  public static var schema: JSONValue { ["type": "boolean"] }
  /// Reads true or false.
  /// - Throws: `OptionProblem` if it is something else.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let value = json.bool else { throw Self.mismatch(json) }
    self = value
  }
  public var json: JSONValue { .bool(self) }
}

extension Int: OptionValue {
  public static var typeName: String { "an integer" }
  public static var schema: JSONValue { ["type": "integer"] }
  /// Reads an integer.
  /// - Throws: `OptionProblem` if it is something else.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let value = json.integer else { throw Self.mismatch(json) }
    self = value
  }
  public var json: JSONValue { .integer(self) }
}

extension Double: OptionValue {
  public static var typeName: String { "a number" }
  public static var schema: JSONValue { ["type": "number"] }
  /// Reads a number.
  /// - Throws: `OptionProblem` if it is something else.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let value = json.double else { throw Self.mismatch(json) }
    self = value
  }
  public var json: JSONValue { .number(self) }
}

extension String: OptionValue {
  public static var typeName: String { "a string" }
  public static var schema: JSONValue { ["type": "string"] }
  /// Reads a string.
  /// - Throws: `OptionProblem` if it is something else, or contains a NUL character.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let value = json.string else { throw Self.mismatch(json) }
    // No option needs it, and a path or an argument would end there.
    guard !value.utf8.contains(0) else { throw OptionProblem("contains a NUL character") }
    self = value
  }
  public var json: JSONValue { .string(self) }
}

extension Optional: OptionValue where Wrapped: OptionValue {
  public static var typeName: String { "\(Wrapped.typeName) or null" }
  public static var schema: JSONValue { ["anyOf": .list([Wrapped.schema, ["type": "null"]])] }
  /// Reads null or a value.
  /// - Throws: `OptionProblem`, as `Wrapped` does.
  public init(json: JSONValue) throws(OptionProblem) {
    if json == .null { self = nil } else { self = .some(try Wrapped(json: json)) }
  }
  public var json: JSONValue { map(\.json) ?? .null }
}

extension Array: OptionValue where Element: OptionValue {
  public static var typeName: String { "a list, each \(Element.typeName)" }
  public static var schema: JSONValue { ["type": "array", "items": Element.schema] }
  /// Reads a list.
  /// - Throws: `OptionProblem` if it is something else; as `Element` does.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let values = json.array else { throw Self.mismatch(json) }
    self = []
    for value in values { append(try Element(json: value)) }
  }
  public var json: JSONValue { .list(map(\.json)) }
}

/// A JSON object with values of one type, such as ratios by domain. Written in key order.
extension Dictionary: OptionValue where Key == String, Value: OptionValue {
  public static var typeName: String { "an object, each value \(Value.typeName)" }
  public static var schema: JSONValue { ["type": "object", "additionalProperties": Value.schema] }
  /// Reads an object.
  /// - Throws: `OptionProblem` if it is something else; as `Value` does.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let members = json.members else { throw Self.mismatch(json) }
    self = [:]
    for member in members {
      do throws(OptionProblem) { self[member.key] = try Value(json: member.value) } catch {
        throw OptionProblem("'\(member.key)': \(error.message)")
      }
    }
  }
  public var json: JSONValue {
    .object(
      sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { JSONMember($0.key, $0.value.json) })
  }
}

/// A choice between named values: `enum Orthography: String, CaseIterable, OptionChoice { … }`.
public protocol OptionChoice: OptionValue, RawRepresentable, CaseIterable where RawValue == String {
  /// Names that values had in the last release, which are accepted.
  static var formerNames: [String: Self] { get }
}

extension OptionChoice {
  public static var formerNames: [String: Self] { [:] }
  public static var names: [String] { allCases.map(\.rawValue) }
  public static var typeName: String { "one of \(names.joined(separator: ", "))" }
  public static var schema: JSONValue { ["enum": .strings(names + formerNames.keys.sorted())] }
  /// Reads a choice by its name or a former name.
  /// - Throws: `OptionProblem` if it is not a string, or no choice has this name.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let name = json.string else { throw Self.mismatch(json) }
    guard let value = Self(rawValue: name) ?? Self.formerNames[name] else {
      throw OptionProblem("'\(name)' is not a valid choice" + suggestion(for: name, among: Self.names))
    }
    self = value
  }
  public var json: JSONValue { .string(rawValue) }
}

/// A number of bytes, written as an integer or as "1GiB", "512MiB", "64KB".
public struct ByteCount: OptionValue, Comparable, CustomStringConvertible {
  public var bytes: Int

  /// Larger than any disk; sums and small multiples still fit in an integer.
  static let largest = 1 << 56

  public init(_ bytes: Int) { self.bytes = bytes }
  public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }
  public static func gibibytes(_ count: Int) -> ByteCount { ByteCount(count << 30) }

  public static var typeName: String { "a number of bytes such as 67108864 or \"64MiB\"" }
  public static var schema: JSONValue { ["type": .strings(["integer", "string"])] }
  public static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }

  /// Reads a number of bytes, or text with a unit.
  /// - Throws: `OptionProblem` if it is something else, or out of range.
  public init(json: JSONValue) throws(OptionProblem) {
    switch json {
    case .integer(let bytes) where (0...Self.largest).contains(bytes): self.init(bytes)
    case .string(let text):
      guard let value = Self.parse(text) else { throw OptionProblem("'\(text)' is not \(Self.typeName)") }
      self = value
    case .integer, .number: throw OptionProblem("\(json.text()) is not \(Self.typeName)")
    default: throw Self.mismatch(json)
    }
  }

  /// Digits with at most one decimal point, then an optional unit; nil for anything else.
  public static func parse(_ text: String) -> ByteCount? {
    let units: [(String, Int)] = [
      ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("KB", 1000), ("MB", 1_000_000),
      ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ]
    guard let (unit, size) = units.first(where: { text.hasSuffix($0.0) }) else { return count(text[...], of: 1) }
    var number = text.dropLast(unit.utf8.count)
    if number.last == " " { number.removeLast() }
    return count(number, of: size)
  }

  private static func count(_ text: Substring, of size: Int) -> ByteCount? {
    let isPlain = text.utf8.first.map { $0 >= 48 && $0 <= 57 } ?? false
    guard isPlain, text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 || $0 == 46 }) else { return nil }
    if let whole = Int(text) {
      let (bytes, overflow) = whole.multipliedReportingOverflow(by: size)
      return overflow || bytes > largest ? nil : ByteCount(bytes)
    }
    guard size > 1, let number = Double(text), number * Double(size) <= Double(largest) else { return nil }
    return ByteCount(Int(number * Double(size)))
  }

  public var json: JSONValue { .integer(bytes) }
  public var description: String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] where bytes >= size && bytes % size == 0
    {
      return "\(bytes / size)\(unit)"
    }
    return "\(bytes) B"
  }
}

/// Files or folders on disk, relative to the pipeline file: one path, or a list. A folder means every file below it;
/// the last component may contain `*`. Fingerprints cover names and contents, not the location of the folder.
public struct InputFiles: OptionValue, Equatable {
  public var paths: [String]

  public init(_ paths: [String] = []) { self.paths = paths }
  public var isEmpty: Bool { paths.isEmpty }

  public static var typeName: String { "a path or a list of paths" }
  public static var schema: JSONValue {
    ["anyOf": .list([["type": "string"], ["type": "array", "items": ["type": "string"]]])]
  }
  /// Reads a path or a list of paths.
  /// - Throws: `OptionProblem` if it is something else, or contains a NUL character.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let paths = (json.string.map { $0.isEmpty ? [] : [$0] }) ?? json.array?.map(\.string), !paths.contains(nil)
    else { throw Self.mismatch(json) }
    self.init(paths.compactMap { $0 })
    guard !self.paths.contains(where: { $0.utf8.contains(0) }) else { throw OptionProblem("contains a NUL character") }
  }
  public var json: JSONValue { paths.count == 1 ? .string(paths[0]) : .strings(paths) }
}
