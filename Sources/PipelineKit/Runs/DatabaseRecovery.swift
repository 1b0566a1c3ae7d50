import ShardKit

/// Puts a damaged database aside.
extension StoreOpening {
  /// SQLite opens most damaged files, and finds the damage when it reads the page; by then a run has begun.
  private var mark: String { root + "/damaged" }

  var isMarkedDamaged: Bool { FileSystem.exists(mark) }

  /// Has the next run replace the database if the error is of damage. Marks nothing where the store cannot be written.
  func markIfDamaged(_ error: any Error) {
    guard let error = error as? RunError, error.code == .damaged else { return }
    try? FileSystem.write(Array("\(error.message)\n".utf8), to: mark)
  }

  /// Nothing is deleted: the old files are kept under another name. The log is moved first: next to a new database, it
  /// would be taken for that database's log.
  func moveAway() throws -> String {
    let lock = try StoreLock(root: root)
    defer { withExtendedLifetime(lock) {} }
    var number = 1
    while FileSystem.exists("\(path).damaged-\(number)") { number += 1 }
    let target = "\(path).damaged-\(number)"
    for suffix in ["-wal", "-shm", ""] where FileSystem.exists(path + suffix) {
      try FileSystem.rename(path + suffix, to: target + suffix)
    }
    try FileSystem.remove(mark)
    return target
  }
}

/// Restores finished work that the database lost.
extension RunStore {
  /// Makes a node that is fresh again (an option was set back) the newest of its stage; a node unknown to the database
  /// gets a row, along with rows for the tasks that have manifests.
  func keepAsNewest(_ manifest: NodeManifest, run: Int64, pipeline: String) throws {
    if let known = try nodeState(stage: manifest.stage, fingerprint: manifest.fingerprint), known.isSealed {
      return try markNewest(known.id, stage: manifest.stage, pipeline: pipeline)
    }
    let id = try beginNode(stage: manifest.stage, identity: manifest.identity, run: run)
    let tasks = try artifacts.taskManifests(in: artifacts.directory(of: manifest))
    try sealNode(id, manifest: manifest, pipeline: pipeline)
    for task in tasks { try commitTask(node: id, run: run, manifest: task, attempts: 1, milliseconds: 0, reused: true) }
  }
}

extension ArtifactStore {
  /// Manifests of a node's finished tasks, from its folder.
  func taskManifests(in folder: String) throws -> [TaskManifest] {
    let tasks = folder + "/tasks"
    guard FileSystem.isDirectory(tasks) else { return [] }
    return try FileSystem.list(tasks, others: .passedOver).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
      .compactMap { name in
        guard let text = try? FileSystem.read("\(tasks)/\(name)"), let json = try? JSONValue.parse(text).value else {
          return nil
        }
        return try? TaskManifest(json: json)
      }
  }

  /// Every node's folder, with the stage and the fingerprint digits that it is named after.
  func nodeFolders() throws -> [(stage: String, short: String, path: String)] {
    let root = self.root + "/artifacts"
    guard FileSystem.isDirectory(root) else { return [] }
    var out: [(stage: String, short: String, path: String)] = []
    for stage in try FileSystem.list(root, others: .passedOver) where FileSystem.isDirectory("\(root)/\(stage)") {
      for short in try FileSystem.list("\(root)/\(stage)", others: .passedOver)
      where FileSystem.isDirectory("\(root)/\(stage)/\(short)") {
        out.append((stage, short, "\(root)/\(stage)/\(short)"))
      }
    }
    return out
  }
}
