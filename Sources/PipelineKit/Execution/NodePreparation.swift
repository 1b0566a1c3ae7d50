import ShardKit

/// Plans a node and lists the tasks of a phase. Runs on a worker thread, since digesting new input may take long.
struct NodePreparation: Sendable {
  let store: RunStore
  let planner: Planner
  let run: Int64
  let node: Int
  let phase: Int
  let manifests: [Int: NodeManifest]
  let progress: Executor.Progress?
  let cluster: ClusterExecutor?
  let locked: LockedArtifacts?
  /// What was fetched, or could not be, when the stage before was prepared.
  let arrivals: Arrivals
  let stopping: StopFlag
  let notice: @Sendable (String) -> Void

  private var graphNode: Graph.Node { planner.graph.nodes[node] }

  func report() throws -> Executor.Report {
    let history = StoreHistory(store: store, pipeline: planner.graph.document.name)
    if let progress { return try prepared(progress) }
    let identity = try identity(history)
    var verdict = try planner.verdict(on: node, identity, history: history)
    let sealed = try history.sealed(stage: graphNode.name, fingerprint: identity.fingerprint)
    if verdict == .fresh, let sealed, let need = try need(of: node, sealed, manifests, history) {
      verdict = .run([need])
    }
    if verdict == .fresh, let manifest = sealed {
      try store.keepAsNewest(manifest, run: run, pipeline: planner.graph.document.name)
      try store.recordUse(manifest, run: run)
      if let bytes = arrivals.bytes(of: node) { return .fetched(node: node, manifest: manifest, bytes: bytes) }
      return .fresh(node: node, identity: identity, manifest: manifest)
    }
    let isForced = planner.selection.forced[node] != nil
    if !isForced, sealed == nil, let (manifest, bytes) = try fetched(node, identity, manifests, history) {
      try store.keepAsNewest(manifest, run: run, pipeline: planner.graph.document.name)
      try store.recordUse(manifest, run: run)
      return .fetched(node: node, manifest: manifest, bytes: bytes)
    }
    let directory = store.artifacts.directory(stage: graphNode.name, fingerprint: identity.fingerprint)
    try cluster?.release(stage: graphNode.name, keeping: isForced ? nil : directory)
    if isForced { try store.artifacts.discard(stage: graphNode.name, fingerprint: identity.fingerprint) }
    try store.artifacts.unseal(stage: graphNode.name, fingerprint: identity.fingerprint)
    let id = try store.beginNode(stage: graphNode.name, identity: identity, run: run)
    if isForced { try store.removeTasks(node: id) }
    return try prepared(
      Executor.Progress(
        nodeID: id, identity: identity, verdict: verdict, inputs: inputs(), warnings: try sharedIDs().warnings))
  }

  /// What it reads need not be on this machine if the lock knows what it was.
  private func identity(_ history: StoreHistory) throws -> NodeIdentity {
    do { return try planner.identity(of: node, sources: manifests, history: history) } catch {
      guard LockedArtifacts.explains(error), let known = try lockedManifest(graphNode.name)?.identity,
        try planner.identity(of: node, sources: manifests, history: history, files: known.files) == known
      else { throw error }
      return known
    }
  }

  private func lockedManifest(_ stage: String) throws -> NodeManifest? {
    try locked?.manifest(of: stage, in: store.root + "/fetched")
  }

  /// The output of a node that the lock names, brought into the store; nil if it is to be computed.
  private func fetched(
    _ index: Int, _ identity: NodeIdentity, _ sources: [Int: NodeManifest], _ history: StoreHistory
  ) throws -> (manifest: NodeManifest, bytes: Int64)? {
    let name = planner.graph.nodes[index].name
    guard let locked, locked.names(name, identity), !arrivals.isAbsent(index) else { return nil }
    let manifest = try lockedManifest(name)
    if let reason = planner.graph.nodes[index].configured.limits.changes(since: manifest?.limits).first {
      notice("'\(name)' is computed, though the lock file names an output: \(reason)")
      return nil
    }
    if let manifest, let need = try need(of: index, manifest, sources, history) {
      notice("'\(name)' is computed, though the lock file names an output: \(need)")
      return nil
    }
    guard let manifest,
      let bytes = try locked.fetch(manifest, into: store.artifacts, isStopped: { stopping.isSet })
    else {
      if !stopping.isSet {
        notice("'\(name)' is computed: \(locked.remote.name) does not have what the lock file names")
      }
      return nil
    }
    let folder = store.artifacts.directory(of: manifest)
    if let reason = try store.removals().objection(to: manifest.files, in: folder) {
      notice("'\(name)' is computed, though the lock file names an output: \(reason)")
      return nil
    }
    return (manifest, bytes)
  }

  /// Fetches what a stage wrote that reads documents which were not kept: only then is it known that these are not needed.
  private func arrives(
    _ reader: Int, _ identity: NodeIdentity, _ sources: [Int: NodeManifest], _ history: StoreHistory
  ) throws -> Bool {
    guard let locked, locked.names(planner.graph.nodes[reader].name, identity) else { return false }
    if arrivals.bytes(of: reader) != nil { return true }
    let found = try fetched(reader, identity, sources, history)
    // A later run decides on what one that was stopped did not fetch.
    if stopping.isSet { return true }
    arrivals.add(reader, bytes: found?.bytes)
    return found != nil
  }

  private func prepared(_ progress: Executor.Progress) throws -> Executor.Report {
    // The node's fingerprint covers these contents, so its tasks must not read any others.
    let known = Set(progress.identity.files.map(\.digest))
    var context = NodeContext(inputs: progress.inputs, base: planner.graph.document.folder) { paths in
      let digests = try store.digests(paths)
      for (path, digest) in zip(paths, digests) where !known.contains(digest) {
        throw SourceCheck.changed(path, "while the stage was prepared")
      }
      return digests
    }
    context.outputs = progress.outputs
    context.accounts = planner.graph.accounts(of: node, manifests, store.artifacts)
    let preparation = PhasePreparation(
      store: store, node: graphNode, nodeID: progress.nodeID, pipeline: planner.graph.document.name, run: run,
      fingerprint: progress.identity.fingerprint,
      ignoresHistory: planner.selection.forced[node] != nil,
      passes: try planner.passes(
        after: node, history: StoreHistory(store: store, pipeline: planner.graph.document.name)))
    let prepared = try preparation.prepare(phase: graphNode.description.phases[phase], context: context)
    return .prepared(node: node, phase: phase, progress, prepared)
  }

  /// Why a finished output has to be made once more: a stage needs documents that were not kept.
  private func need(
    of index: Int, _ manifest: NodeManifest, _ sources: [Int: NodeManifest], _ history: StoreHistory
  ) throws -> String? {
    try planner.need(for: index, manifest, sources: sources, history: history) {
      try arrives($0, $1, $2, history)
    }
  }

  /// Only for several artifacts read together: repeated ids within one artifact are the responsibility of its stage.
  private func sharedIDs() throws -> SharedIDs {
    var shared = SharedIDs()
    for input in graphNode.description.inputs where input.kind == .documents {
      let edges = graphNode.edges.filter { $0.input == input.name }
      try shared.look(
        at: edges.map { edge in
          SharedIDs.Artifact(
            name: planner.graph.nodes[edge.source].name, port: edge.output,
            directory: store.artifacts.directory(of: manifest(edge)), manifest: manifest(edge))
        })
    }
    return shared
  }

  /// What a node reads is sealed before the node is prepared.
  private func manifest(_ edge: Graph.Edge) -> NodeManifest { manifests[edge.source]! }

  private func inputs() -> [String: [WiredArtifact]] { planner.graph.wired(node, manifests, store.artifacts) }
}
