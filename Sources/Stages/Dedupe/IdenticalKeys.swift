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
/// The keys are sorted on disk beyond the memory; of a group of documents with equal keys the numbers are held in memory.
struct IdenticalKeys<Record: KeyedDocument> {
  let table: DocumentTable
  let scratch: String
  let memoryBytes: Int

  init(_ workspace: Workspace, index: Output<Signatures>, memory: ByteCount) throws {
    table = try DocumentTable(workspace.files(index).map(\.path))
    scratch = try workspace.temporaryDirectory()
    memoryBytes = SortingMemory(memory, workspace).bytes
  }

  /// Memory for a task over this many documents.
  static func memoryBytes(documents: Int, memory: ByteCount) -> Int {
    SortingMemory.planned(memory, sorting: 4 * MemoryLayout<Record>.stride * documents)
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
    var pages = PageCount(limit: SortingMemory.mappedBytes)
    try forEachGroup(sorter) { a, b in
      if pages.touch(4) { table.release() }
      return isBetter(a, b)
    } body: { group, best in
      for document in group where document != best {
        try duplicates.append(Duplicate(document: document, survivor: best, similarity: Duplicate.whole, isExact: 1))
      }
    }
    var files = DuplicateFiles(workspace, output, table)
    try duplicates.drain { try files.append($0) }
    try files.finish()
  }

  /// Calls `body` with each group of two or more, and the best of it.
  private func forEachGroup(
    _ sorter: ExternalSorter<Record>, isBetter: (Record, Record) -> Bool, body: ([UInt32], UInt32) throws -> Void
  ) throws {
    var group: [UInt32] = [], best: Record?
    func finish() throws { if group.count > 1, let best { try body(group, best.document) } }
    try sorter.drain { next in
      if let first = best, first.key == next.key {
        if isBetter(next, first) { best = next }
      } else {
        try finish()
        group.removeAll(keepingCapacity: true)
        best = next
      }
      group.append(next.document)
    }
    try finish()
  }
}
