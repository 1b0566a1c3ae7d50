import PipelineKit
import ShardKit
import TestKit
import Testing

/// Drops documents that cannot be written. The text BAD it makes one of these.
private struct ForgivingSource: SinglePhaseStage {
  struct Options: StageOptions {
    @Option("JSON lines to read.", required: true) var files = InputFiles()

    init() {}
  }

  static let name = "test.forgiving"
  static let revision = 1
  static let summary = "Reads documents."
  static let out = Output<Documents>("documents", "The documents.")
  static let outputs = [out.port]
  let options: Options

  func tasks(in context: PlanningContext) throws -> [TaskPlan] { TaskPlan.perFile(try context.files(options.files)) }

  func run(_ workspace: Workspace) throws {
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.out)
    while var document = try stream.next() {
      if document.textString == "BAD" { document.text = [0xFF] }
      do { try output.write(document) } catch let error as ShardError {
        try workspace.drop(document, DropReason("unwritable", detail: error.message))
      }
    }
  }
}

/// Fails at the text FAIL as if it read a damaged file.
private struct FailingReader: SinglePhaseStage, PassingStage {
  struct Options: StageOptions { init() {} }

  static let name = "test.failing"
  static let revision = 1
  static let summary = "Fails."
  static let documents = Input<Documents>("documents", "The documents.")
  static let passed = documents
  static let out = Output<Documents>("documents", "The same.")
  static let inputs = [documents.port]
  static let outputs = [out.port]

  init(options: Options) {}

  func tasks(in context: PlanningContext) -> [TaskPlan] { TaskPlan.perFile(context.files(Self.documents)) }

  func pass(_ workspace: Workspace) throws -> DocumentPass {
    let output = try workspace.documents(to: Self.out)
    return DocumentPass { document in
      if document.textString == "FAIL" {
        throw ShardError(.malformed, "a dictionary", "cannot be read", hint: "Mend it.")
      }
      try output.write(document)
    }
  }
}

@Suite struct PassFailureTests {
  private let folder = temporaryDirectory()

  /// - Returns: the errors of tasks.
  private func run(_ texts: [String], store: String, passes: Bool = true) throws -> [String] {
    var lines: [UInt8] = []
    for (number, text) in texts.enumerated() { Document(id: "d\(number)", text: text).append(to: &lines) }
    try FileSystem.write(lines, to: folder + "/data.jsonl")
    let document = """
      { "format": 1, "name": "t", "passes": \(passes), "stages": {
        "source": { "use": "test.forgiving", "options": { "files": "data.jsonl" } },
        "first": { "use": "test.failing", "inputs": { "documents": "source" } },
        "last": { "use": "test.failing", "inputs": { "documents": "first" } } } }
      """
    let registry = StageRegistry([StageDescription(ForgivingSource.self), StageDescription(FailingReader.self)])
    let graph = try Graph(try PipelineSpec.parse(Array(document.utf8), path: folder + "/p.json"), registry: registry)
    let run = try PipelineRun(graph: graph, store: try RunStore(root: "\(folder)/\(store)"), settings: .init())
    var errors: [String] = []
    _ = try run.run(listen: { if case .taskFailed(_, _, _, let message) = $0 { errors.append(message) } })
    return errors
  }

  private func source(_ store: String) throws -> NodeManifest {
    try #require(try RunStore(root: "\(folder)/\(store)").newestSealed(stage: "source", pipeline: "t")?.manifest)
  }

  /// A stage that drops what it cannot write does not drop what the next one cannot read.
  @Test func aFailureOfTheNextStageIsNotTakenForAnOwnOne() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(
      try run(["a", "FAIL", "b"], store: "s") == [
        "a dictionary: in the same pass, stage 'first': cannot be read. Mend it."
      ])
  }

  /// What was not handed on is not counted.
  @Test func aDocumentThatCannotBeWrittenIsDropped() throws {
    defer { try? FileSystem.removeTree(folder) }
    let texts = ["a", "BAD", "bb", "BAD", "c"]
    #expect(try run(texts, store: "passed").isEmpty && run(texts, store: "alone", passes: false).isEmpty)
    let (passed, alone) = (try source("passed"), try source("alone"))
    #expect(passed.ledger == alone.ledger && passed.ledger.dropped["unwritable"]?.documents == 2)
    func counts(_ manifest: NodeManifest) -> [String] {
      manifest.files.map { "\($0.port)/\($0.name) \($0.documents) \($0.textBytes)" }.sorted()
    }
    #expect(counts(passed) == counts(alone) && passed.files.contains(where: \.isPassed))
    #expect(passed.digest(of: "ids") == alone.digest(of: "ids"))
  }
}
