internal import GRDB
import Glibc
import ShardKit

/// Opens the database of a store: for writing, read-only, or as a new one that replaces a damaged one.
struct StoreOpening {
  struct Opened {
    var database: any DatabaseWriter
    var isReadOnly = false
    var damaged: String?
  }

  /// How long other processes that use the database are waited for.
  static let patienceSeconds = 10

  let root: String
  var path: String { root + "/pipeline.sqlite" }

  /// - Parameters:
  ///   - creating: for writing.
  ///   - replacing: whether a new database may replace a damaged one.
  func open(creating: Bool, replacing: Bool) throws -> Opened {
    if !creating, !FileSystem.exists(path) { return Opened(database: try empty()) }
    if !creating, !isWritable { return Opened(database: try copied(), isReadOnly: true) }
    try FileSystem.makeDirectory(root)
    // Without the lock, processes that open the database at once would each start the migration, and all but one would
    // fail.
    let lock = try OpeningLock(root: root)
    defer { withExtendedLifetime(lock) {} }
    if creating {
      if let damage = markedDamage {
        guard replacing else { throw Self.damaged(path, damage) }
        return try replaced()
      }
      try removeMark()
    }
    if let database = try sound() { return Opened(database: database) }
    // An older version of pipeline, which does not use this lock, may have just migrated it.
    usleep(200_000)
    do { return Opened(database: try connected()) } catch let error as RunError where error.code == .damaged {
      guard creating, replacing else { throw error }
      return try replaced()
    }
  }

  private func replaced() throws -> Opened {
    let moved = try moveAway()
    return Opened(database: try connected(), damaged: moved)
  }

  /// Nil if it is damaged.
  private func sound() throws -> (any DatabaseWriter)? {
    do { return try connected() } catch let error as RunError where error.code == .damaged { return nil }
  }

  /// A missing store counts as empty; a folder that cannot be accessed is an error.
  private func empty() throws -> any DatabaseWriter {
    var status = stat()
    if lstat(root, &status) == 0, !FileSystem.exists(root) {
      throw ShardError(
        .notFound, root, "the store is a dangling symbolic link",
        hint: "Create the folder that it points to, or remove the link.")
    }
    let queue = try DatabaseQueue()
    try Migrations.migrator.migrate(queue)
    return queue
  }

  private var isWritable: Bool { access(root, W_OK) == 0 && access(path, W_OK) == 0 }

  private func connected() throws -> any DatabaseWriter {
    let until = monotonicNanoseconds() + Self.patienceSeconds * 1_000_000_000
    while true {
      do { return try connectedOnce() } catch let error as DatabaseError
        where error.resultCode == .SQLITE_BUSY && monotonicNanoseconds() < until
      {
        // Switching to WAL mode and recovering the log do not wait for other processes.
        usleep(50_000)
      } catch {
        throw Self.isOurs(error) ? error : Self.openingError(error, path)
      }
    }
  }

  private func connectedOnce() throws -> any DatabaseWriter {
    var configuration = Configuration()
    configuration.busyMode = .timeout(Double(Self.patienceSeconds))
    if FileSystemKind.isNetwork(root) { return try connectedWithoutLog(configuration) }
    // One connection: GRDB's pool of them writes, and waits for the disk, to open a database that nobody else has open.
    configuration.prepareDatabase { db in
      _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
      try db.execute(sql: "PRAGMA synchronous = NORMAL")
    }
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    try prepare(queue)
    return queue
  }

  /// A write-ahead log needs memory that all readers share, which machines do not.
  private func connectedWithoutLog(_ configuration: Configuration) throws -> any DatabaseWriter {
    var configuration = configuration
    configuration.prepareDatabase { db in
      // Left over where the store was moved from a local disk.
      _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
      try db.execute(sql: "PRAGMA synchronous = NORMAL")
    }
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    try prepare(queue)
    return queue
  }

  private func prepare(_ database: any DatabaseWriter) throws {
    let migrator = Migrations.migrator
    if try database.read({ try migrator.hasBeenSuperseded($0) }) {
      throw RunError(
        .newerStore, "the store \(root) was written by a newer version of pipeline",
        hint: "Update pipeline, or name another store with --store.")
    }
    do { try migrator.migrate(database) } catch let error as DatabaseError where error.resultCode == .SQLITE_ERROR {
      // What a migration creates already exists, or what it changes does not: the record of migrations is wrong.
      throw Self.damaged(path, error.message ?? "a migration failed")
    }
    try database.read { db in
      for (table, columns) in Migrations.columns {
        do { _ = try db.makeStatement(sql: "SELECT \(columns) FROM \(table)") } catch let error as DatabaseError
          where error.resultCode == .SQLITE_ERROR
        {
          throw Self.damaged(path, error.message ?? "the table \(table) has unexpected columns")
        }
      }
    }
  }

  /// An in-memory copy of the database and its write-ahead log, which SQLite cannot read without writing next to it.
  private func copied() throws -> any DatabaseWriter {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let copy = folder.path
    try copyFiles(to: copy + "/store.sqlite")
    do {
      let memory = try DatabaseQueue()
      try DatabaseQueue(path: copy + "/store.sqlite").backup(to: memory)
      try prepare(memory)
      return memory
    } catch { throw Self.isOurs(error) ? error : Self.openingError(error, path) }
  }

  /// Copies the database and its log as of one moment: nothing wrote to them meanwhile.
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
      .store, "\(path) is being written to constantly, so it cannot be copied for reading",
      hint: "Try again when there is less activity, or as a user who may write to the store.")
  }

  /// Files that have disappeared meanwhile are not copied.
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

  private static func isOurs(_ error: any Error) -> Bool { error is RunError || error is ShardError }

  /// Classifies an error of opening: damage only if SQLite finds the file itself invalid.
  private static func openingError(_ error: any Error, _ path: String) -> any Error {
    guard let database = error as? DatabaseError else {
      let known = explained(error, path)
      return isOurs(known) ? known : RunError(.store, "\(path) cannot be opened (\(error))")
    }
    switch database.resultCode {
    case .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH, .SQLITE_CONSTRAINT:
      return RunError(
        .store, "\(path) cannot be opened: \(database.message ?? "SQLite error \(database.resultCode.rawValue)")",
        hint: "Run again; if that fails, check whether another program writes to it.")
    default: return explained(error, path)
    }
  }

  /// Turns a database error into a message; other errors are unchanged.
  static func explained(_ error: any Error, _ path: String) -> any Error {
    if let damage = damage(error) { return damaged(path, damage) }
    guard let error = error as? DatabaseError else { return error }
    let message = error.message ?? "SQLite error \(error.resultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_FULL:
      return ShardError(
        .diskFull, path, "cannot be written: its disk is full",
        hint: "Free some space (`pipeline prune`) and run again; finished work is kept.")
    case .SQLITE_IOERR:
      return ShardError(
        .io, path, "cannot be read or written (\(message))",
        hint: "Check its disk and the limits of this shell (`ulimit -f`), and run again; finished work is kept.")
    case .SQLITE_NOMEM: return FileSystem.error(path, "cannot be used", number: ENOMEM)
    case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
      return ShardError(
        .permission, path, "cannot be written (\(error.message ?? "no permission"))",
        hint: "Check the owner and permissions of the store, or choose another store with --store.")
    case .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH, .SQLITE_CONSTRAINT:
      return damaged(path, message)
    default: return RunError(.store, "\(path): \(message)")
    }
  }

  private static func damaged(_ path: String, _ reason: String) -> RunError {
    RunError(
      .damaged, "\(path) is not a pipeline database, or it is damaged (\(reason))",
      hint: "The next `pipeline run` moves it away and restores finished artifacts from their manifests.")
  }
}

/// A column that does not contain the value stored in it.
struct StoredValueError: DescribedError {
  var column: String
  var message: String { "a row has no usable '\(column)'" }
}

extension Row {
  /// A database value that other software may have changed.
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
