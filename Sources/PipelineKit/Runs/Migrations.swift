internal import GRDB

/// The schema history of the database. Migrations are named and append-only.
enum Migrations {
  /// The columns of every table after all migrations.
  static let columns = [
    ("runs", "id, document, name, arguments, started, ended, state"),
    ("nodes", "id, stage, fingerprint, identity, run, begun, sealed, manifest"),
    ("tasks", "node, phase, key, fingerprint, run, attempts, milliseconds, finished, reused, manifest"),
    ("verdicts", "run, stage, verdict, reasons, at"), ("failures", "run, stage, phase, key, attempt, message, at"),
    ("digests", "path, bytes, modified, changed, inode, digest"), ("newest", "pipeline, stage, node, at"),
    ("phases", "node, phase, tasks"), ("damages", "node, message, at"),
    ("uses", "run, stage, fingerprint, ledger, outputs"),
    ("taskVerdicts", "pipeline, stage, phase, place, key, run, verdict, reasons, identity"),
    ("taskUsages", "stage, phase, key, run, attempt, host, job, milliseconds, processor, peak, memory, cores"),
  ]

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 runs, nodes, tasks, verdicts, digests") { db in
      try db.execute(
        sql: """
          CREATE TABLE runs (
            id INTEGER PRIMARY KEY, document TEXT NOT NULL, name TEXT NOT NULL, arguments TEXT NOT NULL,
            started INTEGER NOT NULL, ended INTEGER, state TEXT NOT NULL);
          CREATE TABLE nodes (
            id INTEGER PRIMARY KEY, stage TEXT NOT NULL, fingerprint TEXT NOT NULL, identity TEXT NOT NULL,
            run INTEGER NOT NULL REFERENCES runs(id), begun INTEGER NOT NULL, sealed INTEGER, manifest TEXT,
            UNIQUE (stage, fingerprint));
          CREATE INDEX nodes_by_sealing ON nodes (stage, sealed);
          CREATE TABLE tasks (
            node INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE, phase TEXT NOT NULL, key TEXT NOT NULL,
            fingerprint TEXT NOT NULL, run INTEGER NOT NULL, attempts INTEGER NOT NULL, milliseconds INTEGER NOT NULL,
            finished INTEGER NOT NULL, reused INTEGER NOT NULL DEFAULT 0, manifest TEXT NOT NULL,
            PRIMARY KEY (node, phase, key)) WITHOUT ROWID;
          CREATE INDEX tasks_by_fingerprint ON tasks (fingerprint);
          CREATE TABLE verdicts (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, stage TEXT NOT NULL, verdict TEXT NOT NULL,
            reasons TEXT NOT NULL, at INTEGER NOT NULL);
          CREATE TABLE failures (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, stage TEXT NOT NULL, phase TEXT NOT NULL,
            key TEXT NOT NULL, attempt INTEGER NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL);
          CREATE TABLE digests (
            path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, modified INTEGER NOT NULL, inode INTEGER NOT NULL,
            digest TEXT NOT NULL) WITHOUT ROWID;
          """)
    }
    migrator.registerMigration("2 newest nodes by pipeline, phases, damages") { db in
      try db.execute(
        sql: """
          CREATE TABLE newest (
            pipeline TEXT NOT NULL, stage TEXT NOT NULL, node INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
            at INTEGER NOT NULL, PRIMARY KEY (pipeline, stage, node)) WITHOUT ROWID;
          CREATE INDEX newest_by_node ON newest (node);
          CREATE TABLE phases (
            node INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE, phase TEXT NOT NULL, tasks INTEGER NOT NULL,
            PRIMARY KEY (node, phase)) WITHOUT ROWID;
          CREATE TABLE damages (
            node INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE, message TEXT NOT NULL, at INTEGER NOT NULL);
          CREATE INDEX damages_by_node ON damages (node);
          """)
    }
    migrator.registerMigration("3 what each run used") { db in
      try db.execute(
        sql: """
          CREATE TABLE uses (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, stage TEXT NOT NULL, fingerprint TEXT NOT NULL,
            ledger TEXT NOT NULL, outputs TEXT NOT NULL, PRIMARY KEY (run, stage)) WITHOUT ROWID;
          """)
    }
    migrator.registerMigration("4 when files changed") { db in
      try db.execute(sql: "ALTER TABLE digests ADD COLUMN changed INTEGER NOT NULL DEFAULT 0")
    }
    migrator.registerMigration("5 why each task ran") { db in
      try db.execute(
        sql: """
          CREATE TABLE taskVerdicts (
            pipeline TEXT NOT NULL, stage TEXT NOT NULL, phase TEXT NOT NULL, place INTEGER NOT NULL, key TEXT NOT NULL,
            run INTEGER NOT NULL, verdict TEXT NOT NULL, reasons TEXT NOT NULL, identity TEXT NOT NULL,
            PRIMARY KEY (pipeline, stage, phase, place)) WITHOUT ROWID;
          """)
    }
    migrator.registerMigration("6 what tasks used on other machines") { db in
      try db.execute(
        sql: """
          CREATE TABLE taskUsages (
            stage TEXT NOT NULL, phase TEXT NOT NULL, key TEXT NOT NULL, run INTEGER NOT NULL, attempt INTEGER NOT NULL,
            host TEXT NOT NULL, job TEXT NOT NULL, milliseconds INTEGER NOT NULL, processor INTEGER NOT NULL,
            peak INTEGER NOT NULL, memory INTEGER NOT NULL, cores INTEGER NOT NULL,
            PRIMARY KEY (stage, phase, key, run, attempt)) WITHOUT ROWID;
          """)
    }
    return migrator
  }
}
