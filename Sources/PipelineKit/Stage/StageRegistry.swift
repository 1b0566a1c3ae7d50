import ShardKit

/// An option as documentation shows it.
public struct OptionDescription: Sendable {
  public let name: String
  public let documentation: String
  public let typeName: String
  public let isRequired: Bool
  public let affectsOutput: Bool
  public let defaultValue: JSONValue
  public let schema: JSONValue
}

/// A stage with its options read, ready to be planned.
public struct ConfiguredStage: Sendable {
  public let stage: any Stage
  /// The phases that name their options, each with a stage that knows only these.
  let narrowed: [String: (stage: any Stage, options: Set<String>)]
  /// Every option with its value, in the order of the stage's fields.
  public let options: [(name: String, value: JSONValue, affectsOutput: Bool)]
  /// The options that name files.
  public let inputFiles: [(option: String, files: InputFiles, holdsRecords: Bool)]
  /// See `Stage.settled`.
  let settled: [String: JSONValue]

  /// The stage that plans and runs a phase.
  public func stage(of phase: String) -> any Stage { narrowed[phase]?.stage ?? stage }
}

/// A problem with one option, at a place in the document's text.
public struct OptionIssue: Error, Equatable, Sendable {
  public var option: String?
  public var message: String
  public var offset: Int?
}

/// What the registry knows of a kind of stage.
public struct StageDescription: Sendable {
  public let name: String
  public let revision: Int
  public let summary: String
  public let inputs: [InputPort]
  public let outputs: [OutputPort]
  public let phases: [String]
  /// What `Stage.options(of:)` says, by phase.
  public let phaseOptions: [String: Set<String>]
  public let waitingPhases: Set<String>
  public let options: [OptionDescription]
  let make: @Sendable ([JSONMember]) -> Result<ConfiguredStage, OptionIssues>

  struct OptionIssues: Error {
    var issues: [OptionIssue]
    /// How many more there are than are told.
    var omitted = 0
  }

  public init<S: Stage>(_ type: S.Type) {
    name = S.name
    revision = S.revision
    summary = S.summary
    inputs = S.inputs
    outputs = S.outputs
    phases = S.phases
    phaseOptions = Dictionary(uniqueKeysWithValues: S.phases.compactMap { p in S.options(of: p).map { (p, $0) } })
    waitingPhases = S.waitingPhases
    let defaults = S.Options()
    options = S.Options.fields.map {
      OptionDescription(
        name: $0.name, documentation: $0.documentation, typeName: $0.typeName, isRequired: $0.isRequired,
        affectsOutput: $0.affectsOutput, defaultValue: $0.encode(defaults), schema: $0.schema)
    }
    make = { members in Self.configure(S.self, members) }
  }

  /// Reads a stage's options from a JSON object; every problem at once in the error's text.
  public func configured(_ options: JSONValue) throws(StageError) -> ConfiguredStage {
    switch make(options.members ?? []) {
    case .success(let configured): return configured
    case .failure(let failure):
      throw StageError(.options, name, failure.issues.map(\.message).joined(separator: "; "))
    }
  }

  private static func configure<S: Stage>(
    _: S.Type, _ members: [JSONMember]
  ) -> Result<ConfiguredStage, OptionIssues> {
    var issues: [OptionIssue] = []
    var omitted = 0
    var options = S.Options()
    let fields = S.Options.fields
    for member in members {
      guard let field = fields.first(where: { $0.name == member.key }) else {
        if issues.count >= DocumentErrors.most {
          omitted += 1
          continue
        }
        let hint = suggestion(for: member.key, among: fields.map(\.name))
        issues.append(
          OptionIssue(
            option: member.key, message: "'\(S.name)' has no option '\(member.key)'\(hint)", offset: member.keyOffset))
        continue
      }
      do throws(OptionProblem) {
        try field.decode(member.value, &options)
      } catch {
        issues.append(OptionIssue(option: member.key, message: error.message, offset: member.node.offset))
      }
    }
    for field in fields where field.isRequired && !members.contains(where: { $0.key == field.name }) {
      issues.append(
        OptionIssue(option: field.name, message: "the option '\(field.name)' is missing: \(field.documentation)"))
    }
    guard issues.isEmpty else { return .failure(OptionIssues(issues: issues, omitted: omitted)) }
    let stage = S(options: options)
    do {
      try stage.validate()
    } catch let error as StageError {
      let field = fields.contains { $0.name == error.subject } ? error.subject : nil
      var plain = error
      if field != nil { plain.subject = "" }
      return .failure(OptionIssues(issues: [OptionIssue(option: field, message: "\(plain)")]))
    } catch {
      return .failure(OptionIssues(issues: [OptionIssue(option: nil, message: "\(error)")]))
    }
    return .success(
      ConfiguredStage(
        stage: stage, narrowed: narrowed(S.self, options),
        options: fields.map { ($0.name, $0.encode(options), $0.affectsOutput) },
        inputFiles: fields.compactMap { field in
          field.inputFiles(options).map { (field.name, $0, field.holdsRecords) }
        },
        settled: stage.settled))
  }

  private static func narrowed<S: Stage>(
    _: S.Type, _ options: S.Options
  ) -> [String: (stage: any Stage, options: Set<String>)] {
    var stages: [String: (stage: any Stage, options: Set<String>)] = [:]
    for phase in S.phases {
      guard let names = S.options(of: phase) else { continue }
      var some = S.Options()
      for field in S.Options.fields
      where names.contains(field.name) || !field.affectsOutput || field.inputFiles(options) != nil {
        field.copy(options, &some)
      }
      stages[phase] = (S(options: some), names)
    }
    return stages
  }
}

/// The kinds of stage that a pipeline document may use.
public struct StageRegistry: Sendable {
  public let stages: [StageDescription]
  private let byName: [String: Int]

  public init(_ stages: [StageDescription]) {
    self.stages = stages.sorted { $0.name < $1.name }
    byName = Dictionary(uniqueKeysWithValues: self.stages.enumerated().map { ($0.element.name, $0.offset) })
  }

  public subscript(name: String) -> StageDescription? { byName[name].map { stages[$0] } }
  public var names: [String] { stages.map(\.name) }
}
