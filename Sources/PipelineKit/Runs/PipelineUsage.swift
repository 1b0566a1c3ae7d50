internal import GRDB
import ShardKit

/// Usage records per pipeline: several pipelines may share a store, and each has its own newest artifacts.
extension RunStore {
  /// The node of a stage that a run of the pipeline last sealed or found fresh.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func newestSealed(stage: String, pipeline: String) throws -> Node? {
    try read { db in
      try Row.fetchOne(
        db,
        sql: """
          SELECT nodes.* FROM newest JOIN nodes ON nodes.id = newest.node
          WHERE newest.pipeline = ? AND newest.stage = ? AND nodes.sealed IS NOT NULL
          ORDER BY newest.at DESC, nodes.id DESC LIMIT 1
          """, arguments: [pipeline, stage]
      ).flatMap(Self.node)
    }
  }

  /// The sealed nodes of a stage, whichever pipeline they are of, oldest first.
  func sealed(stage: String) throws -> [Node] {
    try read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM nodes WHERE stage = ? AND sealed IS NOT NULL ORDER BY sealed, id", arguments: [stage]
      ).compactMap(Self.node)
    }
  }

  /// The node of a stage that a run of the pipeline last sealed or found fresh, or one that was begun after it and is
  /// not finished.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func newestBegun(stage: String, pipeline: String) throws -> Node? {
    let sealed = try newestSealed(stage: stage, pipeline: pipeline)
    let begun = try read { db in
      try Row.fetchOne(
        db,
        sql: """
          SELECT nodes.* FROM nodes JOIN runs ON runs.id = nodes.run
          WHERE nodes.stage = ? AND runs.name = ? AND nodes.sealed IS NULL AND nodes.begun > ?
          ORDER BY nodes.id DESC LIMIT 1
          """, arguments: [stage, pipeline, sealed?.sealed ?? 0]
      ).flatMap(Self.node)
    }
    return begun ?? sealed
  }

  /// Nodes by pipeline and stage, the most recently used first.
  func usage() throws -> [(pipeline: String, stage: String, node: Int64)] {
    try read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT newest.pipeline, newest.stage, newest.node FROM newest JOIN nodes ON nodes.id = newest.node
          WHERE nodes.sealed IS NOT NULL ORDER BY newest.pipeline, newest.stage, newest.at DESC, newest.node DESC
          """
      ).map { (try $0.stored("pipeline"), try $0.stored("stage"), try $0.stored("node")) }
    }
  }

  func pipelinesByRun() throws -> [Int64: String] {
    try read { db in
      var names: [Int64: String] = [:]
      for row in try Row.fetchAll(db, sql: "SELECT id, name FROM runs") {
        names[try row.stored("id")] = try row.stored("name") as String
      }
      return names
    }
  }

  /// A node's row without its manifest.
  func nodeState(stage: String, fingerprint: Digest) throws -> (id: Int64, isSealed: Bool)? {
    try read { db in
      try Row.fetchOne(
        db, sql: "SELECT id, sealed FROM nodes WHERE stage = ? AND fingerprint = ?",
        arguments: [stage, fingerprint.hex]
      ).map { row in
        let sealed: Int? = try row.storedIfAny("sealed")
        return (try row.stored("id"), sealed != nil)
      }
    }
  }

  /// Marks a fresh node as the one its pipeline uses, so that scripts get the artifact for the current options. Writes
  /// only if that changes.
  func markNewest(_ node: Int64, stage: String, pipeline: String) throws {
    let newest = try read { db in
      try Int64.fetchOne(
        db, sql: "SELECT node FROM newest WHERE pipeline = ? AND stage = ? ORDER BY at DESC, node DESC LIMIT 1",
        arguments: [pipeline, stage])
    }
    guard newest != node else { return }
    try write { db in
      let now = wallMilliseconds()
      try db.execute(
        sql: "INSERT OR REPLACE INTO newest (pipeline, stage, node, at) VALUES (?, ?, ?, ?)",
        arguments: [pipeline, stage, node, now])
      try db.execute(sql: "UPDATE nodes SET sealed = ? WHERE id = ?", arguments: [now, node])
    }
  }

  // MARK: Phases

  /// Stores how many tasks a phase has, so that `status` can show the progress of a stopped stage.
  func recordPhase(node: Int64, phase: String, tasks: Int) throws {
    try write {
      try $0.execute(
        sql: "INSERT OR REPLACE INTO phases (node, phase, tasks) VALUES (?, ?, ?)", arguments: [node, phase, tasks])
    }
  }

  /// Tasks of a node: done, and the total of the phases started.
  func taskTotals(node: Int64) throws -> (done: Int, all: Int) {
    try read { db in
      let all = try Int.fetchOne(db, sql: "SELECT SUM(tasks) FROM phases WHERE node = ?", arguments: [node]) ?? 0
      let done = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM tasks WHERE node = ?", arguments: [node]) ?? 0
      return (done, max(all, done))
    }
  }

  func taskCount(node: Int64) throws -> Int {
    try read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM tasks WHERE node = ?", arguments: [node]) ?? 0 }
  }

  /// Total time of a node's tasks, and how many of them were reused from an older node.
  func taskTimes(node: Int64) throws -> (milliseconds: Int, reused: Int) {
    try read { db in
      let row = try Row.fetchOne(
        db, sql: "SELECT SUM(milliseconds) AS time, SUM(reused) AS reused FROM tasks WHERE node = ?", arguments: [node])
      return (row?["time"] ?? 0, row?["reused"] ?? 0)
    }
  }

  // MARK: Damage

  /// Messages about files that `verify` found missing or altered.
  func damages(node: Int64) throws -> [String] {
    try read {
      try String.fetchAll($0, sql: "SELECT message FROM damages WHERE node = ? ORDER BY rowid", arguments: [node])
    }
  }

  /// Deletes tasks with damaged files and unseals their node: the next run repeats only these.
  func markDamaged(node: Int64, tasks: [(phase: String, key: String)], messages: [String]) throws {
    try write { db in
      for task in tasks {
        try db.execute(
          sql: "DELETE FROM tasks WHERE node = ? AND phase = ? AND key = ?", arguments: [node, task.phase, task.key])
      }
      try db.execute(sql: "UPDATE nodes SET sealed = NULL, manifest = NULL WHERE id = ?", arguments: [node])
      for message in messages {
        try db.execute(
          sql: "INSERT INTO damages (node, message, at) VALUES (?, ?, ?)",
          arguments: [node, message, wallMilliseconds()])
      }
    }
  }
}
