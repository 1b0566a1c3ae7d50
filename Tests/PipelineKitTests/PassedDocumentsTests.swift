import PipelineKit
import ShardKit
import TestKit
import Testing

/// Writes each document to two ports, with what a file says that its tasks do not name.
private struct TwofoldSource: SinglePhaseStage {
  struct Options: StageOptions {
    @Option("JSON lines to read.", required: true) var files = InputFiles()
    @Option("A file whose text is appended to each text.", required: true) var suffix = ""

    init() {}
  }

  static let name = "test.twofold"
  static let revision = 1
  static let summary = "Reads documents."
  static let first = Output<Documents>("first", "The documents.")
  static let second = Output<Documents>("second", "The documents.")
  static let outputs = [first.port, second.port]
  let options: Options

  func tasks(in context: PlanningContext) throws -> [TaskPlan] { TaskPlan.perFile(try context.files(options.files)) }

  func run(_ workspace: Workspace) throws {
    let outputs = try [Self.first, Self.second].map { try workspace.documents(to: $0) }
    let stream = workspace.documents()
    let suffix = try FileSystem.read(options.suffix)
    while var document = try stream.next() {
      document.text += suffix
      for output in outputs { try output.write(document) }
      workspace.repeatDocument("twice", bytes: document.text.count)
      document.text = []
    }
  }
}

private struct Reader: SinglePhaseStage, PassingStage {
  struct Options: StageOptions { init() {} }

  static let name = "test.reader"
  static let revision = 1
  static let summary = "Reads."
  static let documents = Input<Documents>("documents", "The documents.")
  static let passed = documents
  static let out = Output<Documents>("documents", "The same.")
  static let inputs = [documents.port]
  static let outputs = [out.port]

  init(options: Options) {}

  func tasks(in context: PlanningContext) -> [TaskPlan] { TaskPlan.perFile(context.files(Self.documents)) }

  func pass(_ workspace: Workspace) throws -> DocumentPass {
    let output = try workspace.documents(to: Self.out)
    return DocumentPass { try output.write($0) }
  }
}

/// Documents that were handed on in memory, told of by running their task once more.
@Suite struct PassedDocumentsTests {
  private let folder = temporaryDirectory()

  private func graph() throws -> Graph {
    let document = """
      { "format": 1, "name": "t", "passes": true, "stages": {
        "source": { "use": "test.twofold", "options": { "files": "data.jsonl", "suffix": "\(folder)/suffix" } },
        "reader": { "use": "test.reader", "inputs": { "documents": "source.first" } } } }
      """
    let registry = StageRegistry([StageDescription(TwofoldSource.self), StageDescription(Reader.self)])
    return try Graph(try PipelineSpec.parse(Array(document.utf8), path: folder + "/p.json"), registry: registry)
  }

  /// One port is read from its files, the other one is told of: each document is named once for each.
  @Test func whatWasWrittenIsNotToldOfAgain() throws {
    defer { try? FileSystem.removeTree(folder) }
    var lines: [UInt8] = []
    for name in ["a", "b"] { Document(id: name, text: "text", source: "S").append(to: &lines) }
    try FileSystem.write(lines, to: folder + "/data.jsonl")
    try FileSystem.write(Array("!".utf8), to: folder + "/suffix")
    let (graph, store) = (try graph(), try RunStore(root: folder + "/store"))
    #expect(try PipelineRun(graph: graph, store: store, settings: .init()).run() == .done)
    let manifest = try #require(try store.newestSealed(stage: "source", pipeline: "t")?.manifest)
    let ports = manifest.files.filter { ["first", "second"].contains($0.port) }
    #expect(ports.map(\.isPassed) == [true, false])
    let selection = RemovalSelection(conditions: [.source("S")])
    #expect(try selection.ids(graph: graph, store: store).sorted() == ["a", "a", "b", "b"])
    // The same ids with other texts are other documents.
    try FileSystem.write(Array("?".utf8), to: folder + "/suffix")
    let error = #expect(throws: RunError.self) { try selection.ids(graph: graph, store: store) }
    #expect(error?.code == .selection && error?.message.contains("makes other ones when it is run again") == true)
  }
}
