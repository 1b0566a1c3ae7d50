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
    try YAMLAliases(places).check(string)
    return try composed(string, places) { root throws(JSONSyntaxError) in
      guard let root else { throw JSONSyntaxError(message: "the text has no value", offset: 0) }
      var reading = YAMLReading(places: places)
      return try reading.node(root, depth: 0)
    }
  }

  /// Hands the composed root on, which is valid as long as its parser is: the parser owns the anchors that nodes know.
  fileprivate static func composed<Result>(
    _ string: String, _ places: YAMLPlaces, _ body: (Node?) throws(JSONSyntaxError) -> Result
  ) throws(JSONSyntaxError) -> Result {
    let parser: Parser
    let root: Node?
    do {
      parser = try Parser(yaml: string, resolver: .basic, encoding: .utf8)
      root = try parser.singleRoot()
    } catch {
      throw places.error(error)
    }
    defer { withExtendedLifetime(parser) {} }
    return try body(root)
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
      if scalar.style == .plain, places.isBare(name, at: offset) {
        throw JSONSyntaxError(
          message: "'\(name)' has no value here; a text that begins with '{' needs quotes", offset: offset)
      }
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

  /// What the usual mistakes are behind the parser's words.
  private func advice(_ problem: String, _ offset: Int) -> String? {
    switch problem {
    case "found character that cannot start any token":
      guard offset < text.count else { return nil }
      if text[offset] == 9 { return "lines are indented with spaces, not with tabs" }
      return "a text that begins with '\(Character(UnicodeScalar(text[offset])))' needs quotes"
    case "mapping values are not allowed in this context":
      return "a ':' stands where none can; a key needs a space behind its colon, and a text with ': ' needs quotes"
    case "did not find expected key":
      return isFirstOfLine(offset)
        ? "this line is indented differently from the lines that it belongs to"
        : "something stands behind a value; a text that begins with '{', '[' or a quote needs quotes as a whole"
    default: return nil
    }
  }

  private func isFirstOfLine(_ offset: Int) -> Bool {
    text[..<min(offset, text.count)].last { $0 != 32 && $0 != 9 }.map { $0 == 10 || $0 == 13 } ?? true
  }

  /// Whether a plain key at an offset has no colon, as `text` in `{text}`.
  func isBare(_ key: String, at offset: Int) -> Bool {
    let next = text.dropFirst(offset + key.utf8.count).first { $0 != 32 && $0 != 9 }
    return next == UInt8(ascii: "}") || next == UInt8(ascii: ",")
  }

  func error(_ error: any Error) -> JSONSyntaxError {
    switch error {
    case YamlError.scanner(let context, let problem, let mark, _),
      YamlError.parser(let context, let problem, let mark, _),
      YamlError.composer(let context, let problem, let mark, _):
      let offset = offset(of: mark)
      let words = advice(problem, offset) ?? context.map { "\($0.text): \(problem)" } ?? problem
      return JSONSyntaxError(message: "this is not YAML: \(words)", offset: offset)
    case YamlError.duplicatedKeysInMapping(let keys, let context):
      let name = keys.first ?? ""
      return JSONSyntaxError(message: "the key \"\(name)\" appears twice", offset: offset(of: context.mark))
    case YamlError.reader(let problem, _, _, _):
      return JSONSyntaxError(message: "this is not YAML: \(problem)", offset: 0)
    default: return JSONSyntaxError(message: "this is not YAML", offset: 0)
    }
  }
}

/// Where aliases stand, looked at before they are expanded: the parser compares keys with each other, which takes any time
/// if they are aliases of nested aliases.
///
/// The text is composed once with another character in place of each asterisk. What is an alias then is a plain scalar
/// at the same place; block scalars, quoted texts and comments stay what they are.
private struct YAMLAliases {
  private let places: YAMLPlaces

  init(_ places: YAMLPlaces) { self.places = places }

  /// Of the private use area: it means nothing to the parser.
  private static let mark: Unicode.Scalar = "\u{E000}"

  /// - Throws: `JSONSyntaxError` if the text is not YAML, or an alias is a key or not only a name.
  func check(_ string: String) throws(JSONSyntaxError) {
    guard string.utf8.contains(UInt8(ascii: "*")) else { return }
    var marked = String.UnicodeScalarView()
    for scalar in string.unicodeScalars { marked.append(scalar == "*" ? Self.mark : scalar) }
    do throws(JSONSyntaxError) {
      try YAMLText.composed(String(marked), places) { root throws(JSONSyntaxError) in
        if let root { try check(root) }
      }
    } catch {
      throw JSONSyntaxError(message: error.message.replacing("\u{E000}", with: "*"), offset: error.offset)
    }
  }

  private func check(_ node: Node) throws(JSONSyntaxError) {
    switch node {
    case .scalar(let scalar):
      guard isAlias(scalar), !scalar.string.unicodeScalars.dropFirst().allSatisfy(Self.isName) else { return }
      throw JSONSyntaxError(
        message: "a text that begins with '*' needs quotes: \"\(scalar.string.prefix(80))\"",
        offset: places.offset(of: scalar.mark))
    case .sequence(let sequence): for element in sequence { try check(element) }
    case .mapping(let mapping):
      for (key, value) in mapping {
        if case .scalar = key { try check(key) }
        guard case .scalar(let scalar) = key, !isAlias(scalar) else {
          throw JSONSyntaxError(
            message: "a key must be a plain word, not a list, a mapping or an alias",
            offset: places.offset(of: key.mark)
          )
        }
        try check(value)
      }
    case .alias: return
    }
  }

  private func isAlias(_ scalar: Node.Scalar) -> Bool {
    scalar.style == .plain && scalar.string.unicodeScalars.first == Self.mark
  }

  private static func isName(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "0"..."9", "A"..."Z", "a"..."z", "-", "_": true
    default: false
    }
  }
}
