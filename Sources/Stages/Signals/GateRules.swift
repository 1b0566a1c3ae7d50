import PipelineKit
import ShardKit
import TextKit

/// A gate's rules in the order in which they are checked.
struct GateRules {
  struct Rule {
    /// The reason of drops.
    var name: String
    var expression: GateExpression
  }

  let rules: [Rule]

  /// The preset's rules in their order, then the further ones by name. A rule of `require` replaces the preset's of the
  /// same name; an empty one removes it.
  /// - Throws: `StageError` (`.options`) for a rule that is none, or a name that is none.
  init(_ preset: QualityPreset, require: [String: String]) throws(StageError) {
    var texts = Self.rules(of: preset)
    for name in require.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let isName =
        (1...64).contains(name.utf8.count)
        && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
      guard isName else {
        throw StageError(
          .options, "require", "'\(name)' cannot name a rule",
          hint: "Use lower-case letters, digits and -, as in \"long-enough\": it becomes the reason of drops.")
      }
      if let place = texts.firstIndex(where: { $0.name == name }) {
        texts[place].text = require[name]!
      } else {
        texts.append((name, require[name]!))
      }
    }
    var rules: [Rule] = []
    for (name, text) in texts where !text.isEmpty {
      do throws(GateSyntaxError) {
        rules.append(Rule(name: name, expression: try GateParser.parse(text)))
      } catch {
        throw StageError(
          .options, "require", "rule '\(name)': \(error.message) (character \(error.column) of \(text))",
          hint: "'pipeline stages gate' has examples of rules.")
      }
    }
    self.rules = rules
  }

  private static func rules(of preset: QualityPreset) -> [(name: String, text: String)] {
    let thresholds = preset.thresholds
    var rules = QualityRule.allCases.compactMap { rule in
      thresholds[rule].map { (rule.reason, "\(rule.measure.rawValue) \(rule.isMinimum ? ">=" : "<=") \($0)") }
    }
    if !preset.topLevelDomains.isEmpty {
      let domains = preset.topLevelDomains.map { "\"\($0)\"" }.joined(separator: ", ")
      let column = ScoreQuality.topLevelDomain
      rules.insert(("top-level-domain", "\(column) is missing or \(column) in [\(domains)]"), at: 0)
    }
    return rules
  }

  var columns: Set<String> { rules.reduce(into: []) { $0.formUnion($1.expression.columns) } }
  var quantiles: Set<GateQuantile> { rules.reduce(into: []) { $0.formUnion($1.expression.quantiles) } }
  var lists: Set<String> { rules.reduce(into: []) { $0.formUnion($1.expression.lists) } }

  /// - Throws: `StageError` (`.options`) for a rule that names what does not exist, or compares what cannot be.
  func check(columns: [String: SignalColumn.Kind], lists known: [String]) throws(StageError) {
    for rule in rules {
      do throws(GateTypeError) { try rule.expression.kind(columns) } catch {
        throw StageError(.options, "require", "rule '\(rule.name)': \(error.message)")
      }
      for list in rule.expression.lists.sorted() where !known.contains(list) {
        throw StageError(
          .options, "lists", "rule '\(rule.name)' reads the list '\(list)', but no file of 'lists' has this name",
          hint: known.isEmpty ? "Add \(list).txt to 'lists'." : "There are \(known.joined(separator: ", ")).")
      }
    }
  }
}

/// What a gate decides about each document of a table.
struct GateVerdicts {
  /// By document: the number of the first rule that it misses, or -1.
  private(set) var missed: [Int]
  private let rules: [GateRules.Rule]
  private let sides: [(value: GateEvaluation.Value, threshold: GateEvaluation.Value)?]
  /// By rule: documents that miss it, whatever else they miss.
  private(set) var misses: [Int]

  /// - Parameter sources: the only sources whose documents are judged; empty: all.
  init(_ rules: GateRules, _ evaluation: GateEvaluation, sources: Set<String> = []) {
    self.rules = rules.rules
    let judged =
      sources.isEmpty
      ? nil
      : evaluation.table.texts(SignalsOutput.source).map { texts in
        let isJudged = texts.values.map { sources.contains($0) }
        return texts.codes.map { isJudged[Int($0)] }
      }
    missed = Array(repeating: -1, count: evaluation.table.rows)
    misses = []
    for (number, rule) in rules.rules.enumerated() {
      let passes = evaluation.flags(rule.expression)
      var count = 0
      for row in missed.indices where !passes[row] && judged?[row] ?? true {
        count += 1
        if missed[row] < 0 { missed[row] = number }
      }
      misses.append(count)
    }
    sides = rules.rules.map { rule in
      guard case .comparison(_, let a, let b) = rule.expression else { return nil }
      let sides = (evaluation.value(a), evaluation.value(b))
      return rule.expression.hasValueFirst ? sides : (sides.1, sides.0)
    }
  }

  /// The name of the rule for which a document is dropped; nil if it is not.
  func missedRule(_ row: Int) -> String? { missed[row] < 0 ? nil : rules[missed[row]].name }

  /// Why a document is dropped; nil if it is not.
  func reason(_ row: Int) -> DropReason? {
    guard missed[row] >= 0 else { return nil }
    let sides = sides[missed[row]]
    return DropReason(
      rules[missed[row]].name, value: sides.flatMap { $0.value.number(row) },
      threshold: sides.flatMap { $0.threshold.number(row) })
  }
}

extension GateExpression {
  /// Whether the left side of a comparison is the measure, and the right one the threshold.
  fileprivate var hasValueFirst: Bool {
    guard case .comparison(_, let a, let b) = self else { return true }
    return !(a.columns.isEmpty && !b.columns.isEmpty)
  }
}

extension GateEvaluation.Value {
  /// The document's number, if there is one.
  func number(_ row: Int) -> Double? {
    switch self {
    case .number(let number): number.isNaN ? nil : number
    case .numbers(let numbers): numbers[row].isNaN ? nil : numbers[row]
    default: nil
    }
  }
}
