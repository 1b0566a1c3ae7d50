public import ShardKit

/// Earlier work, as the planner sees it; implemented by the store, and by tables in tests.
public protocol History {
  /// The sealed manifest of a node if all its files exist; nil otherwise.
  /// - Throws: an error if the history cannot be read.
  func sealed(stage: String, fingerprint: Digest) throws -> NodeManifest?
  /// Why a sealed node cannot be used: its files are missing or their sizes differ.
  /// - Throws: an error if the history cannot be read.
  func damage(stage: String, fingerprint: Digest) throws -> String?
  /// Number of finished tasks of an unsealed node.
  /// - Throws: an error if the history cannot be read.
  func finishedTasks(stage: String, fingerprint: Digest) throws -> Int
  /// The identity of the stage's most recently sealed node.
  /// - Throws: an error if the history cannot be read.
  func newest(stage: String) throws -> NodeManifest?
  /// The content digest of an input file.
  /// - Throws: an error if the file cannot be read.
  func digest(_ path: String) throws -> Digest
  /// The same of many files, in their order.
  /// - Throws: an error if one of them cannot be read.
  func digests(_ paths: [String]) throws -> [Digest]
  /// The salt of the store.
  /// - Throws: an error if it cannot be read.
  func salt() throws -> StoreSalt
  /// What was removed of the documents that a stage brings in.
  /// - Throws: an error if it cannot be read.
  func removed(stage: String) throws -> RemovalList.Part?
  /// Whether anything was removed from the store.
  /// - Throws: an error if it cannot be read.
  func hasRemovals() throws -> Bool
  /// The folder of a node's files; nil if there are none.
  func folder(of manifest: NodeManifest) -> String?
}

extension History {
  public func salt() -> StoreSalt { StoreSalt() }
  public func removed(stage: String) -> RemovalList.Part? { nil }
  public func hasRemovals() -> Bool { false }
  public func folder(of manifest: NodeManifest) -> String? { nil }
  /// - Throws: what `digest` throws.
  public func digests(_ paths: [String]) throws -> [Digest] { try paths.map(digest) }
}

/// Decides what a run has to do, node by node: a pure function of graph, history and selection.
public struct Planner: Sendable {
  public let graph: Graph
  public let selection: Selection
  /// Whether the tasks of a node's first phase run on threads of this process.
  var runsHere: @Sendable (Graph.Node) -> Bool = { _ in true }

  public init(graph: Graph, selection: Selection) {
    self.graph = graph
    self.selection = selection
  }

  /// A node's identity, available once everything it reads is sealed.
  /// - Parameter files: what its input files were, in place of those on this machine.
  /// - Parameter sources: manifests by node index.
  /// - Throws: `StageError` (`.input`, `.options`) if an input file cannot be found; what `history` throws.
  public func identity(
    of index: Int, sources: [Int: NodeManifest], history: some History, files known: [NodeIdentity.File]? = nil
  ) throws -> NodeIdentity {
    let node = graph.nodes[index]
    let files = try known ?? inputFiles(of: node, history)
    return NodeIdentity(
      use: node.description.name, revision: node.description.revision,
      options: try Fingerprint.manifestOptions(node.configured) { try history.salt() },
      inputs: node.edges.map { edge in
        let source = graph.nodes[edge.source].name
        return .init(
          input: edge.input, source: "\(source).\(edge.output)", digest: sources[edge.source]!.digest(of: edge.output),
          name: edge.name)
      } + graph.accountIdentity(of: index, sources), files: files, removed: try history.removed(stage: node.name))
  }

  private func inputFiles(of node: Graph.Node, _ history: some History) throws -> [NodeIdentity.File] {
    var files: [NodeIdentity.File] = []
    for (option, paths, _) in node.configured.inputFiles {
      let found = try paths.resolve(base: graph.document.folder)
      files.reserveCapacity(files.count + found.count)
      // Some thousands at a time: there may be a million of them.
      for start in stride(from: 0, to: found.count, by: 4096) {
        let part = found[start..<min(start + 4096, found.count)]
        for (file, digest) in zip(part, try history.digests(part.map(\.path))) {
          files.append(.init(option: option, name: file.name, digest: digest))
        }
      }
    }
    return files
  }

  /// Decides on a node with a known identity.
  /// - Throws: what `history` throws.
  public func verdict(on index: Int, _ identity: NodeIdentity, history: some History) throws -> Verdict {
    let name = graph.nodes[index].name
    let fingerprint = identity.fingerprint
    if let reason = selection.forced[index] { return .run([reason]) }
    if let manifest = try history.sealed(stage: name, fingerprint: fingerprint) {
      let changes = graph.nodes[index].configured.limits.changes(since: manifest.limits)
      return changes.isEmpty ? .fresh : .run(changes)
    }
    if let damage = try history.damage(stage: name, fingerprint: fingerprint) { return .run([damage]) }
    let done = try history.finishedTasks(stage: name, fingerprint: fingerprint)
    if done > 0 { return .resume(done: done) }
    guard let newest = try history.newest(stage: name) else { return .run(["it has not run before"]) }
    let differences = identity.differences(from: newest.identity)
    return .run(differences.isEmpty ? ["its last artifact is missing"] : differences)
  }
}

/// Which nodes a run may run, and which it must run.
public struct Selection: Sendable {
  public var nodes: Set<Int>
  /// Nodes that run regardless of their fingerprints, with the reason.
  public var forced: [Int: String]

  /// - Parameters:
  ///   - from: this stage and what depends on its result are recomputed; nothing upstream runs.
  ///   - until: only this stage and what it needs run.
  ///   - only: only this stage runs.
  ///   - force: every selected stage is recomputed.
  /// - Throws: `RunError` (`.selection`) if there is no stage of a name, or none is selected.
  public init(
    graph: Graph, from: [String] = [], until: [String] = [], only: [String] = [], force: Bool = false
  ) throws {
    func indices(_ names: [String]) throws -> [Int] {
      try names.flatMap { name in
        let found = graph.indices(of: name)
        if !found.isEmpty { return found }
        let known = graph.document.groups.map(\.name) + graph.nodes.map(\.name)
        throw RunError(.selection, "no stage is named '\(name)'" + suggestion(for: name, among: known))
      }
    }
    nodes = Set(graph.nodes.indices)
    forced = [:]
    if !from.isEmpty {
      var reached: Set<Int> = []
      for node in try indices(from) {
        reached.formUnion(graph.descendants(of: node))
        forced[node] = "it was requested with --from"
      }
      nodes.formIntersection(reached)
    }
    if !until.isEmpty {
      nodes.formIntersection(try indices(until).reduce(into: Set<Int>()) { $0.formUnion(graph.ancestors(of: $1)) })
    }
    if !only.isEmpty { nodes.formIntersection(try indices(only)) }
    if force { for node in nodes { forced[node] = "it was requested with --force" } }
    forced = forced.filter { nodes.contains($0.key) }
    guard !nodes.isEmpty else {
      throw RunError(.selection, "no stage is selected", hint: "Check --from, --until and --only.")
    }
  }
}

/// A verdict on every node before anything runs.
public struct Plan: Sendable {
  /// In the graph's execution order; includes the fingerprint if everything that the node reads is sealed.
  public var verdicts: [(node: Int, verdict: Verdict, fingerprint: Digest?)]

  /// The verdict on every stage, in order; `.impossible` if its identity cannot be determined.
  /// - Throws: what `history` throws, except while an identity is determined.
  /// - Parameter locked: outputs that a run would fetch.
  public init(_ planner: Planner, history: some History, locked: LockedArtifacts? = nil) throws {
    verdicts = []
    var manifests: [Int: NodeManifest] = [:]
    for index in planner.graph.order {
      let unsettled = planner.graph.sources(of: index).filter { manifests[$0] == nil }
      if !planner.selection.nodes.contains(index) {
        manifests[index] = try history.newest(stage: planner.graph.nodes[index].name)
        verdicts.append((index, .unselected, nil))
      } else if let reason = planner.selection.forced[index] {
        verdicts.append((index, .run([reason]), nil))
      } else if !unsettled.isEmpty {
        verdicts.append((index, .pending(after: unsettled.map { planner.graph.nodes[$0].name }), nil))
      } else {
        let identity: NodeIdentity
        do { identity = try planner.identity(of: index, sources: manifests, history: history) } catch {
          let entry = LockedArtifacts.explains(error) ? locked?.lock[planner.graph.nodes[index].name] : nil
          verdicts.append((index, entry == nil ? .impossible("\(error)") : .fetch(from: locked!.remote.name), nil))
          continue
        }
        var verdict = try planner.verdict(on: index, identity, history: history)
        // One that is here, and yet has to run, is the one that the lock names.
        let name = planner.graph.nodes[index].name
        let isHere = try history.sealed(stage: name, fingerprint: identity.fingerprint) != nil
        if !isHere, let locked, locked.names(name, identity) {
          verdict = .fetch(from: locked.remote.name)
        }
        if verdict == .fresh {
          manifests[index] = try history.sealed(stage: name, fingerprint: identity.fingerprint)
          if let manifest = manifests[index],
            let need = try planner.need(
              for: index, manifest, sources: manifests, history: history,
              arrives: { reader, identity, _ in locked?.names(planner.graph.nodes[reader].name, identity) ?? false })
          {
            verdict = .run([need])
            manifests[index] = nil
          }
        }
        verdicts.append((index, verdict, identity.fingerprint))
      }
    }
  }
}
