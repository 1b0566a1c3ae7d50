/// A compiled regular expression: a program for the backtracking `PatternMatcher`. Matches are those of Oniguruma: at the
/// leftmost place, the alternative that comes first.
final class Pattern: Sendable {
  enum Operation: Sendable {
    /// One character of a set.
    case set(Int32)
    /// As many characters of a set as there are, up to `maximum`; unless possessive, those beyond `minimum` may be given
    /// back later.
    case run(set: Int32, minimum: Int32, maximum: Int32, isPossessive: Bool)
    /// Continues at the first place, and if that fails at the second.
    case split(Int32, Int32)
    case jump(Int32)
    case assertion(PatternNode.Assertion)
    /// Continues if the program from the next place on matches (`back` characters earlier), or does not.
    case look(end: Int32, back: Int32, isNegative: Bool)
    /// Runs the program from the next place on; its alternatives are not tried later.
    case atomic(end: Int32)
    case match
  }

  let operations: [Operation]
  let sets: PatternSets
  /// By byte: whether a match can start with it. nil if a match can be empty.
  let starts: [Bool]?
  /// A match starts only where a line does.
  let startsLines: Bool

  /// - Throws: `TokenizerError` if the pattern is not supported or too large.
  init(_ text: String) throws(TokenizerError) {
    let node = try PatternParser.parse(text)
    var compiler = Compiler()
    try compiler.add(node)
    compiler.operations.append(.match)
    operations = compiler.operations
    sets = PatternSets(compiler.sets)
    starts = node.canBeEmpty ? nil : Self.starts(node)
    startsLines = node.startsLines
  }

  /// The text that is all that a pattern matches; nil if there is more.
  /// - Throws: `TokenizerError` if the pattern is not supported.
  static func literal(_ text: String) throws(TokenizerError) -> [UInt8]? {
    let node = try PatternParser.parse(text)
    let nodes = if case .sequence(let nodes) = node { nodes } else { [node] }
    var literal: [UInt8] = []
    for node in nodes {
      guard case .set(let set) = node, let scalar = set.onlyScalar else { return nil }
      UTF8Scanning.append(scalar, to: &literal)
    }
    return literal.isEmpty ? nil : literal
  }

  private static func starts(_ node: PatternNode) -> [Bool] {
    var bytes = [Bool](repeating: false, count: 256)
    func add(_ node: PatternNode) {
      switch node {
      case .set(let set):
        for c in 0..<128 where set.contains(UInt32(c)) { bytes[c] = true }
        for c in 128..<256 { bytes[c] = true }
      case .sequence(let nodes):
        for node in nodes {
          add(node)
          if !node.canBeEmpty { return }
        }
      case .choice(let nodes): nodes.forEach(add)
      case .loop(let node, _, _, _), .atomic(let node): add(node)
      case .look, .assertion: break
      }
    }
    add(node)
    return bytes
  }

  private struct Compiler {
    var operations: [Operation] = []
    var sets: [PatternSet] = []
    private static let maximumSize = 20_000

    mutating func add(_ node: PatternNode) throws(TokenizerError) {
      guard operations.count < Self.maximumSize else { throw TokenizerError("the pattern is too large") }
      switch node {
      case .set(let set): operations.append(.set(number(of: set)))
      case .sequence(let nodes): for node in nodes { try add(node) }
      case .choice(let nodes): try add(choice: nodes)
      case .assertion(let assertion): operations.append(.assertion(assertion))
      case .loop(.set(let set), let minimum, let maximum, let mode) where mode != .lazy:
        operations.append(
          .run(
            set: number(of: set), minimum: Int32(minimum), maximum: Int32(maximum ?? Int(Int32.max)),
            isPossessive: mode == .possessive))
      case .loop(let node, let minimum, let maximum, .possessive):
        try add(.atomic(.loop(node, minimum: minimum, maximum: maximum, .greedy)))
      case .loop(let node, let minimum, let maximum, let mode):
        try add(loop: node, minimum, maximum, isLazy: mode == .lazy)
      case .look(let node, let isAhead, let isNegative):
        let back = isAhead ? 0 : node.length ?? 0
        try add(part: node) { .look(end: $0, back: Int32(back), isNegative: isNegative) }
      case .atomic(let node): try add(part: node) { .atomic(end: $0) }
      }
    }

    private mutating func number(of set: PatternSet) -> Int32 {
      if let known = sets.firstIndex(of: set) { return Int32(known) }
      sets.append(set)
      return Int32(sets.count - 1)
    }

    private mutating func add(part: PatternNode, _ operation: (Int32) -> Operation) throws(TokenizerError) {
      let place = operations.count
      operations.append(.match)
      try add(part)
      operations.append(.match)
      operations[place] = operation(Int32(operations.count))
    }

    private mutating func add(choice nodes: [PatternNode]) throws(TokenizerError) {
      var jumps: [Int] = []
      for node in nodes.dropLast() {
        let split = operations.count
        operations.append(.match)
        try add(node)
        jumps.append(operations.count)
        operations.append(.match)
        operations[split] = .split(Int32(split + 1), Int32(operations.count))
      }
      try add(nodes[nodes.count - 1])
      for jump in jumps { operations[jump] = .jump(Int32(operations.count)) }
    }

    private mutating func add(
      loop node: PatternNode, _ minimum: Int, _ maximum: Int?, isLazy: Bool
    ) throws(TokenizerError) {
      for _ in 0..<minimum { try add(node) }
      func split(_ place: Int, exit: Int) -> Operation {
        let (body, exit) = (Int32(place + 1), Int32(exit))
        return isLazy ? .split(exit, body) : .split(body, exit)
      }
      guard let maximum else {
        let place = operations.count
        operations.append(.match)
        try add(node)
        operations.append(.jump(Int32(place)))
        operations[place] = split(place, exit: operations.count)
        return
      }
      var places: [Int] = []
      for _ in minimum..<maximum {
        places.append(operations.count)
        operations.append(.match)
        try add(node)
      }
      for place in places { operations[place] = split(place, exit: operations.count) }
    }
  }
}
