import ShardKit

/// What a rule's parts are for each document of a table.
struct GateEvaluation {
  let table: SignalTable
  let lists: [String: Set<String>]
  /// By quantile and group; the group of a quantile without `by` is "".
  let quantiles: [GateQuantile: [ExactText: Double]]

  enum Value {
    case number(Double)
    case numbers([Double])
    case text(String)
    case texts(CodedTexts)
    case flags([Bool])
  }

  /// Whether each document meets a rule.
  func flags(_ rule: GateExpression) -> [Bool] {
    switch rule {
    case .not(let one): return flags(one).map { !$0 }
    case .and(let a, let b): return zip(flags(a), flags(b)).map { $0 && $1 }
    case .or(let a, let b): return zip(flags(a), flags(b)).map { $0 || $1 }
    case .missing(let name):
      if let numbers = table.numbers(name) { return numbers.map(\.isNaN) }
      guard let texts = table.texts(name) else { return all(true) }
      return choose(texts) { $0.isEmpty }
    case .member(let one, let values): return member(one, Set(values))
    case .listed(let one, let name): return member(one, lists[name] ?? [])
    case .comparison(let comparison, let a, let b): return compared(comparison, value(a), value(b))
    case .number, .text, .column, .quantile, .negative, .arithmetic: return all(false)
    }
  }

  func value(_ expression: GateExpression) -> Value {
    switch expression {
    case .number(let number): return .number(number)
    case .text(let text): return .text(text)
    case .column(let name):
      if let numbers = table.numbers(name) { return .numbers(numbers) }
      return table.texts(name).map { .texts($0) } ?? .number(.nan)
    case .quantile(let quantile): return value(of: quantile)
    case .negative(let one): return map(value(one)) { -$0 }
    case .arithmetic(let operation, let a, let b): return calculated(operation, value(a), value(b))
    default: return .flags(flags(expression))
    }
  }

  private func all(_ flag: Bool) -> [Bool] { Array(repeating: flag, count: table.rows) }

  private func choose(_ texts: CodedTexts, _ isChosen: (String) -> Bool) -> [Bool] {
    let chosen = texts.values.map(isChosen)
    return texts.codes.map { chosen[Int($0)] }
  }

  private func member(_ one: GateExpression, _ values: Set<String>) -> [Bool] {
    switch value(one) {
    case .texts(let texts): return choose(texts) { values.contains($0) }
    case .text(let text): return all(values.contains(text))
    default: return all(false)
    }
  }

  private func value(of quantile: GateQuantile) -> Value {
    let known = quantiles[quantile] ?? [:]
    guard let group = quantile.group else { return .number(known[""] ?? .nan) }
    guard let texts = table.texts(group) else { return .number(known[""] ?? .nan) }
    let byCode = texts.values.map { known[ExactText($0)] ?? .nan }
    return .numbers(texts.codes.map { byCode[Int($0)] })
  }

  private func map(_ value: Value, _ body: (Double) -> Double) -> Value {
    switch value {
    case .number(let number): .number(body(number))
    case .numbers(let numbers): .numbers(numbers.map(body))
    default: .number(.nan)
    }
  }

  private func calculated(_ operation: GateExpression.Arithmetic, _ a: Value, _ b: Value) -> Value {
    func apply(_ a: Double, _ b: Double) -> Double {
      switch operation {
      case .plus: a + b
      case .minus: a - b
      case .times: a * b
      case .divided: a / b
      }
    }
    switch (a, b) {
    case (.number(let a), .number(let b)): return .number(apply(a, b))
    case (.numbers(let a), .number(let b)): return .numbers(a.map { apply($0, b) })
    case (.number(let a), .numbers(let b)): return .numbers(b.map { apply(a, $0) })
    case (.numbers(let a), .numbers(let b)): return .numbers(zip(a, b).map { apply($0, $1) })
    default: return .number(.nan)
    }
  }

  /// A comparison with a missing value is false, also `!=`.
  private func compared(_ comparison: GateExpression.Comparison, _ a: Value, _ b: Value) -> [Bool] {
    switch (a, b) {
    case (.number(let a), .number(let b)): return all(comparison.holds(a, b))
    case (.numbers(let a), .number(let b)): return a.map { comparison.holds($0, b) }
    case (.number(let a), .numbers(let b)): return b.map { comparison.holds(a, $0) }
    case (.numbers(let a), .numbers(let b)): return zip(a, b).map { comparison.holds($0, $1) }
    case (.texts(let a), .text(let b)): return choose(a) { comparison.holds($0, b) }
    case (.text(let a), .texts(let b)): return choose(b) { comparison.holds(a, $0) }
    case (.text(let a), .text(let b)): return all(comparison.holds(a, b))
    case (.texts(let a), .texts(let b)):
      return zip(a.codes, b.codes).map { comparison.holds(a.values[Int($0)], b.values[Int($1)]) }
    default: return all(false)
    }
  }
}

extension GateExpression.Comparison {
  fileprivate func holds(_ a: Double, _ b: Double) -> Bool {
    switch self {
    case .less: a < b
    case .atMost: a <= b
    case .greater: a > b
    case .atLeast: a >= b
    case .equal: a == b
    case .unequal: a < b || a > b
    }
  }

  fileprivate func holds(_ a: String, _ b: String) -> Bool {
    if a.isEmpty || b.isEmpty { return false }
    let isEqual = a.isExactly(b)
    switch self {
    case .equal: return isEqual
    case .unequal: return !isEqual
    case .less: return !isEqual && a.utf8.lexicographicallyPrecedes(b.utf8)
    case .atMost: return isEqual || a.utf8.lexicographicallyPrecedes(b.utf8)
    case .greater: return !isEqual && b.utf8.lexicographicallyPrecedes(a.utf8)
    case .atLeast: return isEqual || b.utf8.lexicographicallyPrecedes(a.utf8)
    }
  }
}
