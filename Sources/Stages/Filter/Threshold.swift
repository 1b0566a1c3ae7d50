import PipelineKit
import ShardKit

/// One option per rule, named after the rule.
struct QualityThresholds: StageOptions, CustomReflectable {
  private var options = QualityRule.allCases.map { rule in
    Option(wrappedValue: Threshold.preset, rule.documentation, formerly: rule.formerName)
  }

  init() {}

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: QualityRule.self)
    options = try QualityRule.allCases.map { try values.decode(Option<Threshold>.self, forKey: $0) }
  }

  subscript(rule: QualityRule) -> Threshold {
    get { options[rule.index].wrappedValue }
    set { options[rule.index].wrappedValue = newValue }
  }

  /// Lists the options for their lookup by reflection.
  var customMirror: Mirror {
    Mirror(self, children: zip(QualityRule.allCases, options).map { (label: $0.rawValue, value: $1) })
  }
}

/// A threshold as an option: a number, null for none, or `"preset"` for the preset's.
enum Threshold: OptionValue, Equatable {
  case preset
  case off
  case at(Double)

  static var typeName: String { #"a number, null (off) or "preset""# }
  static var schema: JSONValue { ["anyOf": .list([["type": "number"], ["type": "null"], ["const": "preset"]])] }

  init(json: JSONValue) throws(OptionProblem) {
    if json == .null {
      self = .off
    } else if json.string == "preset" {
      self = .preset
    } else if let value = json.double {
      self = .at(value)
    } else {
      throw OptionProblem("should be \(Self.typeName), not \(json.typeName)")
    }
  }

  var json: JSONValue {
    switch self {
    case .preset: "preset"
    case .off: .null
    case .at(let value): value == value.rounded() && abs(value) < 1e15 ? .integer(Int(value)) : .number(value)
    }
  }
}
