/// What is wrong with a rule, and where.
struct GateSyntaxError: Error, Equatable {
  var message: String
  /// Of the character, from 1.
  var column: Int
}

/// Reads a rule.
struct GateParser {
  private var tokens: [Token]
  private var place = 0
  private var depth = 0

  private struct Token {
    enum Kind: Equatable { case number(Double), text(String), word(String), mark(String), end }
    var kind: Kind
    var column: Int
  }

  /// - Throws: `GateSyntaxError` with the column of the first character that does not fit.
  static func parse(_ rule: String) throws(GateSyntaxError) -> GateExpression {
    guard rule.utf8.count <= 1 << 16 else { throw GateSyntaxError(message: "is longer than 64 KiB", column: 1) }
    var parser = GateParser(tokens: try tokens(of: Array(rule.unicodeScalars)))
    let expression = try parser.either()
    guard parser.next.kind == .end else { throw parser.unexpected("'and', 'or' or the end") }
    guard expression.isCondition else {
      throw GateSyntaxError(message: "is a value, not a condition; compare it, as in 'characters >= 400'", column: 1)
    }
    return expression
  }

  // MARK: Conditions

  private mutating func either() throws(GateSyntaxError) -> GateExpression {
    try nested { (parser: inout GateParser) throws(GateSyntaxError) in
      var left = try parser.both()
      while parser.take(word: "or") { left = .or(try parser.condition(left), try parser.condition(try parser.both())) }
      return left
    }
  }

  private mutating func both() throws(GateSyntaxError) -> GateExpression {
    var left = try negated()
    while take(word: "and") { left = .and(try condition(left), try condition(try negated())) }
    return left
  }

  private mutating func negated() throws(GateSyntaxError) -> GateExpression {
    guard take(word: "not") else { return try compared() }
    return try nested { (parser: inout GateParser) throws(GateSyntaxError) in
      .not(try parser.condition(try parser.negated()))
    }
  }

  private mutating func compared() throws(GateSyntaxError) -> GateExpression {
    let left = try sum()
    if case .mark(let mark) = next.kind, let comparison = GateExpression.Comparison(rawValue: mark) {
      place += 1
      return .comparison(comparison, try value(left), try value(try sum()))
    }
    if case .mark("=") = next.kind { throw error("'=' is not a comparison; use '=='") }
    if take(word: "is") {
      let isNegated = take(word: "not")
      guard take(word: "missing") else { throw unexpected("'missing'") }
      guard case .column(let name) = left else { throw error("only a measure can be missing") }
      return isNegated ? .not(.missing(name)) : .missing(name)
    }
    if next.kind == .word("not"), following.kind == .word("in") {
      place += 2
      return .not(try membership(try value(left)))
    }
    if take(word: "in") { return try membership(try value(left)) }
    return left
  }

  private mutating func membership(_ left: GateExpression) throws(GateSyntaxError) -> GateExpression {
    if case .word(let name) = next.kind {
      place += 1
      return .listed(left, in: name)
    }
    guard take(mark: "[") else { throw unexpected("a list such as [\"a\", \"b\"], or the name of one of 'lists'") }
    var values: [String] = []
    while !take(mark: "]") {
      guard case .text(let text) = next.kind else { throw unexpected("a text in quotes") }
      place += 1
      values.append(text)
      if !take(mark: ","), next.kind != .mark("]") { throw unexpected("',' or ']'") }
    }
    return .member(left, of: values)
  }

  // MARK: Values

  private mutating func sum() throws(GateSyntaxError) -> GateExpression {
    var left = try product()
    while true {
      if take(mark: "+") {
        left = .arithmetic(.plus, try value(left), try value(try product()))
      } else if take(mark: "-") {
        left = .arithmetic(.minus, try value(left), try value(try product()))
      } else {
        return left
      }
    }
  }

  private mutating func product() throws(GateSyntaxError) -> GateExpression {
    var left = try factor()
    while true {
      if take(mark: "*") {
        left = .arithmetic(.times, try value(left), try value(try factor()))
      } else if take(mark: "/") {
        left = .arithmetic(.divided, try value(left), try value(try factor()))
      } else {
        return left
      }
    }
  }

  private mutating func factor() throws(GateSyntaxError) -> GateExpression {
    let token = next
    place += 1
    switch token.kind {
    case .number(let number): return .number(number)
    case .text(let text): return .text(text)
    case .mark("-"):
      return try nested { (parser: inout GateParser) throws(GateSyntaxError) in
        .negative(try parser.value(try parser.factor()))
      }
    case .mark("("):
      let inner = try either()
      guard take(mark: ")") else { throw unexpected("')'") }
      return inner
    case .word("quantile") where next.kind == .mark("("): return .quantile(try quantile())
    case .word(let word) where !Self.reserved.contains(word): return .column(word)
    default:
      place -= 1
      throw unexpected("a measure, a number or a text in quotes")
    }
  }

  private mutating func quantile() throws(GateSyntaxError) -> GateQuantile {
    _ = take(mark: "(")
    var quantile = GateQuantile(column: try name("the name of a measure"), fraction: 0)
    guard take(mark: ",") else { throw unexpected("',' and a fraction") }
    guard case .number(let fraction) = next.kind, (0...1).contains(fraction) else {
      throw unexpected("a fraction from 0 to 1")
    }
    place += 1
    quantile.fraction = fraction
    while take(mark: ",") {
      let argument = try name("'by:' or 'weight:'")
      guard ["by", "weight"].contains(argument), take(mark: ":") else { throw unexpected("'by:' or 'weight:'") }
      if argument == "by" {
        quantile.group = try name("the name of a field")
      } else {
        quantile.weight = try name("the name of a measure")
      }
    }
    guard take(mark: ")") else { throw unexpected("')'") }
    return quantile
  }

  private mutating func name(_ expected: String) throws(GateSyntaxError) -> String {
    guard case .word(let word) = next.kind, !Self.reserved.contains(word) else { throw unexpected(expected) }
    place += 1
    return word
  }

  /// Whether a text can stand for a measure in a rule.
  static func isName(_ text: String) -> Bool {
    guard let tokens = try? tokens(of: Array(text.unicodeScalars)), tokens.count == 2 else { return false }
    return tokens[0].kind == .word(text) && !reserved.contains(text)
  }

  private static let reserved: Set<String> = ["and", "or", "not", "in", "is", "missing"]

  // MARK: Parts

  private var next: Token { tokens[min(place, tokens.count - 1)] }
  private var following: Token { tokens[min(place + 1, tokens.count - 1)] }

  private mutating func take(word: String) -> Bool {
    guard next.kind == .word(word) else { return false }
    place += 1
    return true
  }

  private mutating func take(mark: String) -> Bool {
    guard next.kind == .mark(mark) else { return false }
    place += 1
    return true
  }

  private func condition(_ expression: GateExpression) throws(GateSyntaxError) -> GateExpression {
    guard expression.isCondition else { throw error("'and', 'or' and 'not' join conditions, not values") }
    return expression
  }

  private func value(_ expression: GateExpression) throws(GateSyntaxError) -> GateExpression {
    guard !expression.isCondition else { throw error("a condition cannot be compared or added") }
    return expression
  }

  private mutating func nested(
    _ body: (inout GateParser) throws(GateSyntaxError) -> GateExpression
  ) throws(GateSyntaxError) -> GateExpression {
    guard depth < 100 else { throw error("is nested more than 100 deep") }
    depth += 1
    let inner = try body(&self)
    depth -= 1
    return inner
  }

  private func error(_ message: String) -> GateSyntaxError { GateSyntaxError(message: message, column: next.column) }

  private func unexpected(_ expected: String) -> GateSyntaxError {
    let found =
      switch next.kind {
      case .number(let number): "\(number)"
      case .text(let text): "\"\(text)\""
      case .word(let word), .mark(let word): "'\(word)'"
      case .end: "the end"
      }
    return error("expected \(expected), not \(found)")
  }

  // MARK: Tokens

  private static func tokens(of rule: [UnicodeScalar]) throws(GateSyntaxError) -> [Token] {
    var tokens: [Token] = []
    var at = 0
    while at < rule.count {
      let start = at
      let first = rule[at]
      if " \t\n\r\u{3000}".unicodeScalars.contains(first) {
        at += 1
      } else if isDigit(first) {
        while at < rule.count, isDigit(rule[at]) || ".eE_".unicodeScalars.contains(rule[at]) || isSign(rule, at) {
          at += 1
        }
        let digits = text(rule[start..<at].filter { $0 != "_" })
        guard let number = Double(digits), number.isFinite else {
          throw GateSyntaxError(message: "'\(digits)' is not a number", column: start + 1)
        }
        tokens.append(Token(kind: .number(number), column: start + 1))
      } else if isWord(first) {
        while at < rule.count, isWord(rule[at]) || isDigit(rule[at]) || rule[at] == "." { at += 1 }
        tokens.append(Token(kind: .word(text(rule[start..<at])), column: start + 1))
      } else if first == "\"" || first == "'" {
        guard let end = rule[(at + 1)...].firstIndex(of: first) else {
          throw GateSyntaxError(message: "the quotation has no end", column: start + 1)
        }
        tokens.append(Token(kind: .text(text(rule[(at + 1)..<end])), column: start + 1))
        at = end + 1
      } else {
        let two = text(rule[at..<min(at + 2, rule.count)])
        let mark = ["<=", ">=", "==", "!="].contains(two) ? two : String(first)
        guard two == mark || "<>=+-*/()[],:".unicodeScalars.contains(first) else {
          throw GateSyntaxError(message: "'\(first)' is not part of a rule", column: start + 1)
        }
        at += mark.unicodeScalars.count
        tokens.append(Token(kind: .mark(mark), column: start + 1))
      }
    }
    return tokens + [Token(kind: .end, column: rule.count + 1)]
  }

  private static func text(_ scalars: some Sequence<UnicodeScalar>) -> String {
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    return text
  }

  private static func isDigit(_ scalar: UnicodeScalar) -> Bool { ("0"..."9").contains(scalar) }

  /// A letter of English, or anything beyond ASCII.
  private static func isWord(_ scalar: UnicodeScalar) -> Bool {
    scalar == "_" || ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
      || (scalar.value >= 0x80 && scalar != "\u{3000}")
  }

  /// The sign of an exponent: the - of 1e-5.
  private static func isSign(_ rule: [UnicodeScalar], _ at: Int) -> Bool {
    (rule[at] == "-" || rule[at] == "+") && (rule[at - 1] == "e" || rule[at - 1] == "E")
  }
}

extension GateExpression {
  /// Whether it is true or false, rather than a number or a text.
  var isCondition: Bool {
    switch self {
    case .comparison, .member, .listed, .missing, .not, .and, .or: true
    case .number, .text, .column, .quantile, .negative, .arithmetic: false
    }
  }
}
