public import ShardKit

/// A problem with one option, or a notice about it, at a position in the pipeline file.
public struct OptionIssue: Equatable, Sendable {
  public var option: String?
  public var message: String
  public var offset: Int?
}

struct OptionIssues: Error {
  var issues: [OptionIssue]
  /// How many more there are than are reported.
  var omitted = 0
}

/// A stage with its options read, ready to be planned.
public struct ConfiguredStage: Sendable {
  public let stage: any Stage
  /// The phases that name their options, each with a stage that has only these set.
  let narrowed: [String: (stage: any Stage, options: Set<String>)]
  /// Every option with its value, in declaration order.
  public let options: [(name: String, value: JSONValue, affectsOutput: Bool)]
  /// The files that options name, those of an object by `OPTION.KEY`, and files that options name among other things.
  public let inputFiles: [(option: String, files: InputFiles, holdsRecords: Bool)]
  /// The options that are nothing but files.
  let fileOptions: Set<String>
  let limits: LossLimits
  /// See `Stage.settled`, and `DerivedOptions`.
  let settled: [String: JSONValue]
  /// See `Stage.concealed`.
  let concealed: Set<String>
  /// Options given by a former name.
  public let notices: [OptionIssue]

  /// The stage that plans and runs a phase.
  public func stage(of phase: String) -> any Stage { narrowed[phase]?.stage ?? stage }
}

/// Reads the members of a JSON object into declared options.
struct FieldReading: Sendable {
  /// Whose options they are, for messages.
  let owner: String
  /// With their defaults.
  let fields: [OptionField]
  /// By name and by former name.
  private let places: [String: Int]

  init(owner: String, fields: [OptionField]) {
    self.owner = owner
    self.fields = fields
    var places: [String: Int] = [:]
    for (place, field) in fields.enumerated() {
      places[field.name] = place
      if let old = field.formerName { places[old] = place }
    }
    self.places = places
  }

  func has(_ name: String) -> Bool { places[name] != nil }

  /// Whether an option can have a value.
  func accepts(_ value: JSONValue, for name: String) -> Bool {
    guard let place = places[name] else { return false }
    return (try? fields[place].option.reading(value)) != nil
  }

  /// Every option with its value; adds every problem and every notice.
  func read(
    _ members: [JSONMember], _ found: inout OptionIssues, _ notices: inout [OptionIssue]
  ) -> [OptionField] {
    var given = fields
    var named: [Int: String] = [:]
    for member in members {
      guard let place = places[member.key] else {
        found.refuse(member, "'\(owner)' has no option '\(member.key)'", known: fields.map(\.name))
        continue
      }
      let name = fields[place].name
      if let other = named.updateValue(member.key, forKey: place), other != member.key {
        let message =
          "'\(member.key)' and '\(other)' are the same option; remove '\(fields[place].formerName ?? other)'"
        found.issues.append(OptionIssue(option: member.key, message: message, offset: member.keyOffset))
      } else if member.key != name {
        let message = renamed(member.key, to: name)
        notices.append(OptionIssue(option: member.key, message: message, offset: member.keyOffset))
      }
      do throws(OptionProblem) {
        given[place].option = try given[place].option.reading(member.value)
      } catch {
        found.issues.append(OptionIssue(option: member.key, message: error.message, offset: member.node.offset))
      }
    }
    for (place, field) in fields.enumerated() where field.isRequired && named[place] == nil {
      found.issues.append(
        OptionIssue(option: field.name, message: "the option '\(field.name)' is missing: \(field.documentation)"))
    }
    return given
  }
}

/// Builds stages of one kind from the options in pipeline files.
struct OptionReading<S: Stage>: Sendable {
  let reading: FieldReading
  let phaseOptions: [String: Set<String>]

  init(fields: [OptionField], phaseOptions: [String: Set<String>]) {
    reading = FieldReading(owner: S.name, fields: fields)
    self.phaseOptions = phaseOptions
  }

  private var fields: [OptionField] { reading.fields }

  /// Reads the options; reports every problem at once.
  func configure(_ members: [JSONMember]) -> Result<ConfiguredStage, OptionIssues> {
    var found = OptionIssues(issues: [])
    var notices: [OptionIssue] = []
    let given = reading.read(members, &found, &notices)
    guard found.issues.isEmpty else { return .failure(found) }
    let stage = S(options: S.Options(fields: given))
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
    let derived = stage.derivedOptions
    return .success(
      ConfiguredStage(
        stage: stage, narrowed: narrowed(given, derived), options: given.map { ($0.name, $0.value, $0.isIdentifying) },
        inputFiles: given.flatMap { field in
          field.inputFiles.map { named in
            (named.key.map { "\(field.name).\($0)" } ?? field.name, named.files, field.holdsRecords)
          }
        } + stage.namedFiles.sorted { $0.key < $1.key }.map { ($0.key, $0.value, false) },
        fileOptions: Set(given.filter { !$0.inputFiles.isEmpty }.map(\.name)), limits: LossLimits(given),
        settled: stage.settled.merging(derived) { $1 }, concealed: stage.concealed, notices: notices))
  }

  private func narrowed(
    _ given: [OptionField], _ derived: [String: JSONValue]
  ) -> [String: (stage: any Stage, options: Set<String>)] {
    let given = given.map { own in
      guard let value = derived[own.name] else { return own }
      var field = own
      do throws(OptionProblem) { field.option = try own.option.reading(value) } catch {
        fatalError("'\(S.name)' derives '\(own.name)': \(error.message)")
      }
      return field
    }
    return phaseOptions.mapValues { names in
      let some = zip(given, fields).map { own, standard in
        names.contains(own.name) || !own.affectsOutput || !own.inputFiles.isEmpty ? own : standard
      }
      return (S(options: S.Options(fields: some)), names)
    }
  }
}

extension OptionIssues {
  fileprivate mutating func refuse(_ member: JSONMember, _ message: String, known: [String]) {
    guard issues.count < SpecErrors.most else { return omitted += 1 }
    let text = message + suggestion(for: member.key, among: known)
    issues.append(OptionIssue(option: member.key, message: text, offset: member.keyOffset))
  }
}
