/// A JSON Schema (2020-12) that values are checked against: the part of it that structured answers use.
///
/// Keywords that restrict values but are not known here are refused when the schema is read, so that no restriction is
/// silently ignored; annotations such as `title`, `description`, `format` and `default` have no effect.
/// Format: https://json-schema.org/draft/2020-12/json-schema-validation
public struct JSONSchema: Sendable {
  /// What is wrong with a schema.
  public struct Problem: DescribedError, Equatable {
    /// The place in the schema, as `properties.score.pattern`.
    public var subject: String
    public var message: String
    public var hint: String?
  }

  private let root: JSONValue

  /// Reads a schema.
  /// - Throws: `Problem` if it has a keyword that is not known here, or a value that its keyword does not allow.
  public init(_ schema: JSONValue) throws(Problem) {
    root = schema
    try Reading(root: schema).check(schema, [])
  }

  /// What is wrong with a value: the first place where it does not follow the schema, and why. nil if it does.
  public func problem(in value: JSONValue) -> String? {
    var checking = Checking(root: root)
    guard let found = checking.problem(value, root, []) else { return nil }
    return found.path.isEmpty ? found.message : "\(found.path.joined(separator: ".")): \(found.message)"
  }

  /// The schema at a local reference such as `#/$defs/label`.
  fileprivate static func referred(_ reference: String, in root: JSONValue) -> JSONValue? {
    guard reference.hasPrefix("#") else { return nil }
    var place = root
    for part in reference.dropFirst().split(separator: "/") {
      let key = String(part.replacing("~1", with: "/").replacing("~0", with: "~"))
      guard let next = place[key] else { return nil }
      place = next
    }
    return place
  }
}

// MARK: Reading a schema

private struct Reading {
  typealias Problem = JSONSchema.Problem

  let root: JSONValue

  private static let annotations: Set<String> = [
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "format",
    "deprecated", "readOnly", "writeOnly",
  ]
  private static let types: Set<String> = ["null", "boolean", "integer", "number", "string", "array", "object"]
  private static let counts: Set<String> = [
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
  ]
  private static let bounds: Set<String> = [
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
  ]

  func check(_ schema: JSONValue, _ path: [String]) throws(Problem) {
    if schema.bool != nil { return }
    guard let members = schema.members else { throw problem(path, "should be an object, not \(schema.typeName)") }
    guard path.count <= 64 else { throw problem([], "is nested too deep") }
    for member in members { try check(member, path + [member.key]) }
  }

  private func check(_ member: JSONMember, _ path: [String]) throws(Problem) {
    let value = member.value
    switch member.key {
    case "$defs", "definitions", "properties": try checkEach(value, path)
    case "items", "additionalProperties", "not": try check(value, path)
    case "prefixItems", "anyOf", "oneOf", "allOf":
      guard let list = value.array, !list.isEmpty else { throw problem(path, "should be a list of schemas") }
      for (place, schema) in list.enumerated() { try check(schema, path + ["\(place)"]) }
    case "type":
      let names = value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
      guard !names.isEmpty, names.allSatisfy(Self.types.contains) else { throw problem(path, "names no JSON type") }
    case "enum": guard value.array != nil else { throw problem(path, "should be a list") }
    case "const": return
    case "required":
      guard let names = value.array, names.allSatisfy({ $0.string != nil }) else {
        throw problem(path, "should be a list of names")
      }
    case "uniqueItems": guard value.bool != nil else { throw problem(path, "should be true or false") }
    case "$ref": try checkReference(value, path)
    case let key where Self.counts.contains(key):
      guard let count = value.integer, count >= 0 else { throw problem(path, "should be a count") }
    case let key where Self.bounds.contains(key):
      guard let bound = value.double, key != "multipleOf" || bound > 0 else {
        throw problem(path, "should be a number")
      }
    case let key where Self.annotations.contains(key): return
    default:
      throw Problem(
        subject: path.joined(separator: "."), message: "this keyword is not checked here",
        hint: "Say it in a description, and check it in a later stage.")
    }
  }

  private func checkEach(_ value: JSONValue, _ path: [String]) throws(Problem) {
    guard let members = value.members else { throw problem(path, "should be an object of schemas") }
    for member in members { try check(member.value, path + [member.key]) }
  }

  private func checkReference(_ value: JSONValue, _ path: [String]) throws(Problem) {
    guard let reference = value.string, JSONSchema.referred(reference, in: root) != nil else {
      throw problem(path, "refers to nothing in this schema")
    }
  }

  private func problem(_ path: [String], _ message: String) -> Problem {
    Problem(subject: path.joined(separator: "."), message: message)
  }
}

// MARK: Checking a value

private struct Checking {
  typealias Found = (path: [String], message: String)

  let root: JSONValue
  /// Schemas that are open; a schema that refers to itself without going deeper into the value never ends.
  private var depth = 0
  private static let deepest = 512

  init(root: JSONValue) { self.root = root }

  mutating func problem(_ value: JSONValue, _ schema: JSONValue, _ path: [String]) -> Found? {
    if let allows = schema.bool { return allows ? nil : (path, "nothing is allowed here") }
    guard depth < Self.deepest else { return (path, "the schema refers to itself without end") }
    depth += 1
    defer { depth -= 1 }
    for member in schema.members ?? [] {
      if let found = problem(value, member, of: schema, path) { return found }
    }
    return nil
  }

  private mutating func problem(
    _ value: JSONValue, _ member: JSONMember, of schema: JSONValue, _ path: [String]
  ) -> Found? {
    switch member.key {
    case "type":
      let names = member.value.string.map { [$0] } ?? member.value.array?.compactMap(\.string) ?? []
      if names.contains(where: { Self.has(value, type: $0) }) { return nil }
      return (path, "\(value.typeName) is not \(names.joined(separator: " or "))")
    case "enum":
      let key = Self.canonical(value)
      if member.value.array?.contains(where: { Self.canonical($0) == key }) ?? false { return nil }
      return (path, "\(Self.shown(value)) is not one of \(Self.shown(member.value))")
    case "const":
      if Self.canonical(value) == Self.canonical(member.value) { return nil }
      return (path, "\(Self.shown(value)) is not \(Self.shown(member.value))")
    case "$ref":
      guard let place = member.value.string.flatMap({ JSONSchema.referred($0, in: root) }) else { return nil }
      return problem(value, place, path)
    case "anyOf", "oneOf", "allOf", "not": return combined(value, member, path)
    default: break
    }
    switch value {
    case .integer, .number: return numeric(value, member, path)
    case .string(let text): return textual(text, member, path)
    case .array: return listed(value.array ?? [], member, of: schema, path)
    case .object(let members): return keyed(value, members, member, of: schema, path)
    case .null, .bool: return nil
    }
  }

  private mutating func combined(_ value: JSONValue, _ member: JSONMember, _ path: [String]) -> Found? {
    if member.key == "not" {
      return problem(value, member.value, path) == nil ? (path, "\(Self.shown(value)) is what must not be") : nil
    }
    var first: Found?
    var fitting = 0
    for schema in member.value.array ?? [] {
      guard let found = problem(value, schema, path) else {
        fitting += 1
        continue
      }
      if member.key == "allOf" { return found }
      first = first ?? found
    }
    if member.key == "oneOf", fitting > 1 { return (path, "it fits \(fitting) of the schemas of which it may fit one") }
    return fitting == 0 && member.key != "allOf" ? first : nil
  }

  private func numeric(_ value: JSONValue, _ member: JSONMember, _ path: [String]) -> Found? {
    guard let number = value.double, let bound = member.value.double else { return nil }
    func refused(_ what: String) -> Found { (path, "\(value.text()) is \(what) \(member.value.text())") }
    switch member.key {
    case "minimum": return number < bound ? refused("below") : nil
    case "maximum": return number > bound ? refused("above") : nil
    case "exclusiveMinimum": return number <= bound ? refused("not above") : nil
    case "exclusiveMaximum": return number >= bound ? refused("not below") : nil
    case "multipleOf":
      let quotient = number / bound
      return quotient == quotient.rounded() ? nil : refused("no multiple of")
    default: return nil
    }
  }

  private func textual(_ text: String, _ member: JSONMember, _ path: [String]) -> Found? {
    guard let bound = member.value.integer else { return nil }
    let length = text.unicodeScalars.count
    switch member.key {
    case "minLength": return length < bound ? (path, "\(length) characters are fewer than \(bound)") : nil
    case "maxLength": return length > bound ? (path, "\(length) characters are more than \(bound)") : nil
    default: return nil
    }
  }

  private mutating func listed(
    _ values: [JSONValue], _ member: JSONMember, of schema: JSONValue, _ path: [String]
  ) -> Found? {
    let prefix = schema["prefixItems"]?.array ?? []
    switch member.key {
    case "prefixItems":
      for (place, (value, schema)) in zip(values, prefix).enumerated() {
        if let found = problem(value, schema, path + ["\(place)"]) { return found }
      }
    case "items":
      for (place, value) in values.enumerated().dropFirst(prefix.count) {
        if let found = problem(value, member.value, path + ["\(place)"]) { return found }
      }
    case "minItems", "maxItems":
      return Self.counted(values.count, "elements", member, isLeast: member.key == "minItems", path)
    case "uniqueItems" where member.value.bool == true:
      if Set(values.map { ExactText(Self.canonical($0)) }).count < values.count {
        return (path, "an element is repeated")
      }
    default: break
    }
    return nil
  }

  private mutating func keyed(
    _ value: JSONValue, _ members: [JSONMember], _ member: JSONMember, of schema: JSONValue, _ path: [String]
  ) -> Found? {
    switch member.key {
    case "properties":
      for property in member.value.members ?? [] {
        guard let own = value[property.key] else { continue }
        if let found = problem(own, property.value, path + [property.key]) { return found }
      }
    case "additionalProperties":
      let known = Set((schema["properties"]?.members ?? []).map { ExactText($0.key) })
      for own in members where !known.contains(ExactText(own.key)) {
        if member.value.bool == false { return (path, "'\(own.key)' is not expected") }
        if let found = problem(own.value, member.value, path + [own.key]) { return found }
      }
    case "required":
      let missing = (member.value.array ?? []).compactMap(\.string).first { value[$0] == nil }
      return missing.map { (path, "'\($0)' is missing") }
    case "minProperties", "maxProperties":
      return Self.counted(members.count, "members", member, isLeast: member.key == "minProperties", path)
    default: break
    }
    return nil
  }

  private static func counted(
    _ count: Int, _ what: String, _ member: JSONMember, isLeast: Bool, _ path: [String]
  ) -> Found? {
    guard let bound = member.value.integer, isLeast ? count < bound : count > bound else { return nil }
    return (path, "\(count) \(what) are \(isLeast ? "fewer" : "more") than \(bound)")
  }

  private static func has(_ value: JSONValue, type: String) -> Bool {
    switch value {
    case .null: type == "null"
    case .bool: type == "boolean"
    case .integer: type == "integer" || type == "number"
    case .number(let number): type == "number" || type == "integer" && number == number.rounded()
    case .string: type == "string"
    case .array: type == "array"
    case .object: type == "object"
    }
  }

  /// Equal texts for values that JSON Schema takes as equal: 1 and 1.0, and objects in any order.
  private static func canonical(_ value: JSONValue) -> String { plain(value).text(sortedKeys: true) }

  private static func plain(_ value: JSONValue) -> JSONValue {
    switch value {
    case .number(let number): Int(exactly: number).map { .integer($0) } ?? value
    case .array: .list((value.array ?? []).map(plain))
    case .object(let members): .object(members.map { JSONMember($0.key, plain($0.value)) })
    default: value
    }
  }

  /// For messages.
  private static func shown(_ value: JSONValue) -> String {
    let text = value.text()
    return text.unicodeScalars.count <= 80
      ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(80))) + "…"
  }
}
