internal import GRDB
public import ShardKit

/// Every answer of an endpoint by the digest of its request, and what each request has cost, in SQLite.
///
/// A request is recorded before it is sent, so that after a kill those that may have been answered count as spent. One
/// process at a time uses the folder.
public final class AnswerStore: Sendable {
  private let database: StateDatabase
  /// What all requests so far have cost; those without an answer count with the most that they may have cost.
  public let spent: Spending
  /// Requests that were in flight when the process before was killed.
  public let lost: Int

  private static let purpose = StateDatabase.Purpose(
    file: "answers.sqlite", isTaken: "another run is using these answers", isBroken: "the kept answers cannot be used",
    hint: "If the disk is full, free some space. If the file is damaged, move it away: its answers are asked for again."
  )

  /// Opens the answers in a folder, or begins with none.
  /// - Throws: `NetError` (`.storage`) if another process uses the folder, or it cannot be used.
  public init(folder: String) throws(NetError) {
    database = try StateDatabase(folder: folder, Self.purpose, Self.migrator)
    (spent, lost) = try database.write { db in try Self.takeOver(db) }
  }

  /// Append-only: existing migrations are never edited.
  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 requests") { db in
      try db.execute(
        sql: """
          CREATE TABLE requests (
            number INTEGER PRIMARY KEY, request TEXT NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL,
            input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost REAL NOT NULL,
            sent_at INTEGER NOT NULL, content TEXT, detail TEXT
          );
          CREATE INDEX requests_by_digest ON requests (request, attempt);
          """)
    }
    // Refusals were kept that another setting of the server would not give, and such as were told by words alone.
    migrator.registerMigration("2 no refusals of requests") { db in
      try db.execute(
        sql: """
          DELETE FROM requests
          WHERE state = 'too-long' OR state = 'filtered' AND content IS NULL AND detail IS NOT NULL
          """)
    }
    return migrator
  }

  private static func takeOver(_ db: Database) throws -> (Spending, Int) {
    try db.execute(sql: "UPDATE requests SET state = 'lost' WHERE state = 'sent'")
    let lost = db.changesCount
    let row = try Row.fetchOne(
      db,
      sql: """
        SELECT COALESCE(SUM(input_tokens), 0) AS i, COALESCE(SUM(output_tokens), 0) AS o, COALESCE(SUM(cost), 0.0) AS c
        FROM requests
        """)!
    return (Spending(inputTokens: row["i"], outputTokens: row["o"], cost: row["c"]), lost)
  }

  // MARK: Answers

  /// The nth answer to a request, from 1; nil if it has not been given.
  /// - Throws: `NetError` (`.storage`) if the database cannot be read.
  public func answer(to request: Digest, attempt: Int) throws(NetError) -> ChatAnswer? {
    let row = try database.read { db in
      try Row.fetchOne(
        db,
        sql: """
          SELECT state, content, detail FROM requests
          WHERE request = ? AND attempt = ? AND state NOT IN ('sent', 'lost') ORDER BY number LIMIT 1
          """, arguments: [request.hex, attempt])
    }
    guard let row, let ending = ChatAnswer.Ending(rawValue: row["state"]) else { return nil }
    return ChatAnswer(ending, content: Self.unquoted(row["content"]), detail: Self.unquoted(row["detail"]))
  }

  /// SQLite's texts end at a NUL character, so they are stored as JSON.
  private static func quoted(_ text: String) -> String? { text.isEmpty ? nil : JSONValue.string(text).text() }

  private static func unquoted(_ text: String?) -> String {
    text.flatMap { try? JSONValue.parse($0).value.string } ?? ""
  }

  // MARK: Requests

  /// Records a request that is about to be sent, with the most that it may cost.
  /// - Returns: its number.
  func begin(_ request: Digest, attempt: Int, most: Spending) throws(NetError) -> Int64 {
    try database.write { db in
      try db.execute(
        sql: """
          INSERT INTO requests (request, attempt, state, input_tokens, output_tokens, cost, sent_at)
          VALUES (?, ?, 'sent', ?, ?, ?, ?)
          """,
        arguments: [
          request.hex, attempt, most.inputTokens, most.outputTokens, most.cost, wallMilliseconds() / 1000,
        ])
      return db.lastInsertedRowID
    }
  }

  func keep(_ number: Int64, _ answer: ChatAnswer, spent: Spending) throws(NetError) {
    try database.write { db in
      try db.execute(
        sql: """
          UPDATE requests SET state = ?, content = ?, detail = ?, input_tokens = ?, output_tokens = ?, cost = ?
          WHERE number = ?
          """,
        arguments: [
          answer.ending.rawValue, Self.quoted(answer.content), Self.quoted(answer.detail), spent.inputTokens,
          spent.outputTokens, spent.cost, number,
        ])
    }
  }

  /// A request without an answer that may have been paid for.
  func lose(_ number: Int64) throws(NetError) {
    try database.write { db in
      try db.execute(sql: "UPDATE requests SET state = 'lost' WHERE number = ?", arguments: [number])
    }
  }

  /// A request that costs nothing: it was turned away, or never arrived.
  func forget(_ number: Int64) throws(NetError) {
    try database.write { db in
      try db.execute(sql: "DELETE FROM requests WHERE number = ?", arguments: [number])
    }
  }
}
