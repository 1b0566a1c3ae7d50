internal import GRDB
import ShardKit

/// Puts a damaged database aside.
extension StoreOpening {
  /// SQLite opens most damaged files, and finds the damage when it reads the page; by then a run has begun. So that run
  /// leaves a mark for the next one: the number of the file, and what is wrong with it.
  private var mark: String { root + "/damaged" }

  /// What is wrong with the database, if a run found that; nil if it has another one now.
  var markedDamage: String? {
    guard let text = try? FileSystem.read(mark), let inode = FileSystem.status(path)?.inode else { return nil }
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n", maxSplits: 1)
    return lines.first == "\(inode)" ? lines.last.map { "\($0.prefix { $0 != "\n" })" } : nil
  }

  func removeMark() throws { if FileSystem.exists(mark) { try FileSystem.remove(mark) } }

  /// Has the next run replace the database. Marks nothing where the store cannot be written.
  func mark(_ reason: String) {
    guard let inode = FileSystem.status(path)?.inode else { return }
    try? FileSystem.write(Array("\(inode)\n\(reason)\n".utf8), to: mark)
  }

  /// What is wrong with the file, if an error says so, and not that a statement or its values are wrong.
  static func damage(_ error: any Error) -> String? {
    if let error = error as? StoredValueError { return error.message }
    if error is RowDecodingError { return "a row lacks a value that every row has" }
    guard let error = error as? DatabaseError else { return nil }
    return [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) ? error.message ?? "SQLite cannot read it" : nil
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
    try removeMark()
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
