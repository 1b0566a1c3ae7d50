internal import GRDB
public import ShardKit
import Synchronization

/// The database of a store: its runs, finished nodes and tasks, and the reasons for each verdict.
///
/// SQLite in WAL mode, with one short transaction per task. The files on disk are authoritative: lost rows are restored
/// from the manifests, so losing this database loses history but no work.
public final class RunStore: Sendable {
  public let root: String
  public let artifacts: ArtifactStore
  /// The store is read-only; queries use a copy of its database.
  public let isReadOnly: Bool
  /// Where a damaged database was moved before a new one was created.
  public let damagedDatabase: String?
  let database: any DatabaseWriter
  private let isWriting: Bool
  /// Whether a stage's work was begun, so that there is more to lose than the record of a run that did nothing.
  private let hasNews = Atomic(false)
  private let removalCache = Mutex((names: [String](), list: RemovalList()))

  /// Opens a store in a folder.
  /// - Parameters:
  ///   - creating: creates the store if there is none. If false, a missing store counts as empty, and nothing is written
  ///     to disk.
  ///   - replacing: whether a damaged database is replaced if `creating`; finished work is then restored from the
  ///     manifests.
  /// - Throws: `RunError` (`.newerStore`, `.damaged`, `.store`) or `ShardError` if the store cannot be opened.
  public init(root: String, creating: Bool = true, replacing: Bool = true) throws {
    self.root = root
    isWriting = creating
    artifacts = ArtifactStore(root: root)
    let opened = try StoreOpening(root: root).open(creating: creating, replacing: replacing)
    database = opened.database
    isReadOnly = opened.isReadOnly
    damagedDatabase = opened.damaged
  }

  private static let leftOpen = Mutex<[any DatabaseWriter]>([])

  /// Leaves the database open until the process ends, which then ends sooner: closing it would copy its log into it and
  /// wait for the disk twice. Whoever opens it next goes on with the log, which SQLite copies at a thousand pages, and a run that
  /// did something empties.
  public func leaveOpen() { Self.leftOpen.withLock { $0.append(database) } }

  func write<T>(_ body: (Database) throws -> T) throws -> T {
    do { return try database.write(body) } catch { throw explained(error) }
  }

  func read<T>(_ body: (Database) throws -> T) throws -> T {
    do { return try database.read(body) } catch { throw explained(error) }
  }

  func explained(_ error: any Error) -> any Error {
    let opening = StoreOpening(root: root)
    if isWriting, let damage = StoreOpening.damage(error) { opening.mark(damage) }
    return StoreOpening.explained(error, opening.path)
  }

  /// The documents that the store must not hold any more.
  /// - Throws: `ShardError` if the record of a removal cannot be read.
  public func removals() throws -> RemovalList {
    // A record never changes once it has its name.
    let names = try RemovalList.names(in: root)
    return try removalCache.withLock { cache in
      if cache.names != names { cache = (names, try RemovalList(root: root, names: names)) }
      return cache.list
    }
  }

  // MARK: Runs

  public struct Run: Sendable {
    public var id: Int64
    public var document: String
    public var name: String
    public var arguments: String
    public var started: Int
    public var ended: Int?
    /// A run that was killed stays `running` until the next one begins.
    public var state: State

    public enum State: String, Sendable { case running, done, failed, interrupted, killed }
  }

  func beginRun(document: String, name: String, arguments: String) throws -> Int64 {
    try write { db in
      try db.execute(sql: "UPDATE runs SET state = 'killed' WHERE state = 'running'")
      try db.execute(
        sql: "INSERT INTO runs (document, name, arguments, started, state) VALUES (?, ?, ?, ?, 'running')",
        arguments: [document, name, arguments, wallMilliseconds()])
      return db.lastInsertedRowID
    }
  }

  func endRun(_ run: Int64, _ outcome: RunOutcome) throws {
    try write {
      try $0.execute(
        sql: "UPDATE runs SET ended = ?, state = ? WHERE id = ?",
        arguments: [wallMilliseconds(), outcome.rawValue, run])
    }
    if hasNews.load(ordering: .relaxed) { try emptyLog(run) }
  }

  /// What a run did is on the disk when it ends, and not in the log, which whoever opens the database next reads, and which
  /// keeps its size: as large as the largest manifest.
  ///
  /// While another process reads the log, what can be copied of it is, and nobody waits for the end of that. What is
  /// written into an empty log first waits for the disk; a run that does nothing must not, so it is written here.
  private func emptyLog(_ run: Int64) throws {
    let row = try copiedLog()
    // -1 where the database has no log; a log that is not empty has the end of the run.
    guard let row, row["log"] as Int >= 0, row["busy"] as Int == 0 else { return }
    // A value that stays the same is not written.
    try write {
      try $0.execute(
        sql: "UPDATE runs SET ended = max(ended + 1, ?) WHERE id = ?", arguments: [wallMilliseconds(), run])
    }
  }

  private func copiedLog() throws -> Row? {
    do {
      return try database.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA busy_timeout = 0")
        defer { try? db.execute(sql: "PRAGMA busy_timeout = \(StoreOpening.patienceSeconds * 1000)") }
        return try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
      }
    } catch { throw explained(error) }
  }

  /// The newest runs first, of one pipeline or of all.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func runs(last count: Int, pipeline: String? = nil) throws -> [Run] {
    try read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM runs WHERE ?1 IS NULL OR name = ?1 ORDER BY id DESC LIMIT ?2",
        arguments: [pipeline, count]
      ).map(Self.run)
    }
  }

  static func run(_ row: Row) throws -> Run {
    guard let state = Run.State(rawValue: try row.stored("state")) else { throw StoredValueError(column: "state") }
    return Run(
      id: try row.stored("id"), document: try row.stored("document"), name: try row.stored("name"),
      arguments: try row.stored("arguments"), started: try row.stored("started"),
      ended: try row.storedIfAny("ended"), state: state)
  }

  // MARK: Verdicts and failures

  func record(_ verdict: Verdict, stage: String, run: Int64) throws {
    try write {
      try $0.execute(
        sql: "INSERT INTO verdicts (run, stage, verdict, reasons, at) VALUES (?, ?, ?, ?, ?)",
        arguments: [run, stage, verdict.name, JSONValue.strings(verdict.reasons).text(), wallMilliseconds()])
    }
  }

  public struct StoredVerdict: Sendable {
    public var run: Int64
    public var verdict: String
    public var reasons: [String]
    public var at: Int
  }

  /// The newest verdicts on a stage of a pipeline, newest first.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func verdicts(stage: String, pipeline: String, last count: Int) throws -> [StoredVerdict] {
    try read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT verdicts.* FROM verdicts JOIN runs ON runs.id = verdicts.run
          WHERE verdicts.stage = ? AND runs.name = ? ORDER BY verdicts.rowid DESC LIMIT ?
          """, arguments: [stage, pipeline, count]
      ).map { row in
        let reasons: String = try row.stored("reasons")
        return StoredVerdict(
          run: try row.stored("run"), verdict: try row.stored("verdict"),
          reasons: (try? JSONValue.parse(reasons))?.value.array?.compactMap(\.string) ?? [], at: try row.stored("at"))
      }
    }
  }

  func recordFailure(run: Int64, stage: String, phase: String, key: String, attempt: Int, message: String) throws {
    try write {
      try $0.execute(
        sql: "INSERT INTO failures (run, stage, phase, key, attempt, message, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        arguments: [run, stage, phase, key, attempt, message, wallMilliseconds()])
    }
  }

  public struct Failure: Sendable {
    public var run: Int64
    public var stage: String
    public var phase: String
    public var key: String
    public var attempt: Int
    public var message: String
    public var at: Int
  }

  /// The failures of a run's tasks, oldest first.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func failures(run: Int64) throws -> [Failure] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM failures WHERE run = ? ORDER BY rowid", arguments: [run])
        .map(Self.failure)
    }
  }

  /// The last failures of a stage of a pipeline, newest first.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func failures(stage: String, pipeline: String, last count: Int) throws -> [Failure] {
    try read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT failures.* FROM failures JOIN runs ON runs.id = failures.run
          WHERE failures.stage = ? AND runs.name = ? ORDER BY failures.rowid DESC LIMIT ?
          """, arguments: [stage, pipeline, count]
      ).map(Self.failure)
    }
  }

  private static func failure(_ row: Row) throws -> Failure {
    Failure(
      run: try row.stored("run"), stage: try row.stored("stage"), phase: try row.stored("phase"),
      key: try row.stored("key"), attempt: try row.stored("attempt"), message: try row.stored("message"),
      at: try row.stored("at"))
  }

  // MARK: Nodes

  /// A node's row; `manifest` is set when it is sealed.
  public struct Node: Sendable {
    public var id: Int64
    public var stage: String
    public var fingerprint: Digest
    public var identity: NodeIdentity
    public var run: Int64
    public var begun: Int
    public var sealed: Int?
    public var manifest: NodeManifest?
  }

  static func node(_ row: Row) throws -> Node? {
    let fingerprint: String = try row.stored("fingerprint")
    let identity: String = try row.stored("identity")
    let text: String? = try row.storedIfAny("manifest")
    let manifest = text.flatMap(NodeManifest.init(text:))
    // The manifest repeats it.
    guard let digest = Digest(hex: fingerprint), let parts = manifest?.identity ?? NodeIdentity(text: identity)
    else { return nil }
    return Node(
      id: try row.stored("id"), stage: try row.stored("stage"), fingerprint: digest, identity: parts,
      run: try row.stored("run"), begun: try row.stored("begun"), sealed: try row.storedIfAny("sealed"),
      manifest: manifest)
  }

  /// The node of a stage with this fingerprint; nil if there is none.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func node(stage: String, fingerprint: Digest) throws -> Node? {
    try read { db in
      try Row.fetchOne(
        db, sql: "SELECT * FROM nodes WHERE stage = ? AND fingerprint = ?", arguments: [stage, fingerprint.hex]
      ).flatMap(Self.node)
    }
  }

  /// The node of a stage that was sealed last.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func newestSealed(stage: String) throws -> Node? {
    try read { db in
      try Row.fetchOne(
        db, sql: "SELECT * FROM nodes WHERE stage = ? AND sealed IS NOT NULL ORDER BY sealed DESC, id DESC LIMIT 1",
        arguments: [stage]
      ).flatMap(Self.node)
    }
  }

  /// All nodes, oldest first.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func nodes() throws -> [Node] {
    try read { db in try Row.fetchAll(db, sql: "SELECT * FROM nodes ORDER BY id").compactMap(Self.node) }
  }

  func beginNode(stage: String, identity: NodeIdentity, run: Int64) throws -> Int64 {
    hasNews.store(true, ordering: .relaxed)
    return try write { db in
      let fingerprint = identity.fingerprint.hex
      if let id = try Int64.fetchOne(
        db, sql: "SELECT id FROM nodes WHERE stage = ? AND fingerprint = ?", arguments: [stage, fingerprint])
      {
        try db.execute(
          sql: "UPDATE nodes SET sealed = NULL, manifest = NULL, run = ? WHERE id = ?", arguments: [run, id])
        return id
      }
      try db.execute(
        sql: "INSERT INTO nodes (stage, fingerprint, identity, run, begun) VALUES (?, ?, ?, ?, ?)",
        arguments: [stage, fingerprint, identity.text, run, wallMilliseconds()])
      return db.lastInsertedRowID
    }
  }

  func sealNode(_ id: Int64, manifest: NodeManifest, pipeline: String) throws {
    let now = wallMilliseconds()
    let text = String(decoding: manifest.text(), as: UTF8.self)
    try write {
      try $0.execute(
        sql: "UPDATE nodes SET sealed = ?, manifest = ? WHERE id = ?", arguments: [now, text, id])
      try $0.execute(sql: "DELETE FROM damages WHERE node = ?", arguments: [id])
      try $0.execute(
        sql: "INSERT OR REPLACE INTO newest (pipeline, stage, node, at) VALUES (?, ?, ?, ?)",
        arguments: [pipeline, manifest.stage, id, now])
    }
    FaultPoint.reach("stage.committed")
  }

  func removeNode(_ id: Int64) throws {
    try write { try $0.execute(sql: "DELETE FROM nodes WHERE id = ?", arguments: [id]) }
  }

  // MARK: Tasks

  public struct TaskRow: Sendable {
    public var phase: String
    public var key: String
    public var fingerprint: Digest
    public var run: Int64
    public var attempts: Int
    public var milliseconds: Int
    public var finished: Int
    public var reused: Bool
    public var manifest: TaskManifest
  }

  static func task(_ row: Row) throws -> TaskRow? {
    let manifest: String = try row.stored("manifest")
    guard let parsed = (try? JSONValue.parse(manifest)).flatMap({ try? TaskManifest(json: $0.value) }) else {
      return nil
    }
    return TaskRow(
      phase: try row.stored("phase"), key: try row.stored("key"), fingerprint: parsed.fingerprint,
      run: try row.stored("run"), attempts: try row.stored("attempts"), milliseconds: try row.stored("milliseconds"),
      finished: try row.stored("finished"), reused: try row.stored("reused"), manifest: parsed)
  }

  /// The finished tasks of a node, by phase and key.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func tasks(node: Int64) throws -> [TaskRow] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM tasks WHERE node = ? ORDER BY phase, key", arguments: [node])
        .compactMap(Self.task)
    }
  }

  /// A task of the same stage with the same work, possibly of an older node.
  func taskElsewhere(stage: String, fingerprint: Digest) throws -> (node: Digest, manifest: TaskManifest)? {
    try read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT tasks.*, nodes.fingerprint AS nodeFingerprint FROM tasks JOIN nodes ON nodes.id = tasks.node
          WHERE tasks.fingerprint = ? AND nodes.stage = ? ORDER BY nodes.id DESC
          """, arguments: [fingerprint.hex, stage])
      for row in rows {
        let node: String = try row.stored("nodeFingerprint")
        if let digest = Digest(hex: node), let task = try Self.task(row) { return (digest, task.manifest) }
      }
      return nil
    }
  }

  func commitTask(
    node: Int64, run: Int64, manifest: TaskManifest, attempts: Int, milliseconds: Int, reused: Bool = false
  ) throws {
    try write {
      try $0.execute(
        sql: """
          INSERT OR REPLACE INTO tasks
            (node, phase, key, fingerprint, run, attempts, milliseconds, finished, reused, manifest)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          node, manifest.phase, manifest.key, manifest.fingerprint.hex, run, attempts, milliseconds,
          wallMilliseconds(), reused, manifest.json.text(),
        ])
    }
    FaultPoint.reach("task.committed")
  }

  func removeTasks(node: Int64) throws {
    try write { try $0.execute(sql: "DELETE FROM tasks WHERE node = ?", arguments: [node]) }
  }
}
