import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Options of several kinds of stage.
private struct ServerOptions: StageOptions, Equatable {
  @Option("Who asks.", affectsOutput: false) var contact = ""
  @Option("How long a server is left alone.", in: 0...60, formerly: "delay") var delaySeconds = 1.0

  init() {}
  init(delaySeconds: Double) { self.delaySeconds = delaySeconds }
}

private struct Sorter: Stage {
  enum Order: String, CaseIterable, OptionChoice { case up, down }

  struct Options: StageOptions, Equatable {
    @Option("What to read.", required: true, formerly: "input") var files = InputFiles()
    @Option("What to take.", holdsRecords: false) var list: InputFiles = InputFiles()
    @OptionGroup var server = ServerOptions(delaySeconds: 5)
    @Option("Which way.") var order = Order.up
    /// A remark stands where it stood.
    @Option("At most.", in: 1...9) var limit = 3
    @Option("For sorting.", in: .mebibytes(1)...(.gibibytes(1)), affectsOutput: false)
    var memory = ByteCount.mebibytes(64)
    @Option("Maybe a number.") var share: Double? = nil
    @Option("By name.") var weights: [String: Double] = [:]
  }

  static let name = "lines.sort"
  static let formerNames = ["sort.lines"]
  static let revision = 1
  static let summary = "Sorts lines."
  static let outputs = [Output<Documents>("documents", "The lines.").port]
  enum Phase: String, StagePhase { case read, write }
  static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .read: ["order"]
    case .write: nil
    }
  }

  let options: Options
  init(options: Options) { self.options = options }

  func tasks(of phase: Phase, in context: PlanningContext) -> [TaskPlan] { [] }
  func run(_ phase: Phase, _ workspace: Workspace) {}
}

/// What registering the stage would refuse.
private struct Namesake: SinglePhaseStage {
  typealias Options = FakeTasksOptions
  static let name = "sort.lines"
  static let revision = 1
  static let summary = ""
  static let outputs: [OutputPort] = []
  init(options: Options) {}
  func tasks(in context: PlanningContext) -> [TaskPlan] { [] }
  func run(_ workspace: Workspace) {}
}

private struct FakeTasksOptions: StageOptions {}

@Suite struct OptionTests {
  private let kind = StageDescription(Sorter.self)

  private func configured(_ options: String) throws -> ConfiguredStage {
    switch kind.make(try JSONValue.parse(options).value.members ?? []) {
    case .success(let configured): return configured
    case .failure(let failure): throw StageError(.options, "", failure.issues.map(\.message).joined(separator: "; "))
    }
  }

  private func issues(_ options: String) throws -> [OptionIssue] {
    guard case .failure(let failure) = kind.make(try JSONValue.parse(options).value.members ?? []) else { return [] }
    return failure.issues
  }

  private func values(_ stage: any Stage) throws -> Sorter.Options { try #require(stage as? Sorter).options }

  @Test func descriptionsStandInTheOrderOfDeclaration() throws {
    #expect(
      kind.options.map(\.name) == [
        "files", "list", "contact", "delaySeconds", "order", "limit", "memory", "share", "weights",
      ])
    let delay = kind.options[3]
    #expect(delay.defaultValue == .number(5), "the group's default is the stage's")
    #expect(delay.schema == ["type": "number", "minimum": .number(0), "maximum": .number(60)])
    #expect(delay.documentation == "How long a server is left alone." && delay.typeName == "a number")
    #expect(kind.options.filter(\.isRequired).map(\.name) == ["files"])
    #expect(kind.options.filter { !$0.affectsOutput }.map(\.name) == ["contact", "memory"])
    #expect(kind.options[6].schema["maximum"] == .integer(1 << 30))
  }

  @Test func valuesAreRead() throws {
    let stage = try configured(#"{"memory": "2MiB", "files": "a", "share": null, "order": "down", "delaySeconds": 7}"#)
    var wanted = Sorter.Options()
    wanted.memory = .mebibytes(2)
    wanted.files = InputFiles(["a"])
    wanted.order = .down
    wanted.server.delaySeconds = 7
    #expect(try values(stage.stage) == wanted)
    #expect(wanted != Sorter.Options() && Sorter.Options() == Sorter.Options())
    #expect(stage.options.map(\.name) == kind.options.map(\.name))
    #expect(
      stage.options.map { $0.value.text() } == [#""a""#, "[]", #""""#, "7.0", #""down""#, "3", "2097152", "null", "{}"])
    #expect(stage.inputFiles.map(\.option) == ["files", "list"])
    #expect(stage.inputFiles.map(\.holdsRecords) == [true, false])
    #expect(stage.notices.isEmpty)
    #expect(wanted.fields.first { $0.name == "memory" }?.value == .integer(2 << 20))
  }

  @Test func aPhaseKnowsItsOwnOptions() throws {
    let stage = try configured(#"{"files": "a", "order": "down", "limit": 9, "memory": "2MiB", "delaySeconds": 0}"#)
    let some = try values(stage.stage(of: "read"))
    #expect(some.order == .down && some.memory == .mebibytes(2) && some.files.paths == ["a"])
    #expect(some.limit == 3 && some.server.delaySeconds == 5)
    #expect(try values(stage.stage(of: "write")).limit == 9)
    #expect(Fingerprint.canonicalOptions(stage, phase: "read").text() == #"{"order":"down"}"#)
  }

  @Test func everyProblemIsToldAtOnce() throws {
    let found = try issues(#"{"limmit": 3, "limit": 10, "order": "dwon", "share": "x", "memory": "3"}"#)
    #expect(
      found.map(\.message) == [
        "'lines.sort' has no option 'limmit'. Did you mean 'limit'?", "10 is not between 1 and 9",
        "'dwon' is not a valid choice. Did you mean 'down'?", "should be a number, not a string",
        "3 is not between 1MiB and 1GiB", "the option 'files' is missing: What to read.",
      ])
    #expect(found.map(\.offset) == [1, 23, 36, 53, 68, nil])
  }

  @Test func aFormerNameIsAcceptedWithANotice() throws {
    let stage = try configured(#"{"input": "a", "delay": 2}"#)
    #expect(try values(stage.stage).files.paths == ["a"])
    #expect(try values(stage.stage).server.delaySeconds == 2)
    #expect(stage.options[3].name == "delaySeconds")
    #expect(
      stage.notices == [
        OptionIssue(
          option: "input", message: "'input' is now 'files'; the old name is accepted until the next release", offset: 1
        ),
        OptionIssue(
          option: "delay", message: "'delay' is now 'delaySeconds'; the old name is accepted until the next release",
          offset: 15),
      ])
    #expect(
      try issues(#"{"files": "a", "input": "b"}"#).map(\.message) == [
        "'input' and 'files' are the same option; remove 'input'"
      ])
    #expect(try issues(#"{"input": 3}"#).map(\.message) == ["should be a path or a list of paths, not an integer"])
  }

  @Test func aDocumentWithFormerNamesIsRead() throws {
    let registry = StageRegistry([kind])
    let text = #"{"format": 1, "stages": {"s": {"use": "sort.lines", "options": {"files": "a", "delay": 2}}}}"#
    let document = try PipelineSpec.parse(Array(text.utf8), path: "corpus.json")
    let graph = try Graph(document, registry: registry)
    #expect(graph.nodes[0].description.name == "lines.sort")
    #expect(
      graph.notices.map(\.description) == [
        "corpus.json:1:39: stages.s.use: 'sort.lines' is now 'lines.sort'; the old name is accepted until the next release.",
        "corpus.json:1:79: stages.s.options.delay: 'delay' is now 'delaySeconds'; the old name is accepted until the "
          + "next release.",
      ])
    #expect(registry["sort.lines"]?.name == "lines.sort" && registry.names == ["lines.sort"])
    let schema = PipelineSchema.json(registry)["$defs"]
    let options = schema?["lines.sort"]?["properties"]?["options"]?["properties"]
    #expect(options?["delay"]?["deprecated"] == true && options?["delay"]?["description"] == "Now 'delaySeconds'.")
    #expect(
      schema?["entry"]?["properties"]?["use"]?["oneOf"]?.array?.map { $0["const"]?.string } == [
        "lines.sort", "sort.lines",
      ])
  }

  @Test func oneNameIsNotTwoKinds() {
    #expect(StageRegistry.collision(in: [kind, StageDescription(Namesake.self)]) == "sort.lines")
    #expect(StageRegistry.collision(in: [kind, kind]) == "lines.sort")
    #expect(StageRegistry.collision(in: [kind]) == nil)
  }
}
