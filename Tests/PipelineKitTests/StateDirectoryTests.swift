import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Counts its attempts in both state folders and fails until the third.
private struct Patient: SinglePhaseStage {
  struct Options: StageOptions {
  }
  static let name = "fake.patient"
  static let revision = 1
  static let summary = "Fails twice."
  static let outputs: [OutputPort] = []
  init(options: Options) {}
  func tasks(in context: PlanningContext) -> [TaskPlan] { [TaskPlan(key: "all")] }

  func run(_ workspace: Workspace) throws {
    var attempts = 0
    for lifetime in [StateLifetime.untilPublished, .kept] {
      let folder = try workspace.stateDirectory(lifetime)
      attempts = try FileSystem.list(folder).count + 1
      try FileSystem.write([], to: "\(folder)/\(attempts)")
    }
    let own = try FileSystem.list(try workspace.stateDirectory()).count
    if own < 3 { throw StageError(.environment, "", "attempt \(own) of \(attempts)") }
  }
}

@Suite struct StateDirectoryTests {
  private let folder = temporaryDirectory()

  private func run(
    task: String = "all", note: String = "", stateKey: String = "", node: String = "node"
  ) throws -> TaskManifest {
    let plan = try TaskPlan(key: task, payload: note, stateKey: stateKey)
    return try TaskRun(
      directory: "\(folder)/\(node)", keptState: folder + "/state", phase: "run", task: plan,
      fingerprint: Fingerprint.task(stage: Patient.name, revision: 1, options: [:], phase: "run", task: plan),
      memoryBytes: 1 << 20, control: TaskControl()
    ).run(Patient(options: Patient.Options()))
  }

  @Test func stateSurvivesAttemptsAndEndsWithTheTask() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(throws: StageError(.environment, "", "attempt 1 of 1")) { try run() }
    #expect(throws: StageError(.environment, "", "attempt 2 of 2")) { try run() }
    _ = try run()
    #expect(try FileSystem.list(folder + "/node/.state") == [], "a published task leaves no state")
    #expect(throws: StageError(.environment, "", "attempt 1 of 4")) { try run() }
  }

  private func find(_ stateKey: String, note: String, node: String, beginsAnew: Bool = false) throws {
    let plan = try TaskPlan(key: "all", payload: note)
    let fingerprint = Fingerprint.task(stage: Patient.name, revision: 1, options: [:], phase: "run", task: plan)
    try TaskState(stage: folder, node: "\(folder)/\(node)", fingerprint: fingerprint, key: stateKey)
      .find(beginsAnew: beginsAnew)
  }

  private func states(_ node: String) throws -> Int {
    let path = "\(folder)/\(node)/.state"
    return FileSystem.exists(path) ? try FileSystem.list(path).count : 0
  }

  /// Another fingerprint, and yet the same work: what was done for the one goes over to the other, and back.
  @Test func stateOfOneKeyGoesOverToAnotherNode() throws {
    defer { try? FileSystem.removeTree(folder) }
    func attempt(_ note: String, _ node: String, key: String = "training") throws -> String {
      try find(key, note: note, node: node)
      do {
        _ = try run(note: note, stateKey: key, node: node)
        return "done"
      } catch { return "\(error)" }
    }
    // The key's own file is counted too.
    #expect(try attempt("whole", "a").contains("attempt 2"))
    #expect(try attempt("half", "b") == "done")
    #expect(try states("a") == 0 && states("b") == 0)
    #expect(try attempt("whole", "a").contains("attempt 2"))
    #expect(try attempt("half", "b", key: "another").contains("attempt 2"), "of another key it begins anew")
    #expect(try states("a") == 1 && states("b") == 1)
    // Forced, it leaves the other's where it is.
    try find("training", note: "third", node: "c", beginsAnew: true)
    #expect(try states("a") == 1 && states("c") == 1)
  }

  @Test func tasksOfOneKeyAndOtherWorkDoNotMeet() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(throws: StageError(.environment, "", "attempt 1 of 1")) { try run(note: "part 1 of 1") }
    #expect(throws: StageError(.environment, "", "attempt 1 of 2")) { try run(note: "part 1 of 2") }
  }
}
