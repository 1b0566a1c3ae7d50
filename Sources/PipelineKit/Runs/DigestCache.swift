internal import GRDB
public import ShardKit

/// Digests of users' files, remembered by what identifies an unchanged file.
extension RunStore {
  /// The content digest of a file, cached by size, modification and change times, and inode.
  /// - Throws: `ShardError` if it cannot be read; `StageError` (`.input`) if it changes; `RunError` for the database.
  public func digest(_ path: String) throws -> Digest {
    guard let status = FileSystem.status(path) else { throw FileSystem.error(path, "cannot be read") }
    let arguments: StatementArguments = [
      path, status.bytes, status.modified, status.changed, Int64(bitPattern: status.inode),
    ]
    let known = try read { db in
      try String.fetchOne(
        db,
        sql: "SELECT digest FROM digests WHERE path = ? AND bytes = ? AND modified = ? AND changed = ? AND inode = ?",
        arguments: arguments)
    }
    if let digest = known.flatMap(Digest.init(hex:)) { return digest }
    let digest = try Digester.digest(file: path)
    guard FileSystem.status(path) == status else { throw SourceCheck.changed(path, "while it was being digested") }
    // A file changed within the clock's resolution could keep its times, so recently changed files are not cached.
    if wallMilliseconds() - Int(max(status.modified, status.changed) / 1_000_000) > 2000 {
      try write { db in
        try db.execute(
          sql:
            "INSERT OR REPLACE INTO digests (path, bytes, modified, changed, inode, digest) VALUES (?, ?, ?, ?, ?, ?)",
          arguments: arguments + [digest.hex])
      }
    }
    return digest
  }
}
