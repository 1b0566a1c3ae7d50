import ShardKit
import Yams

/// Reads YAML into the tree that JSON gives, by the core schema of YAML 1.2.
///
/// `no`, `on` and dates are strings. What YAML 1.1 and 1.2 read differently (`010`), what JSON has no value for
/// (`.nan`), tags of other kinds, merge keys and repeated keys are errors.
enum YAMLText {
  /// The largest text, in bytes.
  static let mostBytes = 4 << 20
  /// The most values, with those that aliases repeat.
  static let mostValues = 1_000_000

  static func parse(_ text: [UInt8]) throws(JSONSyntaxError) -> JSONNode {
    guard text.count <= mostBytes else {
      throw JSONSyntaxError(message: "YAML files may have at most \(mostBytes >> 20) MiB", offset: 0)
    }
    let places = YAMLPlaces(text)
    guard let string = String(validating: text[places.start...], as: UTF8.self) else {
      throw JSONSyntaxError(message: "the text is not valid UTF-8", offset: 0)
    }
    if let offset = YAMLKeys.suspicious(text) {
      throw JSONSyntaxError(message: "a key must be a plain word, not a list, a mapping or an alias", offset: offset)
    }
    let parser: Parser
    let root: Node?
    do {
      parser = try Parser(yaml: string, resolver: .basic, encoding: .utf8)
      root = try parser.singleRoot()
    } catch {
      throw places.error(error)
    }
    // It owns the anchors that nodes know.
    defer { withExtendedLifetime(parser) {} }
    guard let root else { throw JSONSyntaxError(message: "the text has no value", offset: 0) }
    var reading = YAMLReading(places: places)
    return try reading.node(root, depth: 0)
  }
}

/// Converts composed nodes, aliases expanded, within bounds.
private struct YAMLReading {
  let places: YAMLPlaces
  var values = 0

  init(places: YAMLPlaces) { self.places = places }

  mutating func node(_ node: Node, depth: Int) throws(JSONSyntaxError) -> JSONNode {
    let offset = places.offset(of: node.mark)
    values += 1
    guard values <= YAMLText.mostValues else {
      throw JSONSyntaxError(message: "with its aliases the text has more than a million values", offset: offset)
    }
    guard depth < 128 else { throw JSONSyntaxError(message: "values are nested deeper than 128", offset: offset) }
    switch node {
    case .scalar(let scalar): return JSONNode(try YAMLScalar(scalar, offset).value(), offset: offset)
    case .sequence(let sequence):
      try checkTag(sequence.tag, .seq, offset)
      var nodes: [JSONNode] = []
      for element in sequence { nodes.append(try self.node(element, depth: depth + 1)) }
      return JSONNode(.array(nodes), offset: offset)
    case .mapping(let mapping):
      try checkTag(mapping.tag, .map, offset)
      return JSONNode(.object(try members(mapping, depth)), offset: offset)
    case .alias: throw JSONSyntaxError(message: "an alias cannot stand here", offset: offset)
    }
  }

  private mutating func members(_ mapping: Node.Mapping, _ depth: Int) throws(JSONSyntaxError) -> [JSONMember] {
    var members: [JSONMember] = []
    var seen: Set<[UInt8]> = []
    for (key, value) in mapping {
      let offset = places.offset(of: key.mark)
      guard case .scalar(let scalar) = key else {
        throw JSONSyntaxError(message: "a key must be a plain word, not a list or a mapping", offset: offset)
      }
      guard scalar.anchor == nil else {
        throw JSONSyntaxError(message: "a key cannot have an anchor", offset: offset)
      }
      let name = scalar.string
      if name == "<<", scalar.style == .plain {
        throw JSONSyntaxError(
          message: "merge keys ('<<') are not part of YAML 1.2; use an alias as a whole value, or \"extends\"",
          offset: offset)
      }
      guard seen.insert(Array(name.utf8)).inserted else {
        throw JSONSyntaxError(message: "the key \"\(name)\" appears twice", offset: offset)
      }
      let node = try node(value, depth: depth + 1)
      members.append(JSONMember(name, node.value, keyOffset: offset, offset: node.offset))
    }
    return members
  }

  private func checkTag(_ tag: Tag, _ expected: Tag.Name, _ offset: Int) throws(JSONSyntaxError) {
    guard ["", "!", expected.rawValue].contains(tag.rawValue) else { throw YAMLScalar.refused(tag.rawValue, offset) }
  }
}

/// A scalar's value by the core schema.
private struct YAMLScalar {
  let text: String
  let offset: Int
  private let isPlain: Bool
  private let tag: String

  init(_ scalar: Node.Scalar, _ offset: Int) {
    text = scalar.string
    self.offset = offset
    isPlain = scalar.style == .plain
    tag = scalar.tag.rawValue
  }

  static func refused(_ tag: String, _ offset: Int) -> JSONSyntaxError {
    let shown = tag.hasPrefix("tag:yaml.org,2002:") ? "!!\(tag.dropFirst(18))" : tag
    return JSONSyntaxError(message: "the tag \(shown) is not supported here", offset: offset)
  }

  func value() throws(JSONSyntaxError) -> JSONValue {
    switch tag {
    case Tag.Name.str.rawValue, "!": return .string(text)
    case "": return isPlain ? try plain() : .string(text)
    case Tag.Name.int.rawValue:
      if let value = try plain().integer { return .integer(value) }
      throw error("'\(text)' is not an integer")
    case Tag.Name.float.rawValue:
      if let value = try plain().double { return .number(value) }
      throw error("'\(text)' is not a number")
    case Tag.Name.bool.rawValue:
      if let value = try plain().bool { return .bool(value) }
      throw error("'\(text)' is not true or false")
    case Tag.Name.null.rawValue:
      if try plain() == .null { return .null }
      throw error("'\(text)' is not null")
    default: throw Self.refused(tag, offset)
    }
  }

  private func error(_ message: String) -> JSONSyntaxError { JSONSyntaxError(message: message, offset: offset) }

  private func plain() throws(JSONSyntaxError) -> JSONValue {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
      throw error("'\(text)' is no value that an option can have; put quotes around a text")
    default: break
    }
    if text.hasPrefix("0o"), let digits = digits(after: 2, radix: 8) { return try integer(digits, radix: 8) }
    if text.hasPrefix("0x"), let digits = digits(after: 2, radix: 16) { return try integer(digits, radix: 16) }
    return try decimal() ?? .string(text)
  }

  private func digits(after prefix: Int, radix: Int) -> Substring? {
    let rest = text.dropFirst(prefix)
    let isNumber = !rest.isEmpty && rest.utf8.allSatisfy { Character(UnicodeScalar($0)).hexDigitValue ?? 99 < radix }
    return isNumber ? rest : nil
  }

  private func integer(_ digits: Substring, radix: Int) throws(JSONSyntaxError) -> JSONValue {
    guard let value = Int(digits, radix: radix) else { throw error("the number \(text) is out of range") }
    return .integer(value)
  }

  /// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`; nil for anything else.
  private func decimal() throws(JSONSyntaxError) -> JSONValue? {
    var rest = Substring(text).utf8
    func skipDigits() -> Int {
      let count = rest.prefix { (48...57).contains($0) }.count
      rest = rest.dropFirst(count)
      return count
    }
    if rest.first == 0x2B || rest.first == 0x2D { rest = rest.dropFirst() }
    let startsWithZero = rest.first == 0x30
    let whole = skipDigits()
    var isInteger = true
    if rest.first == 0x2E {
      rest = rest.dropFirst()
      isInteger = false
      guard skipDigits() + whole > 0 else { return nil }
    }
    guard whole > 0 || !isInteger else { return nil }
    if rest.first == 0x65 || rest.first == 0x45 {
      rest = rest.dropFirst()
      isInteger = false
      if rest.first == 0x2B || rest.first == 0x2D { rest = rest.dropFirst() }
      guard skipDigits() > 0 else { return nil }
    }
    guard rest.isEmpty else { return nil }
    return try number(isInteger, hasLeadingZero: startsWithZero && whole > 1)
  }

  private func number(_ isInteger: Bool, hasLeadingZero: Bool) throws(JSONSyntaxError) -> JSONValue {
    if hasLeadingZero {
      let digits = text.drop { $0 == "0" }
      throw error(
        "'\(text)' is octal in YAML 1.1 and decimal in YAML 1.2: write \(digits.isEmpty ? "0" : String(digits)), "
          + "0o… for an octal number, or \"\(text)\" for a text")
    }
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw error("the number \(text) is out of range") }
    return .number(value)
  }
}

/// Byte offsets of the parser's lines and columns.
private struct YAMLPlaces {
  private let text: [UInt8]
  /// Behind a byte order mark.
  let start: Int
  /// The number of the first character of each line.
  private var lines = [0]
  /// The offset of every 64th character.
  private var marks: [Int] = []

  init(_ text: [UInt8]) {
    self.text = text
    start = text.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var at = start
    var character = 0
    while at < text.count {
      if character % 64 == 0 { marks.append(at) }
      let next = Self.next(text, at)
      character += 1
      if Self.endsLine(text[at..<next], next < text.count ? text[next] : 0) { lines.append(character) }
      at = next
    }
  }

  private static func next(_ text: [UInt8], _ at: Int) -> Int {
    var at = at + 1
    while at < text.count, text[at] & 0xC0 == 0x80 { at += 1 }
    return at
  }

  /// The line ends that the parser knows: LF, CR, CR LF, NEL, LS, PS.
  private static func endsLine(_ character: ArraySlice<UInt8>, _ next: UInt8) -> Bool {
    switch character.first {
    case 10: true
    case 13: next != 10
    case 0xC2: character.elementsEqual([0xC2, 0x85])
    case 0xE2: character.elementsEqual([0xE2, 0x80, 0xA8]) || character.elementsEqual([0xE2, 0x80, 0xA9])
    default: false
    }
  }

  func offset(of mark: Mark?) -> Int {
    guard let mark, mark.line >= 1 else { return start }
    guard mark.line <= lines.count else { return text.count }
    let character = lines[mark.line - 1] + max(mark.column, 1) - 1
    guard character / 64 < marks.count else { return text.count }
    var at = marks[character / 64]
    for _ in 0..<character % 64 where at < text.count { at = Self.next(text, at) }
    return at
  }

  func error(_ error: any Error) -> JSONSyntaxError {
    switch error {
    case YamlError.scanner(let context, let problem, let mark, _),
      YamlError.parser(let context, let problem, let mark, _),
      YamlError.composer(let context, let problem, let mark, _):
      let words = context.map { "\($0.text): \(problem)" } ?? problem
      return JSONSyntaxError(message: "this is not YAML: \(words)", offset: offset(of: mark))
    case YamlError.duplicatedKeysInMapping(let keys, let context):
      let name = keys.first ?? ""
      return JSONSyntaxError(message: "the key \"\(name)\" appears twice", offset: offset(of: context.mark))
    case YamlError.reader(let problem, _, _, _):
      return JSONSyntaxError(message: "this is not YAML: \(problem)", offset: 0)
    default: return JSONSyntaxError(message: "this is not YAML", offset: 0)
    }
  }
}

/// Keys that are lists, mappings or aliases, found before the parser compares keys: with aliases such a comparison can
/// take any time.
private enum YAMLKeys {
  /// The offset of what looks like such a key in a text that has aliases.
  static func suspicious(_ text: [UInt8]) -> Int? {
    var hasAliases = false
    var found: Int?
    for at in text.indices {
      switch text[at] {
      case UInt8(ascii: "*"):
        guard isTokenStart(text, at), at + 1 < text.count, isName(text[at + 1]) else { continue }
        hasAliases = true
        var end = at + 1
        while end < text.count, isName(text[end]) { end += 1 }
        if found == nil, isColon(text, end) { found = at }
      case UInt8(ascii: "?"):
        if found == nil, isTokenStart(text, at), at + 1 == text.count || text[at + 1] <= 32 { found = at }
      case UInt8(ascii: "]"), UInt8(ascii: "}"): if found == nil, isColon(text, at + 1) { found = at }
      default: break
      }
    }
    return hasAliases ? found : nil
  }

  private static func isTokenStart(_ text: [UInt8], _ at: Int) -> Bool {
    at == 0 || text[at - 1] <= 32 || text[at - 1] >= 0x80 || [0x2C, 0x5B, 0x7B].contains(text[at - 1])
  }

  private static func isName(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45 || byte == 95
      || byte >= 0x80
  }

  private static func isColon(_ text: [UInt8], _ start: Int) -> Bool {
    var at = start
    while at < text.count, text[at] == 32 || text[at] == 9 { at += 1 }
    return at < text.count && text[at] == UInt8(ascii: ":")
  }
}
