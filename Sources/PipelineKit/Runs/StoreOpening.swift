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
    do { return Opened(database: try connected()) } catch let error as RunError where error.code == .damaged {
      guard creating else { throw error }
      let moved = try moveAway()
      return Opened(database: try connected(), damaged: moved)
    }
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
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(10)
      configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = NORMAL") }
      let pool = try DatabasePool(path: path, configuration: configuration)
      try prepare(pool)
      return pool
    } catch { throw Self.explained(error, path) }
  }

  private func prepare(_ database: any DatabaseWriter) throws {
    let migrator = Migrations.migrator
    if try database.read({ try migrator.hasBeenSuperseded($0) }) {
      throw RunError(
        .newerStore, "the store \(root) was written by a newer pipeline",
        hint: "Update pipeline, or name another store with --store.")
    }
    try migrator.migrate(database)
    try database.read { db in
      for (table, columns) in Migrations.columns {
        _ = try db.makeStatement(sql: "SELECT \(columns) FROM \(table)")
      }
    }
  }

  /// The database in memory, from a copy with its write-ahead log, which SQLite does not read without writing beside it.
  private func copied() throws -> any DatabaseWriter {
    var folder = Array(((getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp") + "/pipeline-XXXXXX").utf8CString)
    guard mkdtemp(&folder) != nil else {
      throw FileSystem.error(path, "is read-only, and there is no room for a copy in the temporary folder")
    }
    let copy = String(decoding: folder.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? FileSystem.removeTree(copy) }
    for suffix in ["", "-wal"] where FileSystem.exists(path + suffix) {
      let sink = try FileSink(copy + "/store.sqlite" + suffix)
      try sink.copy(from: FileSource(path + suffix))
      try sink.commit()
    }
    do {
      let memory = try DatabaseQueue()
      try DatabaseQueue(path: copy + "/store.sqlite").backup(to: memory)
      try prepare(memory)
      return memory
    } catch { throw Self.explained(error, path) }
  }

  /// Nothing is deleted: what was there is kept under another name.
  private func moveAway() throws -> String {
    let lock = try StoreLock(root: root)
    defer { withExtendedLifetime(lock) {} }
    var number = 1
    while FileSystem.exists("\(path).damaged-\(number)") { number += 1 }
    let target = "\(path).damaged-\(number)"
    try FileSystem.rename(path, to: target)
    for suffix in ["-wal", "-shm"] where FileSystem.exists(path + suffix) {
      try FileSystem.rename(path + suffix, to: target + suffix)
    }
    return target
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
