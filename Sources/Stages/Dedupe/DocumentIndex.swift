import PipelineKit
import ShardKit

/// What the choice of kept documents and the reports need to know of a document.
struct IndexEntry: BitwiseCopyable {
  /// XXH3 of the unmodified text.
  var textHash: UInt64
  /// Clamped.
  var textBytes: UInt32
  /// Position of its source in the option `sources`; 0 is best.
  var priority: UInt32
}

/// Writes the index of one input file: for each document its entry and its id, then the table of their offsets and
/// the number of documents. Memory: eight bytes per document.
struct IndexWriter: ~Copyable {
  private let sink: any ByteSink
  private var offsets: [UInt64] = [0]

  init(_ sink: any ByteSink) { self.sink = sink }

  /// Documents so far.
  var count: Int { offsets.count - 1 }

  mutating func append(_ document: borrowing Document, priority: UInt32) throws(ShardError) {
    let entry = IndexEntry(
      textHash: recordHash(document.text), textBytes: UInt32(clamping: document.text.count), priority: priority)
    try sink.write(record: entry)
    try sink.write(document.id)
    offsets.append(offsets.last! + UInt64(MemoryLayout<IndexEntry>.size + document.id.count))
  }

  /// Writes the table; the caller commits the sink.
  func finish() throws(ShardError) {
    try sink.write(records: offsets[...])
    try sink.write(record: UInt64(count))
  }
}

/// Reads an index by random access.
struct IndexReader: Sendable {
  /// Documents in the file.
  let count: Int
  private let file: MappedFile
  private let table: Int

  init(_ path: String) throws(ShardError) {
    file = try MappedFile(path)
    let bytes = file.bytes
    count = bytes.count >= 8 ? Int(clamping: bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self)) : -1
    table = bytes.count - 8 - 8 * min(count + 1, bytes.count)
    guard count >= 0, table >= 0 else {
      throw ShardError(.malformed, path, "is not a document index", hint: "Run 'pipeline verify'.")
    }
  }

  private func offset(_ row: Int) -> Int {
    Int(file.bytes.loadUnaligned(fromByteOffset: table + 8 * row, as: UInt64.self))
  }

  func entry(_ row: Int) -> IndexEntry { file.bytes.loadUnaligned(fromByteOffset: offset(row), as: IndexEntry.self) }

  func id(_ row: Int) -> UnsafeRawBufferPointer {
    let start = offset(row) + MemoryLayout<IndexEntry>.size
    return UnsafeRawBufferPointer(rebasing: file.bytes[start..<offset(row + 1)])
  }

  func release() { file.release() }
}

/// The documents of all input files, numbered consecutively in the order of files and rows.
///
/// The numbers depend on the order of the input, so nothing visible depends on them: wherever documents are ranked,
/// `isBetter` decides.
struct DocumentTable: Sendable {
  let parts: [IndexReader]
  /// The number of each file's first document, then the total.
  let bases: [Int]
  /// The files before those of accepted documents, which are preferred to all others.
  let ownParts: Int

  /// - Parameter accepted: of documents that others are compared with, and that stay themselves.
  init(_ paths: [String], accepted: [String] = []) throws {
    parts = try (paths + accepted).map { try IndexReader($0) }
    ownParts = paths.count
    bases = parts.reduce(into: [0]) { $0.append($0.last! + $1.count) }
    guard count < Int(UInt32.max) else {
      throw StageError(
        .input, "", "\(count) documents exceed the limit of \(UInt32.max) per stage",
        hint: "First deduplicate each source separately.")
    }
  }

  var count: Int { bases.last! }
  /// Without accepted ones.
  var ownCount: Int { bases[ownParts] }

  func isAccepted(_ document: UInt32) -> Bool { Int(document) >= ownCount }

  func locate(_ document: UInt32) -> (part: Int, row: Int) {
    var low = 0
    var high = parts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if bases[middle] <= Int(document) { low = middle } else { high = middle }
    }
    return (low, Int(document) - bases[low])
  }

  func entry(_ document: UInt32) -> IndexEntry {
    let (part, row) = locate(document)
    var entry = parts[part].entry(row)
    if ownParts < parts.count { entry.priority = part < ownParts ? entry.priority + 1 : 0 }
    return entry
  }

  func id(_ document: UInt32) -> UnsafeRawBufferPointer {
    let (part, row) = locate(document)
    return parts[part].id(row)
  }

  /// The id in quotes, for messages.
  func name(_ document: UInt32) -> String { "'\(String(decoding: id(document), as: UTF8.self))'" }

  /// The first five documents, for messages.
  var someNames: [String] { (0..<UInt32(min(5, ownCount))).map(name) }

  /// The order of preference: better source, then longer text, then lower id by bytes. Documents with the same id are
  /// ordered by their text, and if that is equal too, by their number.
  func isBetter(_ a: UInt32, _ b: UInt32) -> Bool {
    let (x, y) = (entry(a), entry(b))
    if x.priority != y.priority { return x.priority < y.priority }
    if x.textBytes != y.textBytes { return x.textBytes > y.textBytes }
    let (idA, idB) = (id(a), id(b))
    if idA.lexicographicallyPrecedes(idB) { return true }
    if idB.lexicographicallyPrecedes(idA) { return false }
    return x.textHash != y.textHash ? x.textHash < y.textHash : a < b
  }

  /// Releases touched pages from the process's memory.
  func release() { for part in parts { part.release() } }
}

/// A document's number in the table, to be sorted; 4 bytes on disk.
struct DocumentNumber: SortableRecord {
  let number: UInt32

  init(_ number: UInt32) { self.number = number }

  var prefix: UInt64 { UInt64(number) }
  static func < (a: DocumentNumber, b: DocumentNumber) -> Bool { a.number < b.number }
}
