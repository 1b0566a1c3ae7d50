import ShardKit
import Synchronization

/// The documents that a stage brought in and handed on in memory: its tasks run once more, to tell of them alone.
///
/// They write into a folder of their own, which is removed; the store stays as it is.
struct PassedDocuments {
  let graph: Graph
  let store: RunStore
  /// The stage, and its newest output.
  let index: Int
  let manifest: NodeManifest
  let jobs: Int

  /// A task whose documents were not kept.
  private struct Work: Sendable {
    var phase: String
    var task: TaskPlan
    var fingerprint: Digest
    /// What earlier phases wrote.
    var earlier: [String: [ArtifactFile]]
    /// What the task left.
    var files: [PublishedFile]
  }

  private var node: Graph.Node { graph.nodes[index] }
  private var folder: String { store.artifacts.directory(of: manifest) }

  /// What is made of each document, task by task.
  /// - Parameter make: nil: nothing.
  /// - Throws: `RunError` (`.selection`) if what the stage reads is not what it was, or if it makes other documents of it;
  ///   what the stage throws.
  func compactMap<Made: Sendable>(_ make: @escaping @Sendable (Document) -> Made?) throws -> [Made] {
    let (works, node, removals) = (try works(), node, try store.removals())
    let made = Mutex([[Made]](repeating: [], count: works.count))
    let temporary = try TemporaryFolder()
    defer { withExtendedLifetime(temporary) {} }
    let most = works.map(\.task.memoryBytes).max() ?? 0
    let atOnce = max(1, min(jobs, physicalMemoryBytes() / 2 / max(1, most)))
    try inParallel(works.count, atOnce: atOnce, lane: {}) { item, _ in
      let own = Mutex<[Made]>([])
      try Self.run(works[item], of: node, in: "\(temporary.path)/\(item)", removals) { document in
        if let new = make(document) { own.withLock { $0.append(new) } }
      }
      made.withLock { $0[item] = own.withLock { $0 } }
    }
    return made.withLock { $0.flatMap { $0 } }
  }

  private static func run(
    _ work: Work, of node: Graph.Node, in folder: String, _ removals: RemovalList,
    _ hear: @escaping @Sendable (Document) -> Void
  ) throws {
    let task = work.task
    // What was written tells of itself.
    let written = Set(work.files.filter { !$0.isPassed }.map(\.port))
    var passes = PassPlan()
    for port in node.description.outputs where port.kind == .documents {
      passes.hearers[port.name] = written.contains(port.name) ? { _ in } : hear
    }
    try FileSystem.makeDirectory(folder + "/staging")
    let workspace = Workspace(
      task: task, phase: work.phase, staging: folder + "/staging",
      state: [.untilPublished: folder + "/state", .kept: folder + "/state"], memoryBytes: task.memoryBytes,
      control: TaskControl(), earlier: work.earlier, removals: removals, passes: passes)
    let made = try SourceCheck.guarding(task.files, folders: [folder]) {
      try node.configured.stage(of: work.phase).run(phase: work.phase, workspace)
      return try workspace.finish(fingerprint: work.fingerprint).files
    }
    // Programs need not write the same again. The lines that stand for documents say what these were.
    guard made.filter({ $0.isPassed && !written.contains($0.port) }) == work.files.filter(\.isPassed) else {
      throw others(than: node.name, task.key)
    }
    try FileSystem.removeTree(folder)
  }

  /// The tasks to run again, which must be those that were done.
  private func works() throws -> [Work] {
    var sources: [Int: NodeManifest] = [:]
    for source in graph.sources(of: index) {
      sources[source] = try store.newestSealed(stage: graph.nodes[source].name, pipeline: graph.document.name)?.manifest
    }
    guard graph.sources(of: index).allSatisfy({ sources[$0] != nil }) else { throw changed }
    var context = NodeContext(
      inputs: graph.wired(index, sources, store.artifacts), base: graph.document.folder
    ) { try store.digests($0) }
    context.accounts = graph.accounts(of: index, sources, store.artifacts)
    let done = Dictionary(
      try store.artifacts.taskManifests(in: folder).map { ([ExactText($0.phase), ExactText($0.key)], $0) },
      uniquingKeysWith: { $1 })
    let removals = try store.removals()
    var works: [Work] = []
    var left = Set(done.filter { $0.value.files.contains(where: \.isPassed) }.keys)
    for phase in node.description.phases {
      let options = Fingerprint.canonicalOptions(node.configured, phase: phase)
      let earlier = context.outputs
      for plan in try node.configured.stage(of: phase).tasks(ofPhase: phase, in: context) {
        let name = [ExactText(phase), ExactText(plan.key)]
        func fingerprint(_ task: TaskPlan) -> Digest {
          Fingerprint.task(
            stage: node.description.name, revision: node.description.revision, options: options, phase: phase,
            task: task)
        }
        let task = removals.applied(
          to: plan, use: node.description.name, phase: phase, fingerprint: fingerprint(plan))
        guard let known = done[name], known.fingerprint == fingerprint(task) else { throw changed }
        for (port, file) in known.artifactFiles(in: folder) { context.outputs[port, default: []].append(file) }
        guard known.files.contains(where: \.isPassed) else { continue }
        works.append(
          Work(phase: phase, task: task, fingerprint: known.fingerprint, earlier: earlier, files: known.files))
        left.remove(name)
      }
    }
    guard left.isEmpty else { throw changed }
    return works
  }

  private var changed: RunError {
    RunError(
      .selection,
      "'\(node.name)' handed its documents on in memory, and they cannot be looked at again: it has changed since, or "
        + "what it reads has, or its output was fetched",
      hint:
        "Run the pipeline, with --no-remote --force if the output was fetched, and select again. Documents can also "
        + "be named by their ids, as with --list.")
  }

  private static func others(than stage: String, _ task: String) -> RunError {
    RunError(
      .selection,
      "'\(stage)' handed its documents on in memory, and task \(task) makes other ones when it is run again, so nothing "
        + "tells which ones the store holds",
      hint:
        "Set \"keep\": true for the stage, run the pipeline with --force, delete what earlier runs left with "
        + "`pipeline prune`, and select again. Documents can also be named by their ids, as with --list.")
  }
}
