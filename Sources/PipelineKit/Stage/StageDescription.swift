public import ShardKit

/// An option as shown in documentation.
public struct OptionDescription: Sendable {
  public let name: String
  public let documentation: String
  public let typeName: String
  public let isRequired: Bool
  public let affectsOutput: Bool
  /// See `OptionField.losing`.
  public let losing: Set<String>
  public let defaultValue: JSONValue
  public let schema: JSONValue
  /// Its name in the previous release, which is still accepted.
  public let formerName: String?

  init(_ field: OptionField) {
    name = field.name
    documentation = field.documentation
    typeName = field.typeName
    isRequired = field.isRequired
    affectsOutput = field.affectsOutput
    losing = field.losing
    defaultValue = field.value
    schema = field.schema
    formerName = field.formerName
  }
}

/// The registry's description of a stage kind.
public struct StageDescription: Sendable {
  public let name: String
  /// See `Stage.formerNames`.
  public let formerNames: [String]
  public let revision: Int
  public let summary: String
  public let inputs: [InputPort]
  public let outputs: [OutputPort]
  public let phases: [String]
  /// What `Stage.options(of:)` says, by phase.
  public let phaseOptions: [String: Set<String>]
  public let waitingPhases: Set<String>
  /// See `Stage.readsAccounts`.
  public let readsAccounts: Bool
  public let options: [OptionDescription]
  let make: @Sendable ([JSONMember]) -> Result<ConfiguredStage, OptionIssues>
  private let fields: FieldReading

  public init<S: Stage>(_ type: S.Type) {
    let fields = S.Options.fields
    name = S.name
    formerNames = S.formerNames
    revision = S.revision
    summary = S.summary
    inputs = S.inputs
    outputs = S.outputs
    phases = S.Phase.allCases.map(\.rawValue)
    phaseOptions = Dictionary(
      uniqueKeysWithValues: S.Phase.allCases.compactMap { phase in S.options(of: phase).map { (phase.rawValue, $0) } })
    waitingPhases = Set(S.waitingPhases.map(\.rawValue))
    readsAccounts = S.readsAccounts
    options = fields.map { OptionDescription($0) }
    if let twice = repeated(fields.map(\.name) + fields.compactMap(\.formerName)) {
      fatalError("'\(S.name)' has two options named '\(twice)'")
    }
    // Checks now, rather than in a run, that each property is declared.
    _ = S.Options(fields: fields)
    let reading = OptionReading<S>(fields: fields, phaseOptions: phaseOptions)
    make = { reading.configure($0) }
    self.fields = reading.reading
  }

  /// Whether there is an option of a name, current or former.
  public func hasOption(_ name: String) -> Bool { fields.has(name) }

  /// Whether an option can have a value.
  func accepts(_ value: JSONValue, for option: String) -> Bool { fields.accepts(value, for: option) }

  /// Reads a stage's options from a JSON object.
  /// - Throws: `StageError` (`.options`) that lists every problem.
  public func configured(_ options: JSONValue) throws(StageError) -> ConfiguredStage {
    switch make(options.members ?? []) {
    case .success(let configured): return configured
    case .failure(let failure):
      throw StageError(.options, name, failure.issues.map(\.message).joined(separator: "; "))
    }
  }
}

/// The first text that occurs a second time.
func repeated(_ names: [String]) -> String? {
  var seen: Set<String> = []
  return names.first { !seen.insert($0).inserted }
}

/// The notice on a renamed stage or option in a pipeline file.
func renamed(_ old: String, to new: String) -> String {
  "'\(old)' is now '\(new)'; the old name is accepted until the next release"
}
