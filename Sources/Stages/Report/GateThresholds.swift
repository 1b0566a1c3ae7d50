import PipelineKit
import ShardKit

/// The numbers that gates compare measures with.
enum GateThresholds {
  /// By measure, of one gate as it was run.
  /// - Parameter cuts: the quantiles that it found.
  static func of(_ gate: NodeManifest, _ cuts: GateCuts?) -> [String: [HistogramPicture.Threshold]] {
    let options = gate.identity.options
    let preset = options["preset"]?.string.flatMap { QualityPreset(rawValue: $0) } ?? .none
    let require = Dictionary(
      (options["require"]?.members ?? []).map { ($0.key, $0.value.string ?? "") }, uniquingKeysWith: { $1 })
    guard let rules = try? GateRules(preset, require: require) else { return [:] }
    return of(rules, named: gate.stage, cuts?.values ?? [:])
  }

  /// By measure, of rules.
  /// - Parameters:
  ///   - gate: what the pictures call them.
  ///   - cuts: the quantiles that they ask for.
  static func of(
    _ rules: GateRules, named gate: String, _ cuts: [GateQuantile: [ExactText: Double]]
  ) -> [String: [HistogramPicture.Threshold]] {
    var found: [String: [HistogramPicture.Threshold]] = [:]
    for rule in rules.rules {
      for (column, sign, value) in comparisons(rule.expression, cuts) {
        found[column, default: []].append(
          HistogramPicture.Threshold(gate: gate, rule: rule.name, sign: sign, value: value))
      }
    }
    return found
  }

  private static func comparisons(
    _ expression: GateExpression, _ cuts: [GateQuantile: [ExactText: Double]]
  ) -> [(column: String, sign: String, value: Double)] {
    switch expression {
    case .and(let a, let b), .or(let a, let b): return comparisons(a, cuts) + comparisons(b, cuts)
    case .not(let one): return comparisons(one, cuts).map { ($0.column, "not \($0.sign)", $0.value) }
    case .comparison(let sign, .column(let column), let other):
      return number(other, cuts).map { [(column, sign.rawValue, $0)] } ?? []
    case .comparison(let sign, let other, .column(let column)):
      return number(other, cuts).map { [(column, mirrored(sign), $0)] } ?? []
    default: return []
    }
  }

  private static func mirrored(_ sign: GateExpression.Comparison) -> String {
    switch sign {
    case .less: ">"
    case .atMost: ">="
    case .greater: "<"
    case .atLeast: "<="
    case .equal, .unequal: sign.rawValue
    }
  }

  private static func number(_ expression: GateExpression, _ cuts: [GateQuantile: [ExactText: Double]]) -> Double? {
    switch expression {
    case .number(let number): number
    case .negative(let one): number(one, cuts).map { -$0 }
    // Quantiles by group have no single place in the picture.
    case .quantile(let quantile): quantile.group == nil ? cuts[quantile]?[""] : nil
    default: nil
    }
  }
}
