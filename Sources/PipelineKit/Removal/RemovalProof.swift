public import ShardKit

/// Whether removed documents are gone: deletes what older outputs still hold of them, and searches the rest.
public struct RemovalProof: Sendable {
  /// What a file is to the store.
  public enum Place: String, Sendable {
    /// The newest output of a stage of some pipeline.
    case output
    /// A download of this pipeline, kept as it came.
    case download
    /// An output that a newer one has replaced, or that was never finished.
    case older
    /// What a stage keeps for itself between runs.
    case state
    case log
    case database
    case other
  }

  public struct Remainder: Sendable, Equatable {
    public var place: Place
    /// Below the store's folder.
    public var path: String
    /// The pipelines whose newest output it is.
    public var pipelines: [String]
    public var documents: Int
    public var ids: Int
    public var passages: Int
  }

  public let at: Int
  public private(set) var search: StoreSearch.Result
  /// Outputs and logs that were deleted because they held a removed document, with the bytes of their files.
  public private(set) var deleted: [(path: String, bytes: Int64)] = []
  /// What still holds a removed document.
  public private(set) var left: [Remainder] = []
  /// Other documents that share passages with removed ones, some of them.
  public private(set) var sharers: Set<String> = []

  /// Whether everything was read, and nothing holds a removed document.
  public var isGone: Bool { left.isEmpty && search.unread.isEmpty }

  /// - Parameter keepsOlder: leaves older outputs and logs as they are, and reports them.
  /// - Parameter decode: as for `StoreSearch`.
  /// - Parameter isStopped: asked often; true ends the search.
  /// - Throws: `RunError` (`.locked`) if a run has the store; `RunError` or `ShardError` if the store cannot be read or
  ///   changed; `StageError` (`.cancelled`) after a request to stop.
  public init(
    graph: Graph, store: RunStore, keepsOlder: Bool = false, jobs: Int = availableProcessors(),
    decode: @escaping StoreSearch.Decoder = { _ in nil },
    isStopped: @escaping @Sendable () -> Bool = { false }
  ) throws {
    let lock = try StoreLock(root: store.root)
    defer { withExtendedLifetime(lock) {} }
    at = wallMilliseconds()
    let searching = StoreSearch(store: store, jobs: jobs, decode: decode)
    search = try searching.run(isStopped: isStopped)
    var map = try StoreMap(graph, store)
    if !keepsOlder {
      deleted = try map.deleteOlder(holding: search.findings)
      FaultPoint.reach("removal.cleaned")
      try store.compact()
      map = try StoreMap(graph, store)
      let again = try searching.run(only: map.databasePaths, isStopped: isStopped)
      search.findings = search.findings.filter { FileSystem.exists($0.path) && !map.databasePaths.contains($0.path) }
      search.findings += again.findings
      search.unread.removeAll { !StoreFiles.isThere($0.path) || map.databasePaths.contains($0.path) }
      search.unread += again.unread
    }
    for finding in search.findings {
      sharers.formUnion(finding.sharers)
      if !finding.documents.isEmpty { left.append(map.remainder(finding)) }
    }
    left.sort { ($0.place.rawValue, $0.path) < ($1.place.rawValue, $1.path) }
  }

  /// Keeps the result next to the record of the last removal.
  /// - Throws: `ShardError` if it cannot be written.
  public func keep(in store: RunStore) throws {
    guard let name = try store.removals().records.last?.name else { return }
    try FileSystem.write(Array(json.prettyText().utf8), to: Self.path(store.root, name))
    try FileSystem.syncDirectory(RemovalList.folder(store.root))
  }

  /// Where the proof of a removal is kept.
  static func path(_ root: String, _ name: String) -> String { "\(RemovalList.folder(root))/\(name).proof.json" }

  public var json: JSONValue {
    [
      "gone": .bool(isGone), "at": .integer(at), "seconds": .number(Double(search.milliseconds) / 1000),
      "files": .integer(search.files), "storedBytes": .integer(Int(search.storedBytes)),
      "searchedBytes": .integer(Int(search.bytes)), "documents": .integer(search.documents),
      "passages": .integer(search.passages),
      "deleted": .list(deleted.map { ["path": .string($0.path), "bytes": .integer(Int($0.bytes))] }),
      "left": .list(
        left.map {
          [
            "place": .string($0.place.rawValue), "path": .string($0.path), "pipelines": .strings($0.pipelines),
            "documents": .integer($0.documents), "ids": .integer($0.ids), "passages": .integer($0.passages),
          ]
        }),
      "unread": .list(search.unread.map { ["path": .string($0.path), "reason": .string($0.reason)] }),
    ]
  }
}

/// What the files of a store are.
private struct StoreMap {
  private struct Node {
    var row: Int64?
    var pipelines: Set<String> = []
    /// Ports of the pipeline at hand with downloads.
    var downloads: Set<String> = []
  }

  private let store: RunStore
  /// By `STAGE/SHORT`.
  private var nodes: [String: Node] = [:]

  var databasePaths: Set<String> { Set(["", "-wal", "-shm"].map { "\(store.root)/pipeline.sqlite\($0)" }) }

  init(_ graph: Graph, _ store: RunStore) throws {
    self.store = store
    let rows = try store.nodes()
    for row in rows { nodes["\(row.stage)/\(row.fingerprint.short)", default: Node()].row = row.id }
    let names = Dictionary(uniqueKeysWithValues: rows.map { ($0.id, "\($0.stage)/\($0.fingerprint.short)") })
    var seen: Set<[String]> = []
    for use in try store.usage() where seen.insert([use.pipeline, use.stage]).inserted {
      if use.pipeline == graph.document.name, graph.index(of: use.stage) == nil { continue }
      guard let name = names[use.node] else { continue }
      nodes[name]?.pipelines.insert(use.pipeline)
      if use.pipeline == graph.document.name, let index = graph.index(of: use.stage), graph.nodes[index].edges.isEmpty {
        let ports = graph.nodes[index].description.outputs.filter { $0.kind == .files }.map(\.name)
        nodes[name]?.downloads.formUnion(ports)
      }
    }
  }

  /// The parts of a path below the store's folder.
  private func parts(_ path: String) -> [String] {
    ArchivePath.parts(String(decoding: path.utf8.dropFirst(store.root.utf8.count + 1), as: UTF8.self))
  }

  private func isOlder(_ parts: [String]) -> Bool {
    guard parts.count > 3, parts[0] == "artifacts" else { return false }
    return nodes["\(parts[1])/\(parts[2])"]?.pipelines.isEmpty ?? true
  }

  func remainder(_ finding: StoreSearch.Finding) -> RemovalProof.Remainder {
    let parts = parts(finding.path)
    let node = parts.count > 3 ? nodes["\(parts[1])/\(parts[2])"] : nil
    let place: RemovalProof.Place =
      switch parts[0] {
      case "artifacts" where isOlder(parts): .older
      case "artifacts" where node?.downloads.contains(parts[3]) ?? false: .download
      case "artifacts": .output
      case "state": .state
      case "logs": .log
      case let name where name.hasPrefix("pipeline.sqlite"): .database
      default: .other
      }
    return RemovalProof.Remainder(
      place: place, path: parts.joined(separator: "/"), pipelines: (node?.pipelines ?? []).sorted(),
      documents: finding.documents.count, ids: finding.ids, passages: finding.passages)
  }

  /// Deletes the older outputs and the logs that hold a removed document, under any of their names.
  func deleteOlder(holding findings: [StoreSearch.Finding]) throws -> [(path: String, bytes: Int64)] {
    var out: [(path: String, bytes: Int64)] = []
    var folders: Set<String> = []
    for finding in findings where !finding.documents.isEmpty {
      for name in finding.names {
        let parts = parts(name)
        if parts[0] == "logs" {
          out.append((parts.joined(separator: "/"), FileSystem.status(name)?.bytes ?? 0))
          try FileSystem.remove(name)
        } else if isOlder(parts) {
          folders.insert("\(parts[1])/\(parts[2])")
        }
      }
    }
    for folder in folders.sorted() {
      let path = "\(store.root)/artifacts/\(folder)"
      out.append(("artifacts/\(folder)", try Self.bytes(path)))
      try Pruning.delete(path, row: nodes[folder]?.row, store)
    }
    return out
  }

  private static func bytes(_ folder: String) throws -> Int64 {
    var seen: Set<UInt64> = []
    return try FileSystem.walk(folder, hidden: true, others: .passedOver).reduce(0) { sum, name in
      guard let status = FileSystem.status("\(folder)/\(name)"), seen.insert(status.inode).inserted else { return sum }
      return sum + status.bytes
    }
  }
}
