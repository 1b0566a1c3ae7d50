/// A condition on measures, as a gate's rule states it: `characters >= 400 and (source == "wikipedia" or score > 0.5)`.
///
/// From loosest to tightest: `or`, `and`, `not`, then one of `< <= > >= == !=`, `in [...]`, `in LIST`, `not in`,
/// `is missing`, `is not missing`, then `+ -`, `* /`, `-`. `quantile(MEASURE, FRACTION, by: TEXT, weight: MEASURE)` is
/// the smallest value of a measure at which this fraction of the documents (or of their weight) is reached.
indirect enum GateExpression: Equatable, Sendable {
  case number(Double)
  case text(String)
  case column(String)
  case quantile(GateQuantile)
  case negative(GateExpression)
  case arithmetic(Arithmetic, GateExpression, GateExpression)
  case comparison(Comparison, GateExpression, GateExpression)
  case member(GateExpression, of: [String])
  /// Of a list that the option `lists` names.
  case listed(GateExpression, in: String)
  case missing(String)
  case not(GateExpression)
  case and(GateExpression, GateExpression)
  case or(GateExpression, GateExpression)

  enum Arithmetic: String, Sendable { case plus = "+", minus = "-", times = "*", divided = "/" }
  enum Comparison: String, Sendable {
    case less = "<"
    case atMost = "<="
    case greater = ">"
    case atLeast = ">="
    case equal = "=="
    case unequal = "!="
  }
}

/// A quantile of a measure over all documents, or within each group of them.
struct GateQuantile: Hashable, Sendable {
  var column: String
  var fraction: Double
  /// A column of texts: one quantile for each.
  var group: String?
  /// A column of numbers; nil: each document weighs 1.
  var weight: String?
}

extension GateExpression {
  /// The expressions that it is made of.
  private var parts: [GateExpression] {
    switch self {
    case .number, .text, .column, .missing, .quantile: []
    case .negative(let one), .not(let one), .member(let one, _), .listed(let one, _): [one]
    case .arithmetic(_, let a, let b), .comparison(_, let a, let b), .and(let a, let b), .or(let a, let b): [a, b]
    }
  }

  private func gathered<Found>(_ own: (GateExpression) -> Set<Found>) -> Set<Found> {
    parts.reduce(own(self)) { $0.union($1.gathered(own)) }
  }

  /// The names of measures that it reads.
  var columns: Set<String> {
    gathered { expression in
      switch expression {
      case .column(let name), .missing(let name): [name]
      case .quantile(let quantile): quantile.columns
      default: []
      }
    }
  }

  var quantiles: Set<GateQuantile> {
    gathered { if case .quantile(let quantile) = $0 { [quantile] } else { [] } }
  }

  /// The names of lists that it reads.
  var lists: Set<String> { gathered { if case .listed(_, let name) = $0 { [name] } else { [] } } }
}

extension GateQuantile {
  /// The names of measures that it reads.
  var columns: Set<String> { Set([column, group, weight].compactMap { $0 }) }
}
