public import PipelineKit
public import ShardKit

/// How much a training reads of each named set of tokens, phase by phase, as it is written: `{ "weights": { "ja": 0.7,
/// "en": 0.3 } }`, or a list of such phases that each end at a step.
public struct MixtureOption: OptionValue, Equatable {
  public struct Phase: Equatable, Sendable {
    /// Its last step, or the fraction of all steps if it is below 1; nil: the last phase, which ends with the training.
    public var until: Double?
    /// Shares of the samples, which need not sum to 1.
    public var weights: [String: Double] = [:]
    /// How often sets are read in the phase.
    public var epochs: [String: Double] = [:]

    public init(until: Double? = nil, weights: [String: Double] = [:], epochs: [String: Double] = [:]) {
      self.until = until
      self.weights = weights
      self.epochs = epochs
    }
  }

  /// Empty: every set in proportion to its samples.
  public var phases: [Phase]

  public init(_ phases: [Phase] = []) { self.phases = phases }

  public static var typeName: String { "an object with weights and epochs, or a list of such phases" }

  public static var schema: JSONValue {
    let numbers: JSONValue = ["type": "object", "additionalProperties": ["type": "number", "minimum": 0]]
    let phase: JSONValue = [
      "type": "object", "additionalProperties": false,
      "properties": [
        "until": ["type": "number", "exclusiveMinimum": 0], "weights": numbers, "epochs": numbers,
      ],
    ]
    return ["anyOf": .list([phase, ["type": "array", "items": phase]])]
  }

  /// Reads a phase or a list of phases.
  /// - Throws: `OptionProblem` if it is something else, or says what no training can do.
  public init(json: JSONValue) throws(OptionProblem) {
    phases = []
    if let members = json.members {
      guard !members.isEmpty else { return }
      phases = [try Self.phase(json, "")]
    } else if let list = json.array {
      for (number, value) in list.enumerated() { phases.append(try Self.phase(value, "phase \(number + 1): ")) }
    } else {
      throw OptionProblem("should be \(Self.typeName), not \(json.typeName)")
    }
    for (number, phase) in phases.enumerated() {
      let isLast = number == phases.count - 1
      guard (phase.until == nil) == isLast else {
        throw OptionProblem(
          isLast
            ? "phase \(number + 1): the last phase ends with the training; remove its 'until'"
            : "phase \(number + 1): 'until' is missing; only the last phase ends with the training")
      }
    }
  }

  private static func phase(_ json: JSONValue, _ place: String) throws(OptionProblem) -> Phase {
    guard let members = json.members else {
      throw OptionProblem("\(place)should be an object with weights and epochs, not \(json.typeName)")
    }
    var phase = Phase()
    for member in members {
      switch member.key {
      case "until":
        guard let until = member.value.double, until > 0, until < 1 || until == until.rounded(), until < 1e12 else {
          throw OptionProblem("\(place)'until' should be a step, or a fraction of the steps between 0 and 1")
        }
        phase.until = until
      case "weights": phase.weights = try numbers(member, place)
      case "epochs": phase.epochs = try numbers(member, place)
      default:
        throw OptionProblem(
          "\(place)unknown key '\(member.key)'" + suggestion(for: member.key, among: ["until", "weights", "epochs"]))
      }
    }
    if let name = phase.weights.keys.sorted().first(where: { phase.epochs[$0] != nil }) {
      throw OptionProblem("\(place)'\(name)' has both a weight and epochs; give it one of them")
    }
    guard phase.weights.values.contains(where: { $0 > 0 }) || phase.epochs.values.contains(where: { $0 > 0 }) else {
      throw OptionProblem("\(place)no set has a weight or epochs above 0")
    }
    return phase
  }

  private static func numbers(_ member: JSONMember, _ place: String) throws(OptionProblem) -> [String: Double] {
    let values: [String: Double]
    do throws(OptionProblem) { values = try [String: Double](json: member.value) } catch {
      throw OptionProblem("\(place)'\(member.key)' \(error.message)")
    }
    for (name, value) in values.sorted(by: { $0.key < $1.key }) where !(0...1e9).contains(value) {
      throw OptionProblem("\(place)'\(member.key)': \(value) of '\(name)' is not between 0 and 1000000000")
    }
    return values
  }

  /// The last step of each phase.
  /// - Throws: `StageError` (`.options`) if one does not end after the one before, and before the training.
  func ends(steps: Int) throws -> [Int] {
    var first = 0
    return try phases.enumerated().map { number, phase in
      guard let until = phase.until else { return steps }
      let step = until < 1 ? Int((until * Double(steps)).rounded()) : Int(until)
      guard step > first, step < steps else {
        throw StageError(
          .options, "mixture",
          "\(Self.place(number, of: phases.count))ends at step \(step), which is not between \(first + 1) and \(steps - 1)",
          hint: "Let phases end one after another, before the last step, \(steps).")
      }
      first = step
      return step
    }
  }

  /// Of a phase, for messages; the only one is not named.
  static func place(_ number: Int, of count: Int) -> String { count > 1 ? "phase \(number + 1): " : "" }

  public var json: JSONValue {
    if phases.isEmpty { return [:] }
    return phases.count == 1 ? phases[0].json : .list(phases.map(\.json))
  }
}

extension MixtureOption.Phase {
  fileprivate var json: JSONValue {
    var members: [JSONMember] = []
    if let until { members.append(JSONMember("until", until >= 1 ? .integer(Int(until)) : .number(until))) }
    if !weights.isEmpty { members.append(JSONMember("weights", weights.json)) }
    if !epochs.isEmpty { members.append(JSONMember("epochs", epochs.json)) }
    return .object(members)
  }
}
