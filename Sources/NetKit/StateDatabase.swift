import Glibc
import GRDB
import ShardKit

/// An SQLite database in a folder, both of which one process at a time uses.
///
/// The process has them for itself, so the write-ahead log needs no memory that processes share, which network file
/// systems lack.
final class StateDatabase: Sendable {
  /// What it holds, for errors.
  struct Purpose: Sendable {
    /// The name of the file.
    var file: String
    /// Who else may use the folder: "another crawl is using this folder".
    var isTaken: String
    /// "the kept answers cannot be used"
    var isBroken: String
    var hint: String
  }

  private let purpose: Purpose
  private let path: String
  private let queue: DatabaseQueue
  private let lock: Int32

  /// Opens the database of a folder, or begins one.
  /// - Parameter migrator: append-only; existing migrations are never edited.
  /// - Throws: `NetError` (`.storage`) if another process uses the folder, or it cannot be used.
  init(folder: String, _ purpose: Purpose, _ migrator: DatabaseMigrator) throws(NetError) {
    self.purpose = purpose
    path = "\(folder)/\(purpose.file)"
    do throws(ShardError) { try FileSystem.makeDirectory(folder) } catch { throw NetError(error) }
    lock = open(folder + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard lock >= 0 else { throw NetError(FileSystem.error(folder, "cannot be written")) }
    guard FileSystem.takesLock(lock) else {
      close(lock)
      throw NetError(.storage, folder, purpose.isTaken, hint: "Wait for it to finish, or stop it.")
    }
    do {
      queue = try Self.opened(path)
      try migrator.migrate(queue)
    } catch {
      close(lock)
      throw Self.explained(error, path, purpose)
    }
  }

  deinit {
    try? queue.close()
    close(lock)
  }

  private static func opened(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase { db in
      _ = try String.fetchOne(db, sql: "PRAGMA locking_mode = EXCLUSIVE")
      _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
      try db.execute(sql: "PRAGMA synchronous = NORMAL")
    }
    return try DatabaseQueue(path: path, configuration: configuration)
  }

  private static func explained(_ error: any Error, _ path: String, _ purpose: Purpose) -> NetError {
    let message = (error as? DatabaseError)?.message ?? "\(error)"
    return NetError(.storage, path, "\(purpose.isBroken): \(message)", hint: purpose.hint)
  }

  /// Runs in one transaction.
  func write<T>(_ body: (Database) throws -> T) throws(NetError) -> T {
    do { return try queue.write(body) } catch { throw Self.explained(error, path, purpose) }
  }

  func read<T>(_ body: (Database) throws -> T) throws(NetError) -> T {
    do { return try queue.read(body) } catch { throw Self.explained(error, path, purpose) }
  }
}
