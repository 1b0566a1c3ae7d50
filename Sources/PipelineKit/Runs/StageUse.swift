internal import GRDB
public import ShardKit

/// The output of a stage that a run made or found fresh. Stored with the run, so that runs can be compared after the
/// artifact itself has been pruned.
public struct StageUse: Equatable, Sendable {
  public struct Output: Equatable, Sendable {
    public var port: String
    public var digest: Digest
    public var files: Int
    public var documents: Int
    public var bytes: Int64
  }

  public var stage: String
  public var fingerprint: Digest
  public var ledger: Ledger
  /// The outputs that can be wired, sorted by name.
  public var outputs: [Output]
}

extension RunStore {
  /// The run with this number; nil if there is none.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func run(_ id: Int64) throws -> Run? {
    try read { db in try Row.fetchOne(db, sql: "SELECT * FROM runs WHERE id = ?", arguments: [id]).map(Self.run) }
  }

  func recordUse(_ manifest: NodeManifest, run: Int64) throws {
    let ports = Set(manifest.files.map(\.port)).subtracting([
      Workspace.idsPort, Workspace.dropsPort, Workspace.notesPort,
    ]).sorted()
    let outputs: [JSONValue] = ports.map { port in
      let files = manifest.files(of: port)
      return [
        "port": .string(port), "digest": .string(manifest.digest(of: port).hex), "files": .integer(files.count),
        "documents": .integer(files.reduce(0) { $0 + $1.documents }),
        "bytes": .integer(Int(files.reduce(0) { $0 + $1.bytes })),
      ]
    }
    try write {
      try $0.execute(
        sql: "INSERT OR REPLACE INTO uses (run, stage, fingerprint, ledger, outputs) VALUES (?, ?, ?, ?, ?)",
        arguments: [
          run, manifest.stage, manifest.fingerprint.hex, manifest.ledger.json.text(), JSONValue.list(outputs).text(),
        ])
    }
  }

  /// The outputs a run used, by stage. Empty for runs recorded by older versions.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func uses(run: Int64) throws -> [StageUse] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM uses WHERE run = ? ORDER BY stage", arguments: [run])
        .compactMap(StageUse.init)
    }
  }
}

extension StageUse {
  fileprivate init?(_ row: Row) throws {
    let fingerprint: String = try row.stored("fingerprint")
    let ledger: String = try row.stored("ledger")
    let outputs: String = try row.stored("outputs")
    guard let digest = Digest(hex: fingerprint),
      let counts = (try? JSONValue.parse(ledger)).flatMap({ try? Ledger(json: $0.value) }),
      let list = (try? JSONValue.parse(outputs))?.value.array
    else { return nil }
    self.init(stage: try row.stored("stage"), fingerprint: digest, ledger: counts, outputs: [])
    for item in list {
      guard let port = item["port"]?.string, let digest = item["digest"]?.string.flatMap(Digest.init(hex:)) else {
        return nil
      }
      self.outputs.append(
        Output(
          port: port, digest: digest, files: item["files"]?.integer ?? 0, documents: item["documents"]?.integer ?? 0,
          bytes: Int64(item["bytes"]?.integer ?? 0)))
    }
  }
}
