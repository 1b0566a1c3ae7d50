internal import GRDB
import Glibc
import ShardKit

/// Opens the database of a store: to write, to look at where nothing can be written, or anew where it is damaged.
struct StoreOpening {
  struct Opened {
    var database: any DatabaseWriter
    var isReadOnly = false
    var damaged: String?
  }

  let root: String
  private var path: String { root + "/pipeline.sqlite" }

  func open(creating: Bool) throws -> Opened {
    if !creating, !FileSystem.exists(path) { return Opened(database: try empty()) }
    if !creating, !isWritable { return Opened(database: try copied(), isReadOnly: true) }
    try FileSystem.makeDirectory(root)
    // Processes that open at once would each find the migration to do, and all but one of them a database that is not
    // the one they looked at.
    let lock = try OpeningLock(root: root)
    defer { withExtendedLifetime(lock) {} }
    if let database = try sound() { return Opened(database: database) }
    // An older pipeline, which knows no lock, may just have been at it.
    usleep(200_000)
    do { return Opened(database: try connected()) } catch let error as RunError where error.code == .damaged {
      guard creating else { throw error }
      let moved = try moveAway()
      return Opened(database: try connected(), damaged: moved)
    }
  }

  /// Nil where it is damaged.
  private func sound() throws -> (any DatabaseWriter)? {
    do { return try connected() } catch let error as RunError where error.code == .damaged { return nil }
  }

  /// A store that is not there holds nothing; a folder that cannot be reached is an error.
  private func empty() throws -> any DatabaseWriter {
    var status = stat()
    if lstat(root, &status) == 0, !FileSystem.exists(root) {
      throw ShardError(
        .notFound, root, "the store is a link to nothing", hint: "Make the folder that it names, or remove the link.")
    }
    let queue = try DatabaseQueue()
    try Migrations.migrator.migrate(queue)
    return queue
  }

  private var isWritable: Bool { access(root, W_OK) == 0 && access(path, W_OK) == 0 }

  private func connected() throws -> any DatabaseWriter {
    let until = monotonicNanoseconds() + 10_000_000_000
    while true {
      do { return try connectedOnce() } catch let error as DatabaseError
        where error.resultCode == .SQLITE_BUSY && monotonicNanoseconds() < until
      {
        // Turning the log on and recovering it do not wait for other processes.
        usleep(50_000)
      } catch {
        throw Self.isOurs(error) ? error : Self.openingError(error, path)
      }
    }
  }

  private func connectedOnce() throws -> any DatabaseWriter {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = NORMAL") }
    let pool = try DatabasePool(path: path, configuration: configuration)
    try prepare(pool)
    return pool
  }

  private func prepare(_ database: any DatabaseWriter) throws {
    let migrator = Migrations.migrator
    if try database.read({ try migrator.hasBeenSuperseded($0) }) {
      throw RunError(
        .newerStore, "the store \(root) was written by a newer pipeline",
        hint: "Update pipeline, or name another store with --store.")
    }
    do { try migrator.migrate(database) } catch let error as DatabaseError where error.resultCode == .SQLITE_ERROR {
      // What a migration makes is there already, or what it changes is not: the record of migrations is wrong.
      throw Self.damaged(path, error.message ?? "a migration fails")
    }
    try database.read { db in
      for (table, columns) in Migrations.columns {
        do { _ = try db.makeStatement(sql: "SELECT \(columns) FROM \(table)") } catch let error as DatabaseError
          where error.resultCode == .SQLITE_ERROR
        {
          throw Self.damaged(path, error.message ?? "the table \(table) is not what it was")
        }
      }
    }
  }

  /// The database in memory, from a copy with its write-ahead log, which SQLite does not read without writing beside it.
  private func copied() throws -> any DatabaseWriter {
    let copy = try FileSystem.makeTemporaryFolder()
    defer { try? FileSystem.removeTree(copy) }
    try copyFiles(to: copy + "/store.sqlite")
    do {
      let memory = try DatabaseQueue()
      try DatabaseQueue(path: copy + "/store.sqlite").backup(to: memory)
      try prepare(memory)
      return memory
    } catch { throw Self.isOurs(error) ? error : Self.openingError(error, path) }
  }

  /// Copies the database and its log as they were at one moment: nothing wrote to them meanwhile.
  private func copyFiles(to target: String) throws {
    let files = ["", "-wal"]
    for _ in 0..<10 {
      let before = files.map { FileSystem.status(path + $0) }
      for suffix in files {
        try FileSystem.remove(target + suffix)
        if FileSystem.exists(path + suffix) { try Self.copyFile(path + suffix, to: target + suffix) }
      }
      if files.map({ FileSystem.status(path + $0) }) == before { return }
      usleep(100_000)
    }
    throw RunError(
      .store, "\(path) is written to all the time, so that no copy of it can be made to look at",
      hint: "Look again when less is going on, or as somebody who may write to the store.")
  }

  /// What is gone meanwhile is not copied.
  private static func copyFile(_ path: String, to target: String) throws(ShardError) {
    do throws(ShardError) {
      let source = try FileSource(path)
      let sink = try FileSink(target)
      try sink.copy(from: source)
      try sink.commit()
    } catch {
      if error.code != .notFound || FileSystem.exists(path) { throw error }
    }
  }

  /// Nothing is deleted: what was there is kept under another name. The log goes first: left beside a new database, it
  /// would be taken for that one's.
  private func moveAway() throws -> String {
    let lock = try StoreLock(root: root)
    defer { withExtendedLifetime(lock) {} }
    var number = 1
    while FileSystem.exists("\(path).damaged-\(number)") { number += 1 }
    let target = "\(path).damaged-\(number)"
    for suffix in ["-wal", "-shm", ""] where FileSystem.exists(path + suffix) {
      try FileSystem.rename(path + suffix, to: target + suffix)
    }
    return target
  }

  private static func isOurs(_ error: any Error) -> Bool { error is RunError || error is ShardError }

  /// What opening ends in: damage only where SQLite finds the file itself wrong.
  private static func openingError(_ error: any Error, _ path: String) -> any Error {
    guard let database = error as? DatabaseError else { return RunError(.store, "\(path) cannot be opened (\(error))") }
    switch database.resultCode {
    case .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH, .SQLITE_CONSTRAINT:
      return RunError(
        .store, "\(path) cannot be opened: \(database.message ?? "SQLite error \(database.resultCode.rawValue)")",
        hint: "Run again; if that is no use, see whether another program writes to it.")
    default: return explained(error, path)
    }
  }

  /// A database's error as a sentence; other errors stay as they are.
  static func explained(_ error: any Error, _ path: String) -> any Error {
    if let error = error as? StoredValueError { return damaged(path, error.description) }
    guard let error = error as? DatabaseError else { return error }
    let message = error.message ?? "SQLite error \(error.resultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_FULL:
      return ShardError(
        .diskFull, path, "cannot be written: no space is left on its disk",
        hint: "Free some space (`pipeline prune`) and run again; finished work is kept.")
    case .SQLITE_IOERR:
      return ShardError(
        .io, path, "cannot be read or written (\(message))",
        hint: "Look at its disk and at the limits of this shell (`ulimit -f`), and run again; finished work is kept.")
    case .SQLITE_NOMEM: return FileSystem.error(path, "cannot be used", number: ENOMEM)
    case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
      return ShardError(
        .permission, path, "cannot be written (\(error.message ?? "no permission"))",
        hint: "Check the owner and permissions of the store, or name another with --store.")
    case .SQLITE_NOTADB, .SQLITE_CORRUPT, .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH, .SQLITE_CONSTRAINT:
      return damaged(path, message)
    default: return RunError(.store, "\(path): \(message)")
    }
  }

  private static func damaged(_ path: String, _ reason: String) -> RunError {
    RunError(
      .damaged, "\(path) is not a database of pipeline, or it is damaged (\(reason))",
      hint: "`pipeline run` moves it away and takes finished artifacts from their manifests; or do so by hand.")
  }
}

/// A column that does not hold what was stored in it.
struct StoredValueError: Error, CustomStringConvertible {
  var column: String
  var description: String { "a row has no usable '\(column)'" }
}

extension Row {
  /// A value of a database that something else may have written to.
  func stored<T: DatabaseValueConvertible>(_ column: String) throws -> T {
    guard let value: T = try storedIfAny(column) else { throw StoredValueError(column: column) }
    return value
  }

  func storedIfAny<T: DatabaseValueConvertible>(_ column: String) throws -> T? {
    guard hasColumn(column) else { throw StoredValueError(column: column) }
    let value: DatabaseValue = self[column]
    if value.isNull { return nil }
    guard let converted = T.fromDatabaseValue(value) else { throw StoredValueError(column: column) }
    return converted
  }
}
