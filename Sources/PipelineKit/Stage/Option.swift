public import ShardKit

/// Declares a property of a stage's options as an option in pipeline files.
///
///     @Option("Shorter documents are dropped.", in: 0...1_000_000) var minimumBytes = 200
///
/// - `required`: pipeline files must set it; the default is never used.
/// - `affectsOutput`: false for options such as a memory limit, which change how work is done but never its result.
/// - `losing`: of an option that does not affect the output, the names of drops or warnings by which documents may be lost
///   because of its value, such as a timeout's. An output that lost some is up to date only while the value stays.
/// - `holdsRecords`: false for auxiliary files, such as a list of what to take, as opposed to the records that the
///   stage reads.
/// - `addedLater`: of an option that is younger than outputs that exist: at its default it is no part of fingerprints,
///   so that these stay up to date. The default must mean what the stage did without it.
/// - `formerly`: its name in the previous release, which is accepted with a notice.
@propertyWrapper
public struct Option<Value: OptionValue>: Sendable {
  public var wrappedValue: Value
  let declaration: OptionDeclaration<Value>

  public init(
    wrappedValue: Value, _ documentation: @autoclosure @escaping @Sendable () -> String, required: Bool = false,
    affectsOutput: Bool = true, losing: Set<String> = [], holdsRecords: Bool = true, addedLater: Bool = false,
    formerly: String? = nil
  ) {
    self.wrappedValue = wrappedValue
    declaration = OptionDeclaration(
      addedAt: addedLater ? wrappedValue : nil,
      documentation: documentation, isRequired: required, affectsOutput: affectsOutput, losing: losing,
      holdsRecords: holdsRecords, formerName: formerly, schema: { Value.schema }, check: { _ throws(OptionProblem) in })
  }

  /// With bounds that are checked, documented and included in the JSON Schema.
  public init(
    wrappedValue: Value, _ documentation: @autoclosure @escaping @Sendable () -> String, in range: ClosedRange<Value>,
    required: Bool = false, affectsOutput: Bool = true, losing: Set<String> = [], addedLater: Bool = false,
    formerly: String? = nil
  ) where Value: Comparable {
    self.wrappedValue = wrappedValue
    declaration = OptionDeclaration(
      addedAt: addedLater ? wrappedValue : nil,
      documentation: documentation, isRequired: required, affectsOutput: affectsOutput, losing: losing,
      holdsRecords: true, formerName: formerly,
      schema: {
        let bounds = [JSONMember("minimum", range.lowerBound.json), JSONMember("maximum", range.upperBound.json)]
        return .object((Value.schema.members ?? []) + bounds)
      },
      check: { value throws(OptionProblem) in
        guard range.contains(value) else {
          throw OptionProblem("\(value.json.text()) is not between \(range.lowerBound) and \(range.upperBound)")
        }
      })
  }
}

extension Option: Equatable where Value: Equatable {
  public static func == (a: Option, b: Option) -> Bool { a.wrappedValue == b.wrappedValue }
}

/// Options shared by several stage kinds: in pipeline files they appear among the stage's own options, without a group
/// name.
///
///     @OptionGroup var network = NetworkOptions(delaySeconds: 5)
@propertyWrapper
public struct OptionGroup<Group: StageOptions>: Sendable {
  public var wrappedValue: Group

  public init(wrappedValue: Group) { self.wrappedValue = wrappedValue }
  public init() { wrappedValue = Group() }
}

extension OptionGroup: Equatable where Group: Equatable {}

/// What is the same for all values of an option; shared by copies of a stage's options.
final class OptionDeclaration<Value: OptionValue>: Sendable {
  /// The default of an option that was added later.
  let addedAt: Value?
  let documentation: @Sendable () -> String
  let isRequired: Bool
  let affectsOutput: Bool
  let losing: Set<String>
  let holdsRecords: Bool
  let formerName: String?
  let schema: @Sendable () -> JSONValue
  let check: @Sendable (Value) throws(OptionProblem) -> Void

  init(
    addedAt: Value?, documentation: @escaping @Sendable () -> String, isRequired: Bool, affectsOutput: Bool,
    losing: Set<String>,
    holdsRecords: Bool, formerName: String?, schema: @escaping @Sendable () -> JSONValue,
    check: @escaping @Sendable (Value) throws(OptionProblem) -> Void
  ) {
    self.addedAt = addedAt
    self.documentation = documentation
    self.isRequired = isRequired
    self.affectsOutput = affectsOutput
    self.losing = losing
    self.holdsRecords = holdsRecords
    self.formerName = formerName
    self.schema = schema
    self.check = check
  }
}

// MARK: Type-erased access

/// Files that an option names, and the key under which an option that is an object names them.
struct NamedFiles: Sendable {
  var key: String?
  var files: InputFiles
}

protocol DeclaredOption: Sendable {
  var documentation: String { get }
  var typeName: String { get }
  var isRequired: Bool { get }
  var affectsOutput: Bool { get }
  /// Whether the value is part of fingerprints: if it affects the output, and is not the default of a later option.
  var isIdentifying: Bool { get }
  var losing: Set<String> { get }
  var holdsRecords: Bool { get }
  var formerName: String? { get }
  var schema: JSONValue { get }
  var json: JSONValue { get }
  /// The files that it names: by one path or list, or by several in an object.
  var inputFiles: [NamedFiles] { get }
  /// The same option with a value from a pipeline file.
  func reading(_ json: JSONValue) throws(OptionProblem) -> Self
}

extension Option: DeclaredOption {
  var documentation: String { declaration.documentation() }
  var typeName: String { Value.typeName }
  var isRequired: Bool { declaration.isRequired }
  var affectsOutput: Bool { declaration.affectsOutput }
  var isIdentifying: Bool { declaration.affectsOutput && declaration.addedAt?.json != wrappedValue.json }
  var losing: Set<String> { declaration.losing }
  var holdsRecords: Bool { declaration.holdsRecords }
  var formerName: String? { declaration.formerName }
  var schema: JSONValue { declaration.schema() }
  var json: JSONValue { wrappedValue.json }
  var inputFiles: [NamedFiles] {
    if let files = wrappedValue as? InputFiles { return [NamedFiles(key: nil, files: files)] }
    let named = wrappedValue as? [String: InputFiles] ?? [:]
    return named.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      .map { NamedFiles(key: $0.key, files: $0.value) }
  }

  func reading(_ json: JSONValue) throws(OptionProblem) -> Self {
    var copy = self
    copy.wrappedValue = try Value(json: json)
    try declaration.check(copy.wrappedValue)
    return copy
  }
}

protocol DeclaredGroup {
  var fields: [OptionField] { get }
}

extension OptionGroup: DeclaredGroup {
  var fields: [OptionField] { wrappedValue.fields }
}

/// An option of a stage: its name and its value.
public struct OptionField: Sendable {
  public let name: String
  var option: any DeclaredOption

  public var documentation: String { option.documentation }
  public var typeName: String { option.typeName }
  public var isRequired: Bool { option.isRequired }
  /// False for options such as a memory limit, which change how work is done but never its result.
  public var affectsOutput: Bool { option.affectsOutput }
  /// Whether the value is part of fingerprints.
  public var isIdentifying: Bool { option.isIdentifying }
  /// Names of drops or warnings by which documents may be lost because of its value.
  public var losing: Set<String> { option.losing }
  /// False for auxiliary files, such as a list of what to take, as opposed to the records that the stage reads.
  public var holdsRecords: Bool { option.holdsRecords }
  /// Its name in the previous release.
  public var formerName: String? { option.formerName }
  public var schema: JSONValue { option.schema }
  public var value: JSONValue { option.json }
  var inputFiles: [NamedFiles] { option.inputFiles }
}
