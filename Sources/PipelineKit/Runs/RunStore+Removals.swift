internal import GRDB
import ShardKit

/// What the database must not keep of removed documents.
extension RunStore {
  /// Names removed documents by their digests in the messages of failures.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be written.
  func conceal(_ ids: [String]) throws {
    try write { db in
      for id in ids {
        let alias = Array(id.utf8).withUnsafeBytes { RemovalList.alias($0) }
        let rows = try Row.fetchAll(
          db, sql: "SELECT rowid AS number, message FROM failures WHERE instr(message, ?) > 0", arguments: [id])
        for row in rows {
          let message: String = try row.stored("message")
          try db.execute(
            sql: "UPDATE failures SET message = ? WHERE rowid = ?",
            arguments: [IDConcealing.concealed(id, in: message, as: alias), row["number"] as Int64])
        }
      }
    }
  }

  /// Writes the database anew, so that nothing of deleted rows is left in its file.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be written.
  func compact() throws {
    do {
      try database.vacuum()
      try database.writeWithoutTransaction { db in
        _ = try Row.fetchAll(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
      }
    } catch { throw explained(error) }
  }
}
