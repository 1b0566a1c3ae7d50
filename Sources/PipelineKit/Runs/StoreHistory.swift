import ShardKit

/// Answers the planner's queries about one pipeline from a store. Restores artifacts that the database does not know.
///
/// Caches the most recently queried node: queries about a node follow one another, and a manifest of thousands of files
/// should be parsed once. Not thread-safe.
final class StoreHistory: History {
  let store: RunStore
  let pipeline: String
  private var last: (stage: String, fingerprint: Digest, manifest: NodeManifest?, damage: String?)?

  init(store: RunStore, pipeline: String) {
    self.store = store
    self.pipeline = pipeline
  }

  func sealed(stage: String, fingerprint: Digest) throws -> NodeManifest? {
    let (manifest, damage) = try look(stage, fingerprint)
    return damage == nil ? manifest : nil
  }

  func damage(stage: String, fingerprint: Digest) throws -> String? { try look(stage, fingerprint).damage }

  private func look(_ stage: String, _ fingerprint: Digest) throws -> (manifest: NodeManifest?, damage: String?) {
    if let last, last.stage == stage, last.fingerprint == fingerprint { return (last.manifest, last.damage) }
    let node = try store.node(stage: stage, fingerprint: fingerprint)
    let manifest = node?.manifest ?? store.artifacts.sealedManifest(stage: stage, fingerprint: fingerprint)
    var damage: String?
    if let manifest {
      let folder = store.artifacts.directory(of: manifest)
      damage =
        try store.artifacts.firstDamage(manifest.files, in: folder)
        ?? store.removals().objection(to: manifest.files, in: folder)
    } else if let node {
      damage = try store.damages(node: node.id).first
    }
    last = (stage, fingerprint, manifest, damage)
    return (manifest, damage)
  }

  func finishedTasks(stage: String, fingerprint: Digest) throws -> Int {
    if let state = try store.nodeState(stage: stage, fingerprint: fingerprint) {
      return state.isSealed ? 0 : try store.taskCount(node: state.id)
    }
    let folder = store.artifacts.directory(stage: stage, fingerprint: fingerprint) + "/tasks"
    return FileSystem.isDirectory(folder)
      ? try FileSystem.list(folder, others: .passedOver).count { $0.hasSuffix(".json") } : 0
  }

  func newest(stage: String) throws -> NodeManifest? {
    try store.newestSealed(stage: stage, pipeline: pipeline)?.manifest
  }

  func salt() throws -> StoreSalt { try StoreSalt(of: store.root) }

  func removed(stage: String) throws -> RemovalList.Part? { try store.removals().part(of: stage) }

  func hasRemovals() throws -> Bool { try !store.removals().isEmpty }

  func folder(of manifest: NodeManifest) -> String? { store.artifacts.directory(of: manifest) }

  func digest(_ path: String) throws -> Digest { try store.digest(path) }

  func digests(_ paths: [String]) throws -> [Digest] { try store.digests(paths) }
}
