import ShardKit

/// A phase ready to run: its tasks, and which of them are done already.
struct PreparedPhase: Sendable {
  var tasks: [TaskPlan]
  var fingerprints: [Digest]
  /// Manifests of tasks that need not run, by index.
  var kept: [Int: TaskManifest]
}

/// Lists a node's tasks and finds those that an earlier run, or an older node of the stage, has done.
struct PhasePreparation {
  let store: RunStore
  let node: Graph.Node
  let nodeID: Int64
  let run: Int64
  let fingerprint: Digest
  /// Nothing done before counts (`--force`, `--from`).
  let ignoresHistory: Bool

  private var folder: String { store.artifacts.directory(stage: node.name, fingerprint: fingerprint) }

  func prepare(phase: String, context: NodeContext) throws -> PreparedPhase {
    let tasks = try node.configured.stage(of: phase).tasks(phase: phase, in: context)
    try check(tasks, phase)
    let options = Fingerprint.canonicalOptions(node.configured, phase: phase)
    let fingerprints = tasks.map {
      Fingerprint.task(
        stage: node.description.name, revision: node.description.revision, options: options, phase: phase, task: $0)
    }
    var prepared = PreparedPhase(tasks: tasks, fingerprints: fingerprints, kept: [:])
    guard !ignoresHistory else {
      for i in tasks.indices { try findState(tasks[i], fingerprints[i]) }
      return prepared
    }
    let rows = try store.tasks(node: nodeID).filter { $0.phase == phase }
    let done = Dictionary(rows.map { (ExactText($0.key), $0.manifest) }, uniquingKeysWith: { $1 })
    for i in tasks.indices {
      prepared.kept[i] = try kept(tasks[i], phase, fingerprints[i], done[ExactText(tasks[i].key)])
      if prepared.kept[i] == nil { try findState(tasks[i], fingerprints[i]) }
    }
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
        throw StageError(.options, "phase \(phase)", "two tasks have the key '\(task.key)'")
      }
    }
  }

  private func kept(
    _ task: TaskPlan, _ phase: String, _ wanted: Digest, _ recorded: TaskManifest?
  ) throws -> TaskManifest? {
    if let recorded, recorded.fingerprint == wanted, isWhole(recorded, in: folder) { return recorded }
    if recorded == nil, let adopted = try adopt(task, phase, wanted) { return adopted }
    return try reuse(phase, wanted)
  }

  private func isWhole(_ manifest: TaskManifest, in folder: String) -> Bool {
    store.artifacts.firstDamage(manifest.files, in: folder) == nil
  }

  /// A manifest on disk whose row was lost, to a crash between rename and commit or with the whole database.
  private func adopt(_ task: TaskPlan, _ phase: String, _ wanted: Digest) throws -> TaskManifest? {
    guard
      let manifest = store.artifacts.taskManifest(
        stage: node.name, fingerprint: fingerprint, phase: phase, key: task.key),
      manifest.fingerprint == wanted, isWhole(manifest, in: folder)
    else { return nil }
    try store.commitTask(node: nodeID, run: run, manifest: manifest, attempts: 1, milliseconds: 0, reused: true)
    return manifest
  }

  /// The same work done for an older node of this stage: its files get a second name here.
  private func reuse(_ phase: String, _ wanted: Digest) throws -> TaskManifest? {
    guard let (older, manifest) = try store.taskElsewhere(stage: node.name, fingerprint: wanted) else { return nil }
    let source = store.artifacts.directory(stage: node.name, fingerprint: older)
    guard older != fingerprint, isWhole(manifest, in: source) else { return nil }
    var folders: Set<ExactText> = []
    for file in manifest.files {
      let target = "\(folder)/\(file.port)/\(file.name)"
      let parent = ArchivePath.folder(of: target)
      if folders.insert(ExactText(parent)).inserted { try FileSystem.makeDirectory(parent) }
      try FileSystem.link("\(source)/\(file.port)/\(file.name)", to: target)
    }
    for parent in folders.sorted() { try FileSystem.syncDirectory(parent.text) }
    try FileSystem.makeDirectory(folder + "/tasks")
    try FileSystem.write(
      Array(manifest.json.prettyText().utf8), to: "\(folder)/tasks/\(phase)-\(manifest.key).json")
    try store.commitTask(node: nodeID, run: run, manifest: manifest, attempts: 0, milliseconds: 0, reused: true)
    return manifest
  }
}
