import ShardKit

/// A store's answers to the planner. Adopts artifacts that the database does not know.
struct StoreHistory: History {
  let store: RunStore

  func sealed(stage: String, fingerprint: Digest) throws -> NodeManifest? {
    let known = try store.node(stage: stage, fingerprint: fingerprint)?.manifest
    guard let manifest = known ?? store.artifacts.sealedManifest(stage: stage, fingerprint: fingerprint) else {
      return nil
    }
    let folder = store.artifacts.directory(of: manifest)
    return store.artifacts.firstDamage(manifest.files, in: folder) == nil ? manifest : nil
  }

  func damage(stage: String, fingerprint: Digest) throws -> String? {
    guard let manifest = try store.node(stage: stage, fingerprint: fingerprint)?.manifest else { return nil }
    return store.artifacts.firstDamage(manifest.files, in: store.artifacts.directory(of: manifest))
  }

  func finishedTasks(stage: String, fingerprint: Digest) throws -> Int {
    if let node = try store.node(stage: stage, fingerprint: fingerprint) {
      return node.sealed == nil ? try store.tasks(node: node.id).count : 0
    }
    let folder = store.artifacts.directory(stage: stage, fingerprint: fingerprint) + "/tasks"
    return FileSystem.isDirectory(folder) ? try FileSystem.list(folder).count { $0.hasSuffix(".json") } : 0
  }

  func newest(stage: String) throws -> NodeManifest? { try store.newestSealed(stage: stage)?.manifest }

  func digest(_ path: String) throws -> Digest { try store.digest(path) }
}
