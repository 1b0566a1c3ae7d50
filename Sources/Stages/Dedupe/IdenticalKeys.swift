import PipelineKit
import ShardKit

/// A document by what it is compared by, for sorting.
protocol KeyedDocument: SortableRecord {
  associatedtype Key: Equatable
  var key: Key { get }
  var document: UInt32 { get }
}

/// Finds the documents with equal keys, and keeps the best of each group.
///
/// The keys are sorted on disk beyond the memory; a group of documents with equal keys is held in memory.
struct IdenticalKeys<Record: KeyedDocument> {
  let table: DocumentTable
  let scratch: String
  let memoryBytes: Int

  init(_ workspace: Workspace, index: Output<Signatures>, memory: ByteCount) throws {
    table = try DocumentTable(workspace.files(index).map(\.path))
    scratch = try workspace.temporaryDirectory()
    memoryBytes = min(memory.bytes, workspace.memoryBytes)
  }

  /// Memory for a task over this many documents.
  static func memoryBytes(documents: Int, memory: ByteCount) -> Int {
    min(memory.bytes, 4 * MemoryLayout<Record>.stride * documents) + (32 << 20)
  }

  /// - Parameters:
  ///   - fill: adds every document's record.
  ///   - isBetter: whether the first of two documents is rather kept.
  func removeCopies(
    _ workspace: Workspace, to output: Output<Clusters>, fill: (ExternalSorter<Record>) throws -> Void,
    isBetter: (Record, Record) -> Bool
  ) throws {
    let duplicates = ExternalSorter<Duplicate>(scratch: scratch + "/duplicates", memoryBytes: memoryBytes / 2)
    let sorter = ExternalSorter<Record>(scratch: scratch + "/keys", memoryBytes: memoryBytes / 2)
    try fill(sorter)
    try forEachGroup(sorter) { group in
      let best = group.min(by: isBetter)!.document
      for record in group where record.document != best {
        try duplicates.append(
          Duplicate(document: record.document, survivor: best, similarity: Duplicate.whole, isExact: 1))
      }
    }
    var files = DuplicateFiles(workspace, output, table)
    try duplicates.drain { try files.append($0) }
    try files.finish()
  }

  /// Calls `body` with each group of two or more.
  private func forEachGroup(_ sorter: ExternalSorter<Record>, _ body: ([Record]) throws -> Void) throws {
    var group: [Record] = []
    try sorter.drain { next in
      if let last = group.last, last.key != next.key {
        if group.count > 1 { try body(group) }
        group.removeAll(keepingCapacity: true)
      }
      group.append(next)
    }
    if group.count > 1 { try body(group) }
  }
}
