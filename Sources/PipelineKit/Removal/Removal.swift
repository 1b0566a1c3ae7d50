import ShardKit

/// Takes documents down: records that the store must not hold them, so that a run leaves them out.
public struct Removal {
  public let graph: Graph
  public let store: RunStore

  public init(graph: Graph, store: RunStore) {
    self.graph = graph
    self.store = store
  }

  /// The ids that an earlier removal has recorded already.
  /// - Throws: `ShardError` if a record cannot be read.
  public func recorded(_ ids: [String]) throws -> [String] {
    let removals = try store.removals()
    return ids.filter { removals.contains(id: Array($0.utf8)) }
  }

  /// Whether the last removal was recorded and has no proof yet: it was interrupted.
  /// - Throws: `ShardError` if the records cannot be listed.
  public func isUnfinished() throws -> Bool {
    guard let name = try RemovalList.names(in: store.root).last else { return false }
    return !FileSystem.exists(RemovalProof.path(store.root, name))
  }

  /// Records the removal of what was found, durably; a run then leaves it out.
  /// - Parameters:
  ///   - reason: why, for the record. `by`: who asked.
  /// - Returns: the name of the record.
  /// - Throws: `RunError` (`.locked`) if a run has the store; `RunError` or `ShardError` if it cannot be written.
  public func record(_ targets: RemovalTargets, reason: String, by: String) throws -> String {
    let lock = try StoreLock(root: store.root)
    defer { withExtendedLifetime(lock) {} }
    let documents = try targets.documents(pipeline: graph.document.name, graph: graph, store: store)
    let record = RemovalRecord(
      pipeline: graph.document.name, at: wallMilliseconds(), by: by, reason: reason, documents: documents)
    let text = try record.text(limit: RemovalList.mostRecordBytes)
    let passages = targets.passages.sorted { $0.key < $1.key }.flatMap { document, passages in
      passages.sorted { ($0.rolling, $0.check) < ($1.rolling, $1.check) }.map { (document, $0) }
    }
    let folder = RemovalList.folder(store.root)
    try FileSystem.makeDirectory(folder)
    let name = try newName(record.at)
    // The record counts once it has its name; passages without one are never read.
    try FileSystem.write(PassageFile(passages).bytes, to: PassageFile.path(store.root, name))
    FaultPoint.reach("removal.passages")
    try FileSystem.write(text, to: "\(folder)/\(name).json")
    try FileSystem.syncDirectory(folder)
    try FileSystem.syncDirectory(store.root)
    FaultPoint.reach("removal.recorded")
    return name
  }

  /// Sorts behind all others.
  private func newName(_ milliseconds: Int) throws -> String {
    let time = CivilTime(secondsSince1970: milliseconds / 1000)
    let stem = "\(time.date(""))-\(time.time(""))"
    let known = Set(try RemovalList.names(in: store.root))
    var number = 0
    while known.contains("\(stem)-\(padded(number, 3))") { number += 1 }
    return "\(stem)-\(padded(number, 3))"
  }
}
