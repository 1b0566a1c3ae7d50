import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Writes its output unless it runs for another machine; 'stray' does it anyway.
private struct Shared: SinglePhaseStage {
  struct Options: StageOptions {
    @Option("Writes on every machine.") var stray = false
    init() {}
  }

  static let name = "shared"
  static let revision = 1
  static let summary = "Writes one file."
  static let result = Output<Metrics>("result", "The file.")
  static let outputs = [result.port]
  let options: Options

  init(options: Options) { self.options = options }

  func tasks(in context: PlanningContext) -> [TaskPlan] { [TaskPlan(key: "all").using(nodes: 2)] }

  func run(_ workspace: Workspace) throws {
    try FileSystem.write([1], to: try workspace.temporaryDirectory() + "/note")
    guard !workspace.isFollower || options.stray else { return }
    try workspace.write(Self.result, name: "result.json", Array("{}".utf8))
  }
}

@Suite struct FollowerTests {
  private let folder = temporaryDirectory()

  private func run(_ stage: Shared, publishes: Bool) throws -> TaskManifest {
    let plan = TaskPlan(key: "all", stateKey: "state").using(nodes: 2)
    return try TaskRun(
      directory: "\(folder)/node", keptState: "\(folder)/kept", phase: "run", task: plan,
      fingerprint: Fingerprint.task(stage: Shared.name, revision: 1, options: [:], phase: "run", task: plan),
      memoryBytes: 1 << 20, control: TaskControl(), staging: publishes ? nil : "follower", publishes: publishes
    ).run(stage)
  }

  @Test func aFollowerPublishesNothing() throws {
    defer { try? FileSystem.removeTree(folder) }
    let stage = Shared(options: Shared.Options())
    #expect(try run(stage, publishes: false).files.isEmpty)
    #expect(try FileSystem.walk(folder) == [], "nor does it leave state or staging")
    #expect(try run(stage, publishes: true).files.map(\.name) == ["result.json"])
  }

  @Test func aStageThatWritesAllTheSameIsRefused() throws {
    defer { try? FileSystem.removeTree(folder) }
    var options = Shared.Options()
    options.stray = true
    let error = #expect(throws: StageError.self) { try run(Shared(options: options), publishes: false) }
    #expect(error?.code == .ledger)
  }
}
