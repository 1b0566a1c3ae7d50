import ShardKit

/// A node with files to verify: from the database, sealed or not, or found only on disk.
struct VerifiedNode {
  var stage: String
  var folder: String
  /// Nil if the database lost it.
  var row: Int64?
  var isSealed: Bool
  /// The manifests of its finished tasks, from the database and from disk.
  var tasks: [TaskManifest]
  var files: [PublishedFile]
  /// What was done for other stages in its tasks. Their files lie in the folders of these stages too, once they have
  /// taken them over.
  var records: [(folder: String, record: PassRecord)] { PassRecord.all(beside: files, in: folder) }

  /// In database order, then in folder order.
  static func all(_ store: RunStore) throws -> [VerifiedNode] {
    var out: [VerifiedNode] = []
    var folders: Set<ExactText> = []
    for node in try store.nodes() {
      let folder = store.artifacts.directory(stage: node.stage, fingerprint: node.fingerprint)
      folders.insert(ExactText(folder))
      let rows = try store.tasks(node: node.id).map(\.manifest)
      let found = try VerifiedNode(
        store, stage: node.stage, folder: folder, row: node.id, sealed: node.manifest, tasks: rows)
      if found.isSealed || !found.files.isEmpty { out.append(found) }
    }
    for (stage, _, path) in try store.artifacts.nodeFolders() where !folders.contains(ExactText(path)) {
      let text = try? FileSystem.read(path + "/manifest.json")
      let sealed = text.flatMap { try? JSONValue.parse($0).value }.flatMap { try? NodeManifest(json: $0) }
      let found = try VerifiedNode(store, stage: stage, folder: path, row: nil, sealed: sealed, tasks: [])
      if found.isSealed || !found.files.isEmpty { out.append(found) }
    }
    return out
  }

  private init(
    _ store: RunStore, stage: String, folder: String, row: Int64?, sealed: NodeManifest?, tasks: [TaskManifest]
  ) throws {
    self.stage = stage
    self.folder = folder
    self.row = row
    isSealed = sealed != nil
    // A task's row and its manifest on disk are identical, unless one of them was lost.
    let known = Set(tasks.map { [ExactText($0.phase), ExactText($0.key)] })
    self.tasks =
      tasks
      + (try store.artifacts.taskManifests(in: folder)).filter {
        !known.contains([ExactText($0.phase), ExactText($0.key)])
      }
    files = sealed?.files ?? Self.distinct(self.tasks.flatMap(\.files))
  }

  private static func distinct(_ files: [PublishedFile]) -> [PublishedFile] {
    var seen: Set<ExactText> = []
    return files.filter { seen.insert(ExactText("\($0.port)/\($0.name)")).inserted }
  }
}
