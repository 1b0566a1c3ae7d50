/// The type of a column, as found by a survey of all its values.
public indirect enum ParquetType: Equatable, Sendable {
  /// Also what has no type of its own: such values are written as their JSON.
  case text
  case integer, double, truth
  case list(ParquetType)
  case structure([ParquetField])
}

public struct ParquetField: Equatable, Sendable {
  public var name: String
  public var type: ParquetType
  /// Whether texts are expected to repeat.
  public var isRepetitive: Bool

  public init(_ name: String, _ type: ParquetType, isRepetitive: Bool = false) {
    self.name = name
    self.type = type
    self.isRepetitive = isRepetitive
  }
}

/// Finds the type of the values of a JSON member over many documents, so that a table's columns are known before its
/// first row.
public final class ParquetSurvey {
  private struct Kinds: OptionSet {
    let rawValue: Int
    static let text = Kinds(rawValue: 1)
    static let integer = Kinds(rawValue: 2)
    static let double = Kinds(rawValue: 4)
    static let truth = Kinds(rawValue: 8)
    static let list = Kinds(rawValue: 16)
    static let object = Kinds(rawValue: 32)
    /// An integer that a double does not represent exactly.
    static let wide = Kinds(rawValue: 64)
    /// Has no type of its own, whatever else is found: too many members, or nested too deeply.
    static let untyped = Kinds(rawValue: 128)
  }

  /// Objects with more members, over all documents, are dictionaries and not structures.
  public static let maximumMembers = 256
  private static let maximumDepth = 8

  private var kinds: Kinds = []
  private var element: ParquetSurvey?
  private var members: [(key: [UInt8], survey: ParquetSurvey)] = []
  private var places: [[UInt8]: Int] = [:]
  private let depth: Int

  public init() { depth = 0 }
  private init(depth: Int) { self.depth = depth }

  /// The names and types of the members of all objects, in the order in which they were first met.
  public var fields: [ParquetField] {
    members.map { ParquetField(String(decoding: $0.key, as: UTF8.self), $0.survey.type) }
  }
  /// Whether the objects have too many different members to be columns.
  public var hasTooManyMembers: Bool { kinds.contains(.untyped) }

  /// Takes a value as written; it must be valid JSON.
  public func add(_ json: UnsafeRawBufferPointer) {
    switch json.first {
    case UInt8(ascii: "\""): kinds.insert(.text)
    case UInt8(ascii: "{"): add(object: json)
    case UInt8(ascii: "["):
      kinds.insert(.list)
      guard let element = below(&element) else { return }
      for value in JSONArraySlices(json) { element.add(value) }
    case UInt8(ascii: "t"), UInt8(ascii: "f"): kinds.insert(.truth)
    case UInt8(ascii: "n"), nil: break
    default: add(number: json)
    }
  }

  private func add(object: UnsafeRawBufferPointer) {
    kinds.insert(.object)
    guard depth < Self.maximumDepth else {
      kinds.insert(.untyped)
      return
    }
    var next = 0
    for (key, value) in JSONObjectSlices(object) {
      guard let survey = member(key, expectedAt: next) else { return }
      next += 1
      survey.add(value)
    }
  }

  /// The survey of a member; objects mostly have the same members in the same order.
  private func member(_ written: UnsafeRawBufferPointer, expectedAt place: Int) -> ParquetSurvey? {
    if place < members.count, members[place].key.elementsEqual(written) { return members[place].survey }
    return member(JSONKeys.unescaped(written))
  }

  private func member(_ key: [UInt8]) -> ParquetSurvey? {
    if let place = places[key] { return members[place].survey }
    guard members.count < Self.maximumMembers, !kinds.contains(.untyped) else {
      // All documents count, whatever their order: what was found is of no use.
      kinds.insert(.untyped)
      members = []
      places = [:]
      return nil
    }
    places[key] = members.count
    members.append((key, ParquetSurvey(depth: depth + 1)))
    return members[members.count - 1].survey
  }

  private func below(_ element: inout ParquetSurvey?) -> ParquetSurvey? {
    guard depth < Self.maximumDepth else {
      kinds.insert(.untyped)
      return nil
    }
    if element == nil { element = ParquetSurvey(depth: depth + 1) }
    return element
  }

  private func add(number: UnsafeRawBufferPointer) {
    switch ParquetNumber(number) {
    case .integer(let value): kinds.formUnion(value.magnitude > 1 << 53 ? [.integer, .wide] : .integer)
    case .double: kinds.insert(.double)
    case .none: kinds.formUnion([.double, .untyped])
    }
  }

  /// Takes what another survey found in later documents.
  public func merge(_ other: ParquetSurvey) {
    kinds.formUnion(other.kinds)
    if let theirs = other.element, let own = below(&element) { own.merge(theirs) }
    for (key, survey) in other.members { member(key)?.merge(survey) }
    if kinds.contains(.untyped) {
      members = []
      places = [:]
    }
  }

  /// Values of different types are written as text.
  public var type: ParquetType {
    switch kinds {
    case .truth: return .truth
    case .integer, [.integer, .wide]: return .integer
    case .double, [.double, .integer]: return .double
    case .list: return .list(element?.type ?? .text)
    case .object: return members.isEmpty ? .text : .structure(fields)
    default: return .text
    }
  }
}

/// A JSON number as a table holds it.
enum ParquetNumber: Equatable {
  case integer(Int64)
  case double(Double)

  /// nil: it is too large for both.
  init?(_ json: UnsafeRawBufferPointer) {
    let text = String(decoding: json, as: UTF8.self)
    if let value = Int64(text) {
      self = .integer(value)
    } else if let value = Double(text), value.isFinite {
      self = .double(value)
    } else {
      return nil
    }
  }
}

// MARK: Files

extension ParquetSurvey {
  /// What was found, for another task.
  public var json: JSONValue {
    [
      "kinds": .integer(kinds.rawValue), "element": element?.json ?? .null,
      "members": .list(members.map { .list([.string(String(decoding: $0.key, as: UTF8.self)), $0.survey.json]) }),
    ]
  }

  /// - Throws: `ShardError` (`.malformed`) if it is not what `json` wrote.
  public convenience init(json: JSONValue) throws(ShardError) { try self.init(json, depth: 0) }

  private convenience init(_ json: JSONValue, depth: Int) throws(ShardError) {
    self.init(depth: depth)
    guard let kinds = json["kinds"]?.integer, let members = json["members"]?.array, depth <= Self.maximumDepth + 1
    else {
      throw ShardError(.malformed, "a survey of fields", "is not one", hint: "Run with --force.")
    }
    self.kinds = Kinds(rawValue: kinds)
    if let element = json["element"], element != .null { self.element = try ParquetSurvey(element, depth: depth + 1) }
    for member in members {
      let key = Array((member.array?.first?.string ?? "").utf8)
      places[key] = self.members.count
      self.members.append((key, try ParquetSurvey(member.array?.last ?? .null, depth: depth + 1)))
    }
  }
}

extension ParquetType {
  var json: JSONValue {
    switch self {
    case .text: "text"
    case .integer: "integer"
    case .double: "double"
    case .truth: "truth"
    case .list(let element): ["list": element.json]
    case .structure(let fields): ["fields": .list(fields.map(\.json))]
    }
  }

  init(json: JSONValue) throws(ShardError) {
    if let element = json["list"] {
      self = .list(try ParquetType(json: element))
    } else if let fields = json["fields"]?.array {
      var own: [ParquetField] = []
      for field in fields { own.append(try ParquetField(json: field)) }
      self = .structure(own)
    } else {
      switch json.string {
      case "text": self = .text
      case "integer": self = .integer
      case "double": self = .double
      case "truth": self = .truth
      default: throw ShardError(.malformed, "a table's schema", "names no type", hint: "Run with --force.")
      }
    }
  }
}

extension ParquetField {
  public var json: JSONValue { ["name": .string(name), "type": type.json, "isRepetitive": .bool(isRepetitive)] }

  /// - Throws: `ShardError` (`.malformed`) if it is not what `json` wrote.
  public init(json: JSONValue) throws(ShardError) {
    name = json["name"]?.string ?? ""
    type = try ParquetType(json: json["type"] ?? .null)
    isRepetitive = json["isRepetitive"]?.bool ?? false
  }
}
