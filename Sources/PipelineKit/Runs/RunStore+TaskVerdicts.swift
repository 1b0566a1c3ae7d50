internal import GRDB
import ShardKit

/// The verdict on one task from the last time its phase was planned.
public struct StoredTaskVerdict: Sendable {
  public var phase: String
  public var key: String
  public var run: Int64
  /// `TaskVerdict.name`.
  public var verdict: String
  public var reasons: [String]
  let identity: TaskIdentity?
}

extension RunStore {
  /// The verdicts on a stage's tasks from the last time its phases were planned, ordered by phase name and task.
  /// - Throws: `RunError` or `ShardError` if the database cannot be read; a JSON error if its reasons are malformed.
  public func taskVerdicts(stage: String, pipeline: String) throws -> [StoredTaskVerdict] {
    try read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM taskVerdicts WHERE pipeline = ? AND stage = ? ORDER BY phase, place",
        arguments: [pipeline, stage]
      ).map { row in
        let reasons: String = try row.stored("reasons")
        let identity: String = try row.stored("identity")
        return StoredTaskVerdict(
          phase: try row.stored("phase"), key: try row.stored("key"), run: try row.stored("run"),
          verdict: try row.stored("verdict"), reasons: try JSONValue.parse(reasons).value.decode(),
          identity: try? JSONValue.parse(identity).value.decode())
      }
    }
  }

  /// Replaces the verdicts of a phase.
  func recordTaskVerdicts(
    _ tasks: [(plan: TaskPlan, verdict: TaskVerdict, identity: TaskIdentity)], phase: String, stage: String,
    pipeline: String, run: Int64
  ) throws {
    try write { db in
      try db.execute(
        sql: "DELETE FROM taskVerdicts WHERE pipeline = ? AND stage = ? AND phase = ?",
        arguments: [pipeline, stage, phase])
      for (place, task) in tasks.enumerated() {
        try db.execute(
          sql: """
            INSERT INTO taskVerdicts (pipeline, stage, phase, place, key, run, verdict, reasons, identity)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            pipeline, stage, phase, place, task.plan.key, run, task.verdict.name,
            JSONValue.strings(task.verdict.reasons).text(), try JSONValue.encoding(task.identity).text(),
          ])
      }
    }
  }
}
