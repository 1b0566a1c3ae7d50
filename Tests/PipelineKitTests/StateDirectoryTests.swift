import PipelineKit
import ShardKit
import TestKit
import Testing

/// Counts its attempts in both state folders and fails until the third.
private struct Patient: Stage {
  struct Options: StageOptions {
    static let fields: [OptionField<Self>] = []
  }
  static let name = "fake.patient"
  static let revision = 1
  static let summary = "Fails twice."
  static let outputs: [OutputPort] = []
  init(options: Options) {}
  func tasks(phase: String, in context: PlanningContext) -> [TaskPlan] { [TaskPlan(key: "all")] }

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

  private func run(task: String = "all", note: String = "") throws -> TaskManifest {
    let plan = TaskPlan(key: task, note: note)
    return try TaskRun(
      directory: folder + "/node", keptState: folder + "/state", phase: "run", task: plan,
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

  @Test func tasksOfOneKeyAndOtherWorkDoNotMeet() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(throws: StageError(.environment, "", "attempt 1 of 1")) { try run(note: "part 1 of 1") }
    #expect(throws: StageError(.environment, "", "attempt 1 of 2")) { try run(note: "part 1 of 2") }
  }
}
