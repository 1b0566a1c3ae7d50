import ShardKit

/// Whether work that was done before will do: kept, adopted from disk, or taken over from an older output.
extension PhasePreparation {
  /// Decides on a task: the manifest to keep, if there is one, and the reason in any case.
  struct Decision {
    var verdict: TaskVerdict
    var manifest: TaskManifest?
    /// What it took in the pass of another stage.
    var milliseconds = 0
  }

  func decide(
    _ task: TaskPlan, _ phase: String, _ wanted: Digest, _ identity: TaskIdentity, _ history: TaskHistory
  ) throws -> Decision {
    let recorded = history.manifests[ExactText(task.key)]
    if let recorded, recorded.fingerprint == wanted, try isUsable(recorded, in: folder) {
      return Decision(verdict: .kept, manifest: recorded)
    }
    if recorded == nil, let adopted = try adopt(task, phase, wanted) {
      return Decision(verdict: .adopted, manifest: adopted)
    }
    if let (older, manifest) = try reuse(phase, wanted) {
      return Decision(verdict: .takenOver(from: older), manifest: manifest)
    }
    if let passed = try takePassed(task, phase, wanted) {
      return Decision(verdict: .passed, manifest: passed.manifest, milliseconds: passed.milliseconds ?? 0)
    }
    let reasons = try reasons(recorded, wanted, identity, history.identities[ExactText(task.key)])
    if let recorded, recorded.fingerprint == wanted { try store.artifacts.withdraw(recorded, in: folder) }
    return Decision(verdict: .run(reasons))
  }

  /// Why no earlier result can be used.
  func reasons(
    _ recorded: TaskManifest?, _ wanted: Digest, _ identity: TaskIdentity, _ before: TaskIdentity?
  ) throws -> [String] {
    if let recorded, recorded.fingerprint == wanted {
      let changes = node.configured.limits.changes(since: recorded.limits)
      guard changes.isEmpty else { return changes }
      let damage = try damage(recorded, in: folder)
      return [damage ?? "a file that it wrote is missing"]
    }
    guard let before else {
      return [recorded == nil ? "no earlier run has done it" : "an earlier version of pipeline did it"]
    }
    let differences = identity.differences(from: before)
    if differences.isEmpty { return [recorded == nil ? "no earlier run has finished it" : "the stage itself changed"] }
    return differences
  }

  private func damage(_ manifest: TaskManifest, in folder: String) throws -> String? {
    try store.artifacts.firstDamage(manifest.files, in: folder)
      ?? store.removals().objection(to: manifest.files, in: folder) ?? missingDocuments(manifest, in: folder)
  }

  /// Whether its files are there, hold nothing that was removed since, and no documents were lost that other limits
  /// might have kept.
  private func isUsable(_ manifest: TaskManifest, in folder: String) throws -> Bool {
    try damage(manifest, in: folder) == nil
      && node.configured.limits.changes(since: manifest.limits).isEmpty
  }

  /// A manifest on disk whose row was lost, by a crash between rename and commit or with the whole database.
  func adopt(_ task: TaskPlan, _ phase: String, _ wanted: Digest) throws -> TaskManifest? {
    guard
      let manifest = store.artifacts.taskManifest(
        stage: node.name, fingerprint: fingerprint, phase: phase, key: task.key),
      manifest.fingerprint == wanted, try isUsable(manifest, in: folder)
    else { return nil }
    try store.commitTask(node: nodeID, run: run, manifest: manifest, attempts: 1, milliseconds: 0, reused: true)
    return manifest
  }

  /// The same work done for an older node of this stage: its files are hard-linked here.
  func reuse(_ phase: String, _ wanted: Digest) throws -> (older: Digest, manifest: TaskManifest)? {
    guard let (older, manifest) = try store.taskElsewhere(stage: node.name, fingerprint: wanted) else { return nil }
    let source = store.artifacts.directory(stage: node.name, fingerprint: older)
    guard older != fingerprint, try isUsable(manifest, in: source) else { return nil }
    let publication = TaskPublication(folder: folder)
    try publication.place(manifest.files, from: source) { try FileSystem.link($0, to: $1) }
    for file in manifest.files where file.isPassed {
      try Self.linkTree(
        PassRecord.folder(in: source, port: file.port, name: file.name),
        to: PassRecord.folder(in: folder, port: file.port, name: file.name))
    }
    try publication.syncPassed(manifest.files)
    try publication.declare(manifest)
    try store.commitTask(node: nodeID, run: run, manifest: manifest, attempts: 0, milliseconds: 0, reused: true)
    return (older, manifest)
  }
}

/// What is known from earlier about the tasks of a phase, by key.
struct TaskHistory {
  /// Tasks that this node itself has finished.
  let manifests: [ExactText: TaskManifest]
  /// The tasks as the phase was last planned, for any node.
  let identities: [ExactText: TaskIdentity]

  init(store: RunStore, node: Int64, stage: String, pipeline: String, phase: String) throws {
    let rows = try store.tasks(node: node).filter { $0.phase == phase }
    manifests = Dictionary(rows.map { (ExactText($0.key), $0.manifest) }, uniquingKeysWith: { $1 })
    let verdicts = try store.taskVerdicts(stage: stage, pipeline: pipeline).filter { $0.phase == phase }
    identities = Dictionary(
      verdicts.compactMap { row in row.identity.map { (ExactText(row.key), $0) } }, uniquingKeysWith: { $1 })
  }
}
