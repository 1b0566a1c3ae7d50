import PipelineKit
import ShardKit
import Stages
import TestKit

/// A pipeline of two stages in a store: documents are read, and another stage, such as a program, works on them.
final class ProgramPipeline {
  let folder = temporaryDirectory()
  private let use: String
  private var options: [JSONMember]

  /// - Parameters:
  ///   - options: of the stage `own`; `FOLDER` in texts is the pipeline's folder.
  ///   - texts: by file.
  init(
    use: String = "command.documents", _ options: [String: JSONValue], files: [String: String] = [:],
    texts: [[String]]
  ) throws {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline])
    self.use = use
    let written = JSONValue.object(options.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value) }).text()
    self.options = try JSONValue.parse(Array(written.replacing("FOLDER", with: folder).utf8)).value.members ?? []
    for (name, text) in files { try write(name, text) }
    for (file, texts) in texts.enumerated() {
      var lines: [UInt8] = []
      for (place, text) in texts.enumerated() { Document(id: "\(file)/\(place)", text: text).append(to: &lines) }
      try FileSystem.makeDirectory(folder + "/texts")
      try FileSystem.write(lines, to: "\(folder)/texts/\(file).jsonl")
    }
  }

  deinit { try? FileSystem.removeTree(folder) }

  func write(_ name: String, _ text: String) throws { try FileSystem.write(Array(text.utf8), to: "\(folder)/\(name)") }

  func set(_ option: String, _ value: JSONValue) {
    options = options.filter { $0.key != option } + [JSONMember(option, value)]
  }

  func graph() throws -> Graph {
    let document: JSONValue = [
      "format": 1, "name": "own",
      "stages": [
        "read": ["use": "documents.read", "options": ["files": "texts", "bytesPerTask": 1]],
        "own": ["use": .string(use), "inputs": ["documents": "read"], "options": .object(options)],
      ],
    ]
    return try Graph(
      PipelineSpec.parse(Array(document.text().utf8), path: folder + "/p.json"), registry: .builtin)
  }

  func store() throws -> RunStore { try RunStore(root: folder + "/.pipeline") }

  /// What the last run noted.
  private(set) var notices: [String] = []

  /// Runs the pipeline, which has to end well.
  /// - Parameter locked: outputs of others.
  /// - Returns: how many tasks of the stage `own` ran.
  func run(locked: LockedArtifacts? = nil) throws -> Int {
    var (tasks, failures) = (0, [String]())
    notices = []
    var run = try PipelineRun(graph: graph(), store: store(), settings: .init())
    run.locked = locked
    let outcome = try run.run(listen: { event in
      if case .notice(let text) = event { self.notices.append(text) }
      if case .taskFinished(let stage, _, _) = event, stage == "own" { tasks += 1 }
      if case .stageFailed(_, let message) = event { failures.append(message) }
    })
    guard outcome == .done, failures.isEmpty else { throw StageError(.check, folder, failures.joined(separator: "; ")) }
    return tasks
  }

  /// What a run would do with the stage `own`.
  func verdict() throws -> Verdict { try StageExplanation(stage: "own", graph: graph(), store: store()).verdict }

  /// The output of the stage `own`.
  func manifest() throws -> NodeManifest? { try store().newestSealed(stage: "own")?.manifest }
}
