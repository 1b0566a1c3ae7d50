import ShardKit

/// A phase ready to run: its tasks, and which of them are already done.
struct PreparedPhase: Sendable {
  var tasks: [TaskPlan]
  var fingerprints: [Digest]
  /// Manifests of tasks that need not run, by index.
  var kept: [Int: TaskManifest]
  /// Those of `kept` that were done in the pass of the stage before, with the milliseconds that they took.
  var passed: [Int: Int] = [:]
  /// The stages that work in its tasks.
  var passes = PassPlan()
}

/// Lists a node's tasks and finds those already done by an earlier run or by an older node of the stage.
struct PhasePreparation {
  let store: RunStore
  let node: Graph.Node
  let nodeID: Int64
  let pipeline: String
  let run: Int64
  let fingerprint: Digest
  /// Ignores earlier work (`--force`, `--from`).
  let ignoresHistory: Bool
  /// The stages that work in the tasks of this one.
  var passes = PassPlan()

  var folder: String { store.artifacts.directory(stage: node.name, fingerprint: fingerprint) }

  func prepare(phase: String, context: NodeContext) throws -> PreparedPhase {
    let options = Fingerprint.canonicalOptions(node.configured, phase: phase)
    func fingerprint(_ task: TaskPlan) -> Digest {
      Fingerprint.task(
        stage: node.description.name, revision: node.description.revision, options: options, phase: phase, task: task)
    }
    var tasks = try node.configured.stage(of: phase).tasks(ofPhase: phase, in: context)
    try check(tasks, phase)
    let removals = try store.removals()
    if !removals.isEmpty {
      tasks = tasks.map {
        removals.applied(to: $0, use: node.description.name, phase: phase, fingerprint: fingerprint($0))
      }
    }
    let fingerprints = tasks.map(fingerprint)
    let more = passes.memoryBytes
    for i in tasks.indices where more > 0 { tasks[i].resources.memoryBytes += more }
    var prepared = PreparedPhase(tasks: tasks, fingerprints: fingerprints, kept: [:], passes: passes)
    var verdicts: [(plan: TaskPlan, verdict: TaskVerdict, identity: TaskIdentity)] = []
    let history = try TaskHistory(store: store, node: nodeID, stage: node.name, pipeline: pipeline, phase: phase)
    for (i, task) in tasks.enumerated() {
      let identity = TaskIdentity(options: options, task: task)
      var decision = Decision(verdict: .run(["the run was forced to repeat it"]))
      if !ignoresHistory {
        decision = try decide(task, phase, fingerprints[i], identity, history)
      } else if let passed = try takePassed(task, phase, fingerprints[i]) {
        decision = Decision(verdict: .passed, manifest: passed.manifest, milliseconds: passed.milliseconds ?? 0)
      }
      if decision.verdict == .passed { prepared.passed[i] = decision.milliseconds }
      prepared.kept[i] = decision.manifest
      if decision.manifest == nil, let problem = notKept(task) { throw problem }
      if decision.manifest == nil { try findState(task, fingerprints[i]) }
      verdicts.append((task, decision.verdict, identity))
    }
    try store.recordTaskVerdicts(verdicts, phase: phase, stage: node.name, pipeline: pipeline, run: run)
    return prepared
  }

  private func findState(_ task: TaskPlan, _ fingerprint: Digest) throws {
    let stage = ArchivePath.folder(of: folder)
    try TaskState(stage: stage, node: folder, fingerprint: fingerprint, key: task.stateKey)
      .find(beginsAnew: ignoresHistory)
  }

  private func check(_ tasks: [TaskPlan], _ phase: String) throws {
    var seen: Set<ExactText> = []
    for task in tasks {
      guard seen.insert(ExactText(task.key)).inserted else {
        throw StageError(.options, "phase \(phase)", "two tasks have the same key '\(task.key)'")
      }
    }
  }
}
