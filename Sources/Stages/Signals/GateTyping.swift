import PipelineKit
import ShardKit

/// What is wrong with the meaning of a rule.
struct GateTypeError: Error, Equatable {
  var message: String
}

extension GateExpression {
  enum Kind: String { case number = "a number", text = "a text", condition = "a condition" }

  /// What the expression is.
  /// - Throws: `GateTypeError` for a column that does not exist, or a comparison of a text with a number.
  @discardableResult
  func kind(_ columns: [String: SignalColumn.Kind]) throws(GateTypeError) -> Kind {
    switch self {
    case .number: return .number
    case .text: return .text
    case .column(let name): return try Self.column(name, columns)
    case .quantile(let quantile):
      try Self.expect(.number, try Self.column(quantile.column, columns), "'\(quantile.column)'")
      if let group = quantile.group { try Self.expect(.text, try Self.column(group, columns), "'\(group)'") }
      if let weight = quantile.weight { try Self.expect(.number, try Self.column(weight, columns), "'\(weight)'") }
      return .number
    case .negative(let one):
      try Self.expect(.number, try one.kind(columns), "what follows '-'")
      return .number
    case .arithmetic(let operation, let a, let b):
      for side in [a, b] {
        try Self.expect(.number, try side.kind(columns), "what stands beside '\(operation.rawValue)'")
      }
      return .number
    case .comparison(let comparison, let a, let b):
      let kinds = (try a.kind(columns), try b.kind(columns))
      guard kinds.0 == kinds.1 else {
        throw GateTypeError(
          message: "'\(comparison.rawValue)' compares \(kinds.0.rawValue) with \(kinds.1.rawValue)")
      }
      return .condition
    case .member(let one, _), .listed(let one, _):
      try Self.expect(.text, try one.kind(columns), "what stands before 'in'")
      return .condition
    case .missing(let name):
      try Self.column(name, columns)
      return .condition
    case .not(let one):
      try one.kind(columns)
      return .condition
    case .and(let a, let b), .or(let a, let b):
      try a.kind(columns)
      try b.kind(columns)
      return .condition
    }
  }

  @discardableResult
  private static func column(_ name: String, _ columns: [String: SignalColumn.Kind]) throws(GateTypeError) -> Kind {
    guard let kind = columns[name] else {
      throw GateTypeError(
        message: "no wired scoring stage writes '\(name)'\(suggestion(for: name, among: columns.keys.sorted()))")
    }
    return kind == .number ? .number : .text
  }

  private static func expect(_ wanted: Kind, _ found: Kind, _ what: String) throws(GateTypeError) {
    guard wanted == found else {
      throw GateTypeError(message: "\(what) should be \(wanted.rawValue), not \(found.rawValue)")
    }
  }
}
