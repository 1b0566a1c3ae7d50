import ShardKit

/// Puts the values of parameters and of `foreach` in place of `${name}`.
struct Substitution {
  /// A value that only one stage sees.
  struct Variable: Sendable {
    var name: String
    var value: JSONValue
  }

  /// A mistake: its offset, its path and its sentence.
  typealias Fail = (Int, String, String) -> Void

  /// The maximum total size of all inserted values.
  static let mostBytes = 64 << 20

  let parameters: [(name: String, value: JSONValue)]
  /// Indices of the parameters by name.
  private let places: [ExactText: Int]
  /// Indices of the parameters that were put in.
  private var used: Set<Int> = []
  /// Bytes inserted so far.
  private var inserted = 0
  /// By index: the parameter as text.
  private var texts: [Int: String] = [:]

  init(parameters: [(name: String, value: JSONValue)]) {
    self.parameters = parameters
    places = Dictionary(
      parameters.enumerated().map { (ExactText($1.name), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether a parameter was put in somewhere.
  func hasUsed(_ name: String) -> Bool { places[ExactText(name)].map { used.contains($0) } ?? false }

  mutating func substitute(_ node: JSONNode, _ path: String, _ scope: [Variable] = [], _ fail: Fail) -> JSONNode {
    switch node.value {
    case .string(let text): return JSONNode(value(text, node.offset, path, scope, fail), offset: node.offset)
    case .array(let nodes):
      var out: [JSONNode] = []
      for (i, child) in nodes.enumerated() { out.append(substitute(child, "\(path)[\(i)]", scope, fail)) }
      return JSONNode(.array(out), offset: node.offset)
    case .object(let members):
      var out: [JSONMember] = []
      for member in members {
        var copy = member
        copy.node = substitute(member.node, "\(path).\(member.key)", scope, fail)
        out.append(copy)
      }
      return JSONNode(.object(out), offset: node.offset)
    default: return node
    }
  }

  /// `${name}` alone is replaced by the value with its type; within a text, by its text; `$${` is a literal `${`.
  private mutating func value(
    _ text: String, _ offset: Int, _ path: String, _ scope: [Variable], _ fail: Fail
  ) -> JSONValue {
    guard text.utf8.contains(0x24), inserted <= Self.mostBytes else { return .string(text) }
    var out = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      out += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        out += "${"
        rest = rest.dropFirst(3)
        continue
      }
      guard rest.hasPrefix("${"), let close = rest.firstIndex(of: "}") else {
        out += "$"
        rest = rest.dropFirst()
        continue
      }
      let name = String(rest[rest.index(rest.startIndex, offsetBy: 2)..<close])
      guard let found = find(name, scope) else {
        fail(offset, path, unknown(name, scope))
        return .string(text)
      }
      let shown = self.text(of: found)
      inserted += shown.utf8.count
      guard inserted <= Self.mostBytes else {
        fail(
          offset, path, "with its parameters inserted, the pipeline file is larger than \(Self.mostBytes >> 20) MiB")
        return .string("")
      }
      if text.isExactly("${\(name)}") { return found.value }
      out += shown
      rest = rest[rest.index(after: close)...]
    }
    return .string(out + rest)
  }

  private struct Found {
    var value: JSONValue
    /// Of a whole parameter.
    var parameter: Int?
  }

  /// A variable, a parameter, or a member of an object: `item.name`.
  private mutating func find(_ name: String, _ scope: [Variable]) -> Found? {
    if let whole = whole(name, scope) { return whole }
    guard let dot = name.firstIndex(of: ".") else { return nil }
    var value = whole(String(name[..<dot]), scope)?.value
    for key in name[name.index(after: dot)...].split(separator: ".", omittingEmptySubsequences: false) {
      value = value?[String(key)]
    }
    return value.map { Found(value: $0) }
  }

  private mutating func whole(_ name: String, _ scope: [Variable]) -> Found? {
    if let variable = scope.first(where: { $0.name.isExactly(name) }) { return Found(value: variable.value) }
    guard let place = places[ExactText(name)] else { return nil }
    used.insert(place)
    return Found(value: parameters[place].value, parameter: place)
  }

  private mutating func text(of found: Found) -> String {
    if let place = found.parameter, let text = texts[place] { return text }
    let text = found.value.string ?? found.value.text()
    if let place = found.parameter { texts[place] = text }
    return text
  }

  private mutating func unknown(_ name: String, _ scope: [Variable]) -> String {
    if let dot = name.firstIndex(of: "."), let value = whole(String(name[..<dot]), scope)?.value {
      let owner = name[..<dot]
      guard let members = value.members else { return "'\(owner)' is \(value.typeName), not an object with members" }
      let key = String(name[name.index(after: dot)...])
      return "'\(owner)' has no member '\(key)'" + suggestion(for: key, among: members.map(\.key))
    }
    let names = scope.map(\.name) + parameters.map(\.name)
    if scope.isEmpty, ["item", "key"].contains(name.prefix { $0 != "." }) {
      return "'\(name)' exists only in a stage with \"foreach\"" + suggestion(for: name, among: names)
    }
    let found = suggestion(for: name, among: names)
    guard found.isEmpty || found.hasPrefix(". Known") else { return "there is no parameter '\(name)'" + found }
    // Of shells and templates: it may be meant as it stands.
    return "there is no parameter '\(name)'; a text that has '${' as it stands writes '$${'" + found
  }
}
