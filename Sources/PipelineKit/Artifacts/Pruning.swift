public import ShardKit

/// Finds and removes artifacts that no pipeline of the store needs any more (`pipeline prune`).
///
/// Keeps the newest outputs of every stage of every pipeline that uses the store; of the pipeline at hand, only for
/// stages that its file still contains. The newest unfinished node of a stage is kept too, since a run resumes it.
public struct Pruning {
  public struct Candidate: Sendable {
    public var stage: String
    public var fingerprint: Digest
    public var directory: String
    /// Bytes freed by removing it; files with hard links elsewhere free nothing.
    public var bytes: Int64
    public var reason: String
    let node: Int64
  }

  public let store: RunStore
  /// The folder of the variants that are removed too.
  private let variants: String?
  public private(set) var candidates: [Candidate] = []
  public var bytes: Int64 { candidates.reduce(0) { $0 + $1.bytes } }

  /// - Parameters:
  ///   - keep: how many of the newest outputs to keep per stage.
  ///   - ablations: whether what only variants of the pipeline need counts as replaced.
  /// - Throws: `RunError` or `ShardError` if the database or a folder cannot be read.
  public init(graph: Graph, store: RunStore, keep: Int = 1, ablations: Bool = false) throws {
    self.store = store
    variants = ablations ? PipelineVariant.folder(store: store.root, pipeline: graph.document.name) : nil
    let stages = Set(graph.nodes.map(\.name))
    func isGone(_ pipeline: String, _ stage: String) -> Bool {
      pipeline == graph.document.name
        ? !stages.contains(stage) : ablations && PipelineVariant.isVariant(pipeline, of: graph.document.name)
    }
    let nodes = try store.nodes()
    var kept: Set<Int64> = []
    var ofVariants: Set<Int64> = []
    /// By pipeline and stage.
    var ranks: [[String]: Int] = [:]
    var newestRun: [[String]: Int64] = [:]
    let runs = Dictionary(uniqueKeysWithValues: nodes.map { ($0.id, $0.run) })
    for use in try store.usage() {
      guard !isGone(use.pipeline, use.stage) else {
        if use.pipeline != graph.document.name { ofVariants.insert(use.node) }
        continue
      }
      let place = [use.pipeline, use.stage]
      if ranks[place, default: 0] < keep { kept.insert(use.node) }
      if ranks[place] == nil { newestRun[place] = runs[use.node] }
      ranks[place, default: 0] += 1
    }
    var unfinished: [[String]: RunStore.Node] = [:]
    let names = try store.pipelinesByRun()
    for node in nodes where node.sealed == nil {
      let pipeline = names[node.run] ?? ""
      let place = [pipeline, node.stage]
      if isGone(pipeline, node.stage) || node.run < newestRun[place] ?? 0 { continue }
      if node.run >= unfinished[place]?.run ?? 0 { unfinished[place] = node }
    }
    kept.formUnion(unfinished.values.map(\.id))
    let removed = nodes.filter { !kept.contains($0.id) }
    let sizes = try Self.freedBytes(
      removed.map { store.artifacts.directory(stage: $0.stage, fingerprint: $0.fingerprint) })
    candidates = zip(removed, sizes).map { node, bytes in
      Candidate(
        stage: node.stage, fingerprint: node.fingerprint,
        directory: store.artifacts.directory(stage: node.stage, fingerprint: node.fingerprint), bytes: bytes,
        reason: ofVariants.contains(node.id) ? "only an ablation needed it" : Self.reason(node, stages), node: node.id)
    }
  }

  private static func reason(_ node: RunStore.Node, _ stages: Set<String>) -> String {
    if !stages.contains(node.stage) { return "its stage is no longer in the pipeline file" }
    return node.sealed == nil ? "it is unfinished, and a newer one was started" : "a newer output has replaced it"
  }

  /// Bytes freed by each folder when all of them are removed. A file counts where its last hard link is removed.
  private static func freedBytes(_ folders: [String]) throws -> [Int64] {
    var names: [UInt64: Int] = [:]
    return try folders.map { folder in
      guard FileSystem.isDirectory(folder) else { return 0 }
      var sum: Int64 = 0
      // What was done for other stages in the node's tasks lies in a hidden folder.
      for name in try FileSystem.walk(folder, hidden: true) {
        guard let status = FileSystem.status("\(folder)/\(name)") else { continue }
        names[status.inode, default: 0] += 1
        if names[status.inode] == status.links { sum += status.bytes }
      }
      return sum
    }
  }

  /// Removes what was found. Rows are removed first: a folder without a row is harmless, a row without its folder is
  /// damage.
  /// - Throws: `RunError` (`.locked`) if a runner holds the store; `RunError` or `ShardError` if removing fails.
  public func run(removed: (Candidate) -> Void = { _ in }) throws {
    let lock = try StoreLock(root: store.root)
    defer { withExtendedLifetime(lock) {} }
    for candidate in candidates {
      try Self.delete(candidate.directory, row: candidate.node, store)
      removed(candidate)
    }
    if let variants { try FileSystem.removeTree(variants) }
  }

  /// Deletes a node's folder and its row, if it has one.
  static func delete(_ directory: String, row: Int64?, _ store: RunStore) throws {
    try FileSystem.remove(directory + "/manifest.json")
    if let row { try store.removeNode(row) }
    try FileSystem.removeTree(directory)
  }
}
