/// An error in a JSON text, with its byte offset.
public struct JSONSyntaxError: DescribedError, Equatable {
  public var message: String
  public var offset: Int

  public init(message: String, offset: Int) {
    self.message = message
    self.offset = offset
  }

  public var subject: String { "byte \(offset)" }
}

/// What a JSON text may hold.
public enum JSONDialect: Sendable {
  /// RFC 8259.
  case strict
  /// JSONC: also `//` and `/* */` comments, and a comma after the last element.
  case commented
}

extension JSONValue {
  /// Parses JSON. Repeated keys and depths over 128 are errors.
  /// - Throws: `JSONSyntaxError` with the place of the first error.
  public static func parse(_ text: [UInt8], _ dialect: JSONDialect = .strict) throws(JSONSyntaxError) -> JSONNode {
    var parser = JSONParser(text, dialect)
    return try parser.document()
  }

  /// Parses strict RFC 8259 JSON, as `parse(_:)` does with bytes.
  /// - Throws: `JSONSyntaxError` with the place of the first error, in bytes of UTF-8.
  public static func parse(_ text: String) throws(JSONSyntaxError) -> JSONNode { try parse(Array(text.utf8)) }
}

/// Line and column (in bytes), both from 1, of an offset.
public func lineAndColumn(of offset: Int, in text: [UInt8]) -> (line: Int, column: Int) {
  let before = text.prefix(offset)
  let line = before.count { $0 == 10 } + 1
  let column = offset - (before.lastIndex(of: 10).map { $0 + 1 } ?? 0) + 1
  return (line, column)
}

private struct JSONParser {
  private let text: [UInt8]
  private var at = 0
  private var depth = 0
  private let isCommented: Bool

  init(_ text: [UInt8], _ dialect: JSONDialect) {
    self.text = text
    isCommented = dialect == .commented
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
  }

  mutating func document() throws(JSONSyntaxError) -> JSONNode {
    let node = try value()
    try skipSpace()
    guard at == text.count else { throw error("there is text after the end of the JSON value") }
    return node
  }

  private func error(_ message: String, at offset: Int? = nil) -> JSONSyntaxError {
    JSONSyntaxError(message: message, offset: offset ?? at)
  }

  private var peek: UInt8? { at < text.count ? text[at] : nil }

  private mutating func skipSpace() throws(JSONSyntaxError) {
    while let c = peek {
      if c == 32 || c == 10 || c == 13 || c == 9 {
        at += 1
      } else if c == 0x2F, isCommented {
        try skipComment()
      } else {
        return
      }
    }
  }

  /// `// to the end of the line` or `/* to the closing mark */`.
  private mutating func skipComment() throws(JSONSyntaxError) {
    let start = at
    at += 1
    switch peek {
    case 0x2F: while let c = peek, c != 10 { at += 1 }
    case 0x2A:
      at += 1
      while at + 1 < text.count, !(text[at] == 0x2A && text[at + 1] == 0x2F) { at += 1 }
      guard at + 1 < text.count else { throw error("the comment has no closing '*/'", at: start) }
      at += 2
    default: throw error("'/' begins no comment: write // or /* */", at: start)
    }
  }

  /// Past a comma. True if the list or object goes on behind it.
  private mutating func goesOn(closing: UInt8) throws(JSONSyntaxError) -> Bool {
    guard peek == 0x2C else { return false }
    at += 1
    guard isCommented else { return true }
    try skipSpace()
    return peek != closing
  }

  private mutating func value() throws(JSONSyntaxError) -> JSONNode {
    try skipSpace()
    let start = at
    guard let c = peek else { throw error("the text ends where a value is expected") }
    switch c {
    case 0x7B: return JSONNode(.object(try object()), offset: start)
    case 0x5B: return JSONNode(.array(try array()), offset: start)
    case 0x22: return JSONNode(.string(try string()), offset: start)
    case 0x2D, 0x30...0x39: return JSONNode(try number(), offset: start)
    default:
      for (word, value) in [("true", JSONValue.bool(true)), ("false", .bool(false)), ("null", .null)]
      where text[at...].starts(with: word.utf8) {
        at += word.utf8.count
        return JSONNode(value, offset: start)
      }
      throw error("'\(Character(UnicodeScalar(c)))' cannot start a value")
    }
  }

  private mutating func enter() throws(JSONSyntaxError) {
    depth += 1
    guard depth <= 128 else { throw error("values are nested deeper than 128") }
    at += 1
    try skipSpace()
  }

  private mutating func object() throws(JSONSyntaxError) -> [JSONMember] {
    try enter()
    defer { depth -= 1 }
    var members: [JSONMember] = []
    // As bytes: `String` treats keys that differ in Unicode normalization as equal.
    var seen: Set<[UInt8]> = []
    if peek == 0x7D {
      at += 1
      return members
    }
    while true {
      try skipSpace()
      let keyOffset = at
      guard peek == 0x22 else { throw error("expected a key in double quotes") }
      let key = try string()
      guard seen.insert(Array(key.utf8)).inserted else {
        throw error("the key \"\(key)\" appears twice", at: keyOffset)
      }
      try skipSpace()
      guard peek == 0x3A else { throw error("expected ':' after the key \"\(key)\"") }
      at += 1
      let node = try value()
      members.append(JSONMember(key, node.value, keyOffset: keyOffset, offset: node.offset))
      try skipSpace()
      if try goesOn(closing: 0x7D) { continue }
      guard peek == 0x7D else { throw error("expected ',' or '}'") }
      at += 1
      return members
    }
  }

  private mutating func array() throws(JSONSyntaxError) -> [JSONNode] {
    try enter()
    defer { depth -= 1 }
    var nodes: [JSONNode] = []
    if peek == 0x5D {
      at += 1
      return nodes
    }
    while true {
      nodes.append(try value())
      try skipSpace()
      if try goesOn(closing: 0x5D) { continue }
      guard peek == 0x5D else { throw error("expected ',' or ']'") }
      at += 1
      return nodes
    }
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = at
    func digits() -> Int {
      let from = at
      while let c = peek, c >= 0x30, c <= 0x39 { at += 1 }
      return at - from
    }
    if peek == 0x2D { at += 1 }
    let leading = peek
    let whole = digits()
    guard whole > 0, !(leading == 0x30 && whole > 1) else { throw error("this is not a JSON number", at: start) }
    var isInteger = true
    if peek == 0x2E {
      at += 1
      isInteger = false
      guard digits() > 0 else { throw error("expected digits after the decimal point") }
    }
    if peek == 0x65 || peek == 0x45 {
      at += 1
      isInteger = false
      if peek == 0x2B || peek == 0x2D { at += 1 }
      guard digits() > 0 else { throw error("expected digits after the exponent") }
    }
    let token = String(decoding: text[start..<at], as: UTF8.self)
    if isInteger, let i = Int(token) { return .integer(i) }
    guard let d = Double(token), d.isFinite else { throw error("the number \(token) is out of range", at: start) }
    return .number(d)
  }

  private mutating func string() throws(JSONSyntaxError) -> String {
    let start = at
    at += 1
    var out: [UInt8] = []
    while let c = peek {
      switch c {
      case 0x22:
        at += 1
        guard let string = String(validating: out, as: UTF8.self) else {
          throw error("the string is not valid UTF-8", at: start)
        }
        return string
      case 0x5C: try escape(into: &out)
      case 0..<0x20: throw error("a control character in a string must be escaped")
      default:
        out.append(c)
        at += 1
      }
    }
    throw error("the string has no closing quote", at: start)
  }

  private mutating func escape(into out: inout [UInt8]) throws(JSONSyntaxError) {
    at += 1
    guard let c = peek else { throw error("the text ends inside an escape") }
    at += 1
    switch c {
    case 0x22, 0x5C, 0x2F: out.append(c)
    case 0x62: out.append(8)
    case 0x66: out.append(12)
    case 0x6E: out.append(10)
    case 0x72: out.append(13)
    case 0x74: out.append(9)
    case 0x75:
      var code = try hex4()
      if code >= 0xD800, code < 0xDC00, text[at...].starts(with: [0x5C, 0x75]) {
        at += 2
        let low = try hex4()
        guard low >= 0xDC00, low < 0xE000 else { throw error("invalid surrogate pair") }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("unpaired surrogate") }
      out.append(contentsOf: UTF8.encode(scalar)!)
    default: throw error("'\\\(Character(UnicodeScalar(c)))' is not a JSON escape")
    }
  }

  private mutating func hex4() throws(JSONSyntaxError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let c = peek, let digit = Character(UnicodeScalar(c)).hexDigitValue else {
        throw error("expected four hexadecimal digits after \\u")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }
}
