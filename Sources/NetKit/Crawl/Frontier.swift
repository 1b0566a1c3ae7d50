internal import GRDB
import ShardKit

/// The state of a crawl: every URL with its result, in SQLite (WAL, named migrations, one transaction per response).
///
/// The responses themselves are in WARC files, which are authoritative: `sound` is the recorded length of each file,
/// and records after it are added when the crawl is opened. Only one crawl at a time uses the folder.
public final class Frontier {
  private let database: StateDatabase

  private static let purpose = StateDatabase.Purpose(
    file: "frontier.sqlite", isTaken: "another crawl is using this folder",
    isBroken: "the crawl's database cannot be used",
    hint: "If the file is damaged, move it away: it is rebuilt from the archive next to it.")

  /// Opens the state of a crawl, or begins one.
  /// - Throws: `NetError` (`.storage`) if another crawl uses the folder, or it or its database cannot be used.
  public init(folder: String) throws(NetError) {
    database = try StateDatabase(folder: folder, Self.purpose, Self.migrator)
  }

  /// Append-only: existing migrations are never edited.
  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 visits, files, robots") { db in
      try db.execute(
        sql: """
          CREATE TABLE visits (
            url TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, version TEXT, status INTEGER, etag TEXT,
            last_modified TEXT, digest TEXT, previous_digest TEXT, bytes INTEGER NOT NULL, asked_at INTEGER,
            file TEXT, file_offset INTEGER, file_bytes INTEGER, record TEXT, record_date TEXT,
            attempts INTEGER NOT NULL, next_try INTEGER, failure TEXT, checked_in TEXT, changed_in TEXT, seen_in TEXT
          ) WITHOUT ROWID;
          CREATE INDEX visits_by_kind ON visits (kind, state);
          CREATE TABLE files (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
          CREATE TABLE robots (origin TEXT PRIMARY KEY, asked_at INTEGER NOT NULL, text TEXT) WITHOUT ROWID;
          """)
    }
    return migrator
  }

  // MARK: Visits

  /// The visit of a URL; nil if it is unknown.
  /// - Throws: `NetError` (`.storage`) if the crawl's database cannot be read.
  public func visit(_ url: String) throws(NetError) -> Visit? {
    try database.read { db in
      try Row.fetchOne(db, sql: "SELECT * FROM visits WHERE url = ?", arguments: [url]).map(Visit.init(row:))
    }
  }

  /// All visits of a kind, sorted by URL.
  /// - Throws: `NetError` (`.storage`) if the crawl's database cannot be read.
  public func visits(kind: String) throws(NetError) -> [Visit] {
    try database.read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM visits WHERE kind = ? ORDER BY url", arguments: [kind])
        .map(Visit.init(row:))
    }
  }

  /// Writes a visit and the length of its archive file in one transaction.
  func record(_ visit: Visit, end: WARCLocation? = nil) throws(NetError) {
    try database.write { db in
      try db.execute(
        sql: "INSERT OR REPLACE INTO visits VALUES (\(Self.marks))", arguments: StatementArguments(visit.values))
      if let end { try Self.setSound(db, end.file, end.offset + end.bytes) }
    }
  }

  private static let marks = Array(repeating: "?", count: 22).joined(separator: ", ")

  /// Records that a pass lists these URLs.
  func see(_ urls: [String], pass: String) throws(NetError) {
    try database.write { db in
      for url in urls {
        try db.execute(sql: "UPDATE visits SET seen_in = ? WHERE url = ?", arguments: [pass, url])
      }
    }
  }

  /// Marks URLs that a finished pass did not list. They are requested again if they are listed later.
  func markDisappeared(kind: String, pass: String, among isOfListing: (String) -> Bool) throws(NetError) {
    try database.write { db in
      let urls = try String.fetchAll(
        db, sql: "SELECT url FROM visits WHERE kind = ? AND state <> 'disappeared' AND seen_in IS NOT ?",
        arguments: [kind, pass])
      for url in urls where isOfListing(url) {
        try db.execute(
          sql: "UPDATE visits SET state = 'disappeared', checked_in = ?, version = NULL WHERE url = ?",
          arguments: [pass, url])
      }
    }
  }

  // MARK: Archive files

  /// The recorded length of each archive file, by name.
  func sound() throws(NetError) -> [String: Int64] {
    try database.read { db in
      let rows = try Row.fetchAll(db, sql: "SELECT name, bytes FROM files")
      return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"] as String, $0["bytes"] as Int64) })
    }
  }

  private static func setSound(_ db: Database, _ name: String, _ bytes: Int64) throws {
    try db.execute(
      sql: "INSERT INTO files VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET bytes = max(bytes, excluded.bytes)",
      arguments: [name, bytes])
  }

  /// Removes content beyond the end of a file (after a disk lost synced data), so that it is requested again.
  func forget(behind bytes: Int64, of file: String) throws(NetError) {
    try database.write { db in
      try db.execute(
        sql: """
          UPDATE visits SET state = 'pending', version = NULL, etag = NULL, last_modified = NULL, digest = NULL,
            checked_in = NULL, file = NULL
          WHERE file = ? AND file_offset + file_bytes > ?
          """, arguments: [file, bytes])
      try db.execute(sql: "UPDATE files SET bytes = ? WHERE name = ?", arguments: [bytes, file])
    }
  }
}

// MARK: robots.txt

extension Frontier: RobotsStore {
  func robots(of origin: String) throws(NetError) -> RobotsVerdict? {
    try database.read { db in
      try Row.fetchOne(db, sql: "SELECT asked_at, text FROM robots WHERE origin = ?", arguments: [origin]).map {
        RobotsVerdict(askedAt: $0["asked_at"], text: ($0["text"] as String?).map { Array($0.utf8) })
      }
    }
  }

  func setRobots(_ verdict: RobotsVerdict, of origin: String) throws(NetError) {
    try database.write { db in
      try db.execute(
        sql: "INSERT OR REPLACE INTO robots VALUES (?, ?, ?)",
        arguments: [origin, verdict.askedAt, verdict.text.map { String(decoding: $0, as: UTF8.self) }])
    }
  }
}

// MARK: Rows

extension Visit {
  fileprivate init(row: Row) {
    self.init(url: row["url"], kind: row["kind"])
    state = State(rawValue: row["state"]) ?? .pending
    version = row["version"]
    status = row["status"]
    validators = Validators(etag: row["etag"], lastModified: row["last_modified"])
    digest = row["digest"]
    previousDigest = row["previous_digest"]
    bytes = row["bytes"]
    askedAt = row["asked_at"]
    if let file = row["file"] as String?, let offset = row["file_offset"] as Int64? {
      location = WARCLocation(file: file, offset: offset, bytes: row["file_bytes"])
    }
    recordID = row["record"]
    recordDate = row["record_date"]
    attempts = row["attempts"]
    nextTry = row["next_try"]
    failure = row["failure"]
    checkedIn = row["checked_in"]
    changedIn = row["changed_in"]
    seenIn = row["seen_in"]
  }

  fileprivate var values: [(any DatabaseValueConvertible)?] {
    [
      url, kind, state.rawValue, version, status, validators.etag, validators.lastModified, digest, previousDigest,
      bytes, askedAt, location?.file, location?.offset, location?.bytes, recordID, recordDate, attempts, nextTry,
      failure, checkedIn, changedIn, seenIn,
    ]
  }
}
