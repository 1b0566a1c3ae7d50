/// A regular expression as a tree.
indirect enum PatternNode: Equatable {
  enum Assertion { case lineStart, lineEnd, textStart, textEnd }
  enum Mode { case greedy, lazy, possessive }

  case set(PatternSet)
  case sequence([PatternNode])
  case choice([PatternNode])
  case loop(PatternNode, minimum: Int, maximum: Int?, Mode)
  case look(PatternNode, isAhead: Bool, isNegative: Bool)
  case atomic(PatternNode)
  case assertion(Assertion)

  /// Whether it can match without taking a character.
  var canBeEmpty: Bool {
    switch self {
    case .set: false
    case .sequence(let nodes): nodes.allSatisfy(\.canBeEmpty)
    case .choice(let nodes): nodes.contains(where: \.canBeEmpty)
    case .loop(let node, let minimum, _, _): minimum == 0 || node.canBeEmpty
    case .atomic(let node): node.canBeEmpty
    case .look, .assertion: true
    }
  }

  /// Whether it matches only at the start of a line, which may be that of the text.
  var startsLines: Bool {
    switch self {
    case .assertion(let assertion): return assertion == .lineStart || assertion == .textStart
    case .sequence(let nodes):
      for node in nodes {
        if node.startsLines { return true }
        guard node.length == 0 else { return false }
      }
      return false
    case .choice(let nodes): return nodes.allSatisfy(\.startsLines)
    case .atomic(let node): return node.startsLines
    case .set, .loop, .look: return false
    }
  }

  /// The number of characters, if it is always the same and not beyond what a pattern may look back.
  var length: Int? {
    switch self {
    case .set: return 1
    case .look, .assertion: return 0
    case .atomic(let node): return node.length
    case .sequence(let nodes):
      return nodes.reduce(0) { sum, node in sum.flatMap { a in node.length.flatMap { Self.bounded(a + $0) } } }
    case .choice(let nodes):
      let lengths = Set(nodes.map(\.length))
      return lengths.count == 1 ? lengths.first! : nil
    case .loop(let node, let minimum, let maximum, _):
      return minimum == maximum ? node.length.flatMap { Self.bounded($0 * minimum) } : nil
    }
  }

  private static func bounded(_ length: Int) -> Int? { length <= 1 << 16 ? length : nil }
}

/// Reads the part of Oniguruma's syntax (with its rules for Ruby, as Hugging Face's tokenizers use it) that published
/// tokenizers need. The rest is refused by name.
struct PatternParser {
  private let text: [UInt32]
  private var at = 0
  private var ignoresCase = false
  private var depth = 0

  private static let maximumLength = 4096
  private static let maximumDepth = 32
  static let maximumCount = 1000

  /// - Throws: `TokenizerError` for a syntax error or syntax that is not supported.
  static func parse(_ pattern: String) throws(TokenizerError) -> PatternNode {
    var parser = PatternParser(text: pattern.unicodeScalars.map(\.value))
    guard parser.text.count <= maximumLength else {
      throw TokenizerError("the pattern has \(parser.text.count) characters, more than \(maximumLength)")
    }
    let node = try parser.choice()
    if parser.at < parser.text.count { throw parser.error("an unopened )") }
    return node
  }

  private init(text: [UInt32]) { self.text = text }

  private func error(_ what: String) -> TokenizerError {
    var pattern = String.UnicodeScalarView()
    pattern.append(contentsOf: text.compactMap { Unicode.Scalar($0) })
    return TokenizerError("the pattern \(String(pattern)) has \(what) at character \(at)")
  }

  private var next: UInt32? { at < text.count ? text[at] : nil }

  private mutating func take(_ word: String) -> Bool {
    let word = word.unicodeScalars.map(\.value)
    guard text[at...].starts(with: word) else { return false }
    at += word.count
    return true
  }

  private mutating func choice() throws(TokenizerError) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw error("groups nested deeper than \(Self.maximumDepth)") }
    var nodes = [try sequence()]
    while take("|") { nodes.append(try sequence()) }
    return nodes.count == 1 ? nodes[0] : .choice(nodes)
  }

  private mutating func sequence() throws(TokenizerError) -> PatternNode {
    var nodes: [PatternNode] = []
    while let next, next != scalar("|"), next != scalar(")") {
      let start = at
      let node = try quantified(try single())
      if ignoresCase, start > 0, Self.folds.contains(where: { text[(start - 1)...].starts(with: $0) }) {
        throw error("letters that case-insensitive matching joins")
      }
      nodes.append(node)
    }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  /// Letters that together equal one character without regard to case, such as ß.
  private static let folds = ["ss", "ff", "fi", "fl", "st"].map { $0.unicodeScalars.map(\.value) }

  private mutating func single() throws(TokenizerError) -> PatternNode {
    let c = text[at]
    switch c {
    case scalar("("): return try group()
    case scalar("["):
      at += 1
      return .set(try set())
    case scalar("."):
      at += 1
      return .set(PatternSet(items: [.init(ranges: [0x0A...0x0A])], isComplement: true))
    case scalar("^"), scalar("$"):
      at += 1
      return .assertion(c == scalar("^") ? .lineStart : .lineEnd)
    case scalar("*"), scalar("+"), scalar("?"): throw error("a quantifier without anything before it")
    case scalar("\\"): return try escape()
    default:
      at += 1
      return .set(PatternSet(items: [literal(c)]))
    }
  }

  private func literal(_ c: UInt32) -> PatternSet.Item {
    guard ignoresCase else { return .init(ranges: [c...c]) }
    let lower = c | 0x20
    guard lower >= scalar("a"), lower <= scalar("z") else { return .init(ranges: [c...c]) }
    var ranges = [lower...lower, (lower - 0x20)...(lower - 0x20)]
    // ſ and the Kelvin sign.
    if lower == scalar("s") { ranges.append(0x17F...0x17F) }
    if lower == scalar("k") { ranges.append(0x212A...0x212A) }
    return .init(ranges: ranges)
  }

  private mutating func group() throws(TokenizerError) -> PatternNode {
    let outer = ignoresCase
    defer { ignoresCase = outer }
    var wrap: (PatternNode) -> PatternNode = { $0 }
    if take("(?:") {
    } else if take("(?i:") {
      ignoresCase = true
    } else if take("(?!") {
      wrap = { .look($0, isAhead: true, isNegative: true) }
    } else if take("(?=") {
      wrap = { .look($0, isAhead: true, isNegative: false) }
    } else if take("(?<!") {
      wrap = { .look($0, isAhead: false, isNegative: true) }
    } else if take("(?<=") {
      wrap = { .look($0, isAhead: false, isNegative: false) }
    } else if take("(?>") {
      wrap = { .atomic($0) }
    } else if take("(?") {
      throw error("a group of a kind that is not supported")
    } else {
      at += 1
    }
    let node = wrap(try choice())
    guard take(")") else { throw error("a group without its )") }
    if case .look(let inner, isAhead: false, _) = node, inner.length == nil {
      throw error("a lookbehind of changing length, which is not supported")
    }
    return node
  }

  private mutating func quantified(_ node: PatternNode) throws(TokenizerError) -> PatternNode {
    var node = node
    while let next {
      let range: (Int, Int?)
      var isInterval = false
      switch next {
      case scalar("*"): range = (0, nil)
      case scalar("+"): range = (1, nil)
      case scalar("?"): range = (0, 1)
      case scalar("{"):
        range = try interval()
        isInterval = true
      default: return node
      }
      if !isInterval { at += 1 }
      var mode = PatternNode.Mode.greedy
      if take("?") { mode = .lazy } else if !isInterval, take("+") { mode = .possessive }
      if isInterval, mode == .lazy, range.0 == range.1 { throw error("{n}?, which is not supported") }
      if node.canBeEmpty { throw error("a quantifier after what can be empty, which is not supported") }
      node = .loop(node, minimum: range.0, maximum: range.1, mode)
    }
    return node
  }

  private mutating func interval() throws(TokenizerError) -> (Int, Int?) {
    at += 1
    let low = number()
    var high = low
    if take(",") { high = number() } else if low == nil { throw error("a { that is not an interval") }
    guard take("}"), low != nil || high != nil else { throw error("a { that is not an interval") }
    guard (low ?? 0) <= Self.maximumCount, (high ?? 0) <= Self.maximumCount, (low ?? 0) <= high ?? .max else {
      throw error("an interval that is not between 0 and \(Self.maximumCount)")
    }
    return (low ?? 0, high)
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let next, (0x30...0x39).contains(next), (value ?? 0) <= Self.maximumCount {
      value = (value ?? 0) * 10 + Int(next - 0x30)
      at += 1
    }
    return value
  }

  private mutating func escape() throws(TokenizerError) -> PatternNode {
    if take("\\A") { return .assertion(.textStart) }
    if take("\\z") { return .assertion(.textEnd) }
    return .set(PatternSet(items: [try escapedItem()]))
  }
}

extension PatternParser {
  /// After `[`, up to and with its `]`.
  private mutating func set() throws(TokenizerError) -> PatternSet {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw error("sets nested deeper than \(Self.maximumDepth)") }
    var set = PatternSet()
    set.isComplement = take("^")
    var isFirst = true
    while let c = next, c != scalar("]") || isFirst {
      isFirst = false
      if take("[:") || take("&&") { throw error("a kind of set that is not supported") }
      if c == scalar("[") {
        at += 1
        let inner = try self.set()
        guard inner.items.count == 1 || !inner.isComplement else {
          throw error("a complement inside a set, which is not supported")
        }
        set.items += inner.items.map { item in
          var item = item
          item.isComplement = item.isComplement != inner.isComplement
          return item
        }
        continue
      }
      set.items.append(try rangeOrItem())
    }
    guard take("]") else { throw error("a set without its ]") }
    if ignoresCase { throw error("a set that ignores case, which is not supported") }
    return set.merged
  }

  private mutating func rangeOrItem() throws(TokenizerError) -> PatternSet.Item {
    let item = try setItem()
    guard next == scalar("-"), at + 1 < text.count, text[at + 1] != scalar("]") else { return item }
    guard let low = item.onlyScalar else { throw error("a range that does not start with a character") }
    at += 1
    guard let high = try setItem().onlyScalar, low <= high else { throw error("a range that does not end") }
    return .init(ranges: [low...high])
  }

  private mutating func setItem() throws(TokenizerError) -> PatternSet.Item {
    guard let c = next else { throw error("a set without its ]") }
    if c == scalar("\\") { return try escapedItem() }
    at += 1
    return .init(ranges: [c...c])
  }

  /// `\` and what follows it.
  private mutating func escapedItem() throws(TokenizerError) -> PatternSet.Item {
    at += 1
    guard let c = next else { throw error("a \\ at its end") }
    at += 1
    func complement(_ item: PatternSet.Item) -> PatternSet.Item {
      var item = item
      item.isComplement.toggle()
      return item
    }
    switch c {
    case scalar("s"): return PatternSet.space
    case scalar("S"): return complement(PatternSet.space)
    case scalar("d"): return PatternSet.digit
    case scalar("D"): return complement(PatternSet.digit)
    case scalar("w"): return PatternSet.word
    case scalar("W"): return complement(PatternSet.word)
    case scalar("n"): return .init(ranges: [0x0A...0x0A])
    case scalar("r"): return .init(ranges: [0x0D...0x0D])
    case scalar("t"): return .init(ranges: [0x09...0x09])
    case scalar("p"), scalar("P"):
      let item = try property()
      return c == scalar("P") ? complement(item) : item
    case scalar("x"), scalar("u"): return try codePoint(digits: c == scalar("x") ? 2 : 4)
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x80...: at -= 1
    default: return .init(ranges: [c...c])
    }
    throw error("an escape that is not supported")
  }

  private mutating func property() throws(TokenizerError) -> PatternSet.Item {
    guard take("{") else { throw error("a \\p without {") }
    let isComplement = take("^")
    var name = String.UnicodeScalarView()
    while let c = next, c != scalar("}") {
      if let c = Unicode.Scalar(c) { name.append(c) }
      at += 1
    }
    guard take("}"), let categories = PatternSet.categories(named: String(name)) else {
      throw error("the property '\(String(name))', which is not supported")
    }
    return .init(categories: categories, isComplement: isComplement)
  }

  private mutating func codePoint(digits: Int) throws(TokenizerError) -> PatternSet.Item {
    var value: UInt32 = 0
    for _ in 0..<digits {
      guard let c = next, let digit = Unicode.Scalar(c).flatMap({ UInt32(String($0), radix: 16) }) else {
        throw error("a code point of fewer than \(digits) digits")
      }
      value = value << 4 | digit
      at += 1
    }
    guard value < 0x80 || digits == 4 else { throw error("a byte that is not ASCII, which is not supported") }
    return .init(ranges: [value...value])
  }
}

extension PatternSet {
  /// With one item for all that is not a complement.
  fileprivate var merged: PatternSet {
    var plain = Item()
    for item in items where !item.isComplement {
      plain.categories |= item.categories
      plain.ranges += item.ranges
    }
    return PatternSet(
      items: [plain] + items.filter(\.isComplement), isComplement: isComplement)
  }
}

extension PatternSet.Item {
  fileprivate var onlyScalar: UInt32? {
    guard categories == 0, !isComplement, ranges.count == 1, ranges[0].count == 1 else { return nil }
    return ranges[0].lowerBound
  }
}

private func scalar(_ c: Unicode.Scalar) -> UInt32 { c.value }
