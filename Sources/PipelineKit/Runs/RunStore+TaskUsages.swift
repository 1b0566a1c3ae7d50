internal import GRDB
import ShardKit

/// What tasks asked for and used as jobs of a cluster, and how long tasks take.
extension RunStore {
  func record(_ usage: TaskUsage, stage: String, phase: String, key: String, run: Int64, attempt: Int) throws {
    try write {
      try $0.execute(
        sql: """
          INSERT OR REPLACE INTO taskUsages
            (stage, phase, key, run, attempt, host, job, milliseconds, processor, peak, memory, cores)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          stage, phase, key, run, attempt, usage.host, usage.job, usage.milliseconds, usage.processorMilliseconds,
          usage.peakBytes, usage.askedBytes, usage.askedCores,
        ])
    }
  }

  /// The most memory that a task of a phase has used; nil if none ran on a cluster.
  func peakBytes(stage: String, phase: String) throws -> Int? {
    try read {
      try Int.fetchOne(
        $0, sql: "SELECT MAX(peak) FROM taskUsages WHERE stage = ? AND phase = ?", arguments: [stage, phase])
    }
  }

  /// The time that tasks of a phase take on average; nil if none is known.
  func meanMilliseconds(stage: String, phase: String) throws -> Double? {
    try read {
      try Double.fetchOne(
        $0,
        sql: """
          SELECT AVG(milliseconds) FROM (
            SELECT tasks.milliseconds FROM tasks JOIN nodes ON nodes.id = tasks.node
            WHERE nodes.stage = ? AND tasks.phase = ? AND tasks.reused = 0 AND tasks.milliseconds > 0
            ORDER BY tasks.finished DESC LIMIT 1000)
          """, arguments: [stage, phase])
    }
  }

  /// What the tasks of a phase asked for and used.
  public struct PhaseUsage: Sendable, Equatable {
    public var phase: String
    public var tasks: Int
    public var hosts: Int
    public var milliseconds: Int
    /// Time that the processors worked, against time that they were reserved.
    public var processorMilliseconds: Int
    public var reservedMilliseconds: Int
    public var peakBytes: Int
    public var askedBytes: Int
  }

  /// By phase, over the tasks of a stage that ran on a cluster in a run.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func usages(stage: String) throws -> [PhaseUsage] {
    try read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT phase, COUNT(*) AS tasks, COUNT(DISTINCT host) AS hosts, SUM(milliseconds) AS time,
            SUM(processor) AS processor, SUM(milliseconds * cores) AS reserved, MAX(peak) AS peak, MAX(memory) AS memory
          FROM taskUsages WHERE stage = ?1 AND run = (SELECT MAX(run) FROM taskUsages WHERE stage = ?1)
          GROUP BY phase ORDER BY phase
          """, arguments: [stage]
      ).map { row in
        PhaseUsage(
          phase: try row.stored("phase"), tasks: try row.stored("tasks"), hosts: try row.stored("hosts"),
          milliseconds: try row.stored("time"), processorMilliseconds: try row.stored("processor"),
          reservedMilliseconds: try row.stored("reserved"), peakBytes: try row.stored("peak"),
          askedBytes: try row.stored("memory"))
      }
    }
  }
}
