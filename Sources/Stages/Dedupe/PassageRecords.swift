import ShardKit
import TextKit

/// Windows of one document that chose one place (`WindowAnchors`). All records here are little-endian on disk.
struct AnchoredWindows: SortableRecord {
  var key: UInt64
  /// Of the text from the first window's start to the last one's end: windows of equal spans are equal one by one.
  var span: TextIdentity
  var priority: UInt32
  /// Its row in a file of anchors, its number when sorted.
  var document: UInt32
  var first: UInt32
  var count: UInt32

  var prefix: UInt64 { key }
  static func < (a: AnchoredWindows, b: AnchoredWindows) -> Bool {
    if a.key != b.key { return a.key < b.key }
    if a.span != b.span { return a.span < b.span }
    return (a.priority, a.document, a.first) < (b.priority, b.document, b.first)
  }
}

/// Windows that agree with others on a place, but stand between different texts: each has to be compared by itself.
struct OpenWindows: DocumentOrdered {
  var document: UInt32
  var first: UInt32
  var count: UInt32
  /// 1 if the same span stands elsewhere too, so that all of these windows are known to have copies.
  var isRepeated: UInt32
}

/// One window to compare.
struct ComparedWindow: SortableRecord {
  var text: TextIdentity
  var priority: UInt32
  /// Its row in a file of windows, its number when sorted.
  var document: UInt32
  var first: UInt32
  var isRepeated: UInt32

  var prefix: UInt64 { text.high }
  static func < (a: ComparedWindow, b: ComparedWindow) -> Bool {
    if a.text != b.text { return a.text < b.text }
    return (a.priority, a.document, a.first) < (b.priority, b.document, b.first)
  }
}

/// Consecutive windows of a document that stand elsewhere too. Those that name themselves are the kept ones.
struct PassageSpan: DocumentOrdered {
  var document: UInt32
  var first: UInt32
  var count: UInt32
  /// Where the first window's kept copy stands, and after it those of the others.
  var keptDocument: UInt32
  var keptFirst: UInt32

  var isKept: Bool { keptDocument == document && keptFirst == first }

  /// The same windows as the kept ones.
  static func kept(document: UInt32, first: UInt32, count: UInt32) -> PassageSpan {
    PassageSpan(document: document, first: first, count: count, keptDocument: document, keptFirst: first)
  }

  /// Whether the other one continues it, here and where the copy is kept.
  func isContinued(by next: PassageSpan) -> Bool {
    document == next.document && first + count == next.first && keptDocument == next.keptDocument
      && keptFirst + count == next.keptFirst
  }
}

/// A record that belongs to a place of a document.
protocol DocumentOrdered: SortableRecord {
  var document: UInt32 { get }
  var first: UInt32 { get }
}

extension DocumentOrdered {
  var prefix: UInt64 { UInt64(document) << 32 | UInt64(first) }
  static func < (a: Self, b: Self) -> Bool { a.prefix < b.prefix }
}

/// Which share of all keys or hashes a task compares.
struct PassageShare: Codable {
  var part: Int
  var parts: Int

  /// Enough of them that each sorts about `each` bytes, and few, since their results are merged.
  static func all(of bytes: Int, each: Int, atMost most: Int = 32) -> [PassageShare] {
    let parts = min(most, max(1, bytes / each))
    return (0..<parts).map { PassageShare(part: $0, parts: parts) }
  }

  /// Which of some records, sorted by their prefixes, have prefixes in the share.
  func range<Record: SortableRecord>(in records: UnsafeBufferPointer<Record>) -> Range<Int> {
    start(of: part, in: records)..<start(of: part + 1, in: records)
  }

  private func start<Record: SortableRecord>(of part: Int, in records: UnsafeBufferPointer<Record>) -> Int {
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      let own = Int(records[middle].prefix.multipliedFullWidth(by: UInt64(parts)).high)
      if own < part { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Writes spans in order, joined where one continues another.
struct PassageSpanWriter: ~Copyable {
  private let sink: any ByteSink
  private var last: PassageSpan?

  init(_ sink: any ByteSink) { self.sink = sink }

  mutating func append(_ span: PassageSpan) throws(ShardError) {
    if let last, last.isContinued(by: span) {
      self.last!.count += span.count
      return
    }
    try flush()
    last = span
  }

  private mutating func flush() throws(ShardError) {
    if let last { try sink.write(record: last) }
    last = nil
  }

  /// Writes the last one; the caller commits the sink.
  mutating func finish() throws(ShardError) { try flush() }
}

/// The records of some sorted files, in order; files are few.
struct MergedRecords<Record: DocumentOrdered> {
  private var files: [(file: MappedFile, next: Int, end: Int)] = []
  private var sinceRelease = 0

  /// - Parameter documents: the numbers of the documents whose records are wanted; nil: all.
  init(_ paths: [String], documents: Range<Int>? = nil) throws(ShardError) {
    for path in paths {
      let file = try MappedFile(path)
      let records = Self.records(file)
      let start = documents.map { Self.lowerBound(records, UInt64($0.lowerBound) << 32) } ?? 0
      let end = documents.map { Self.lowerBound(records, UInt64($0.upperBound) << 32) } ?? records.count
      files.append((file, start, end))
    }
  }

  private static func records(_ file: MappedFile) -> UnsafeBufferPointer<Record> {
    file.bytes.bindMemory(to: Record.self)
  }

  /// The index of the first record whose prefix is not below `prefix`.
  static func lowerBound(_ records: UnsafeBufferPointer<Record>, _ prefix: UInt64) -> Int {
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      if records[middle].prefix < prefix { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The next record, which `next` returns then.
  var peek: Record? { least.map { Self.records(files[$0].file)[files[$0].next] } }

  private var least: Int? {
    files.indices.filter { files[$0].next < files[$0].end }.min {
      Self.records(files[$0].file)[files[$0].next] < Self.records(files[$1].file)[files[$1].next]
    }
  }

  mutating func next() -> Record? {
    guard let least else { return nil }
    defer { files[least].next += 1 }
    sinceRelease += 1
    if sinceRelease == 1 << 16 {
      sinceRelease = 0
      for file in files { file.file.release() }
    }
    return Self.records(files[least].file)[files[least].next]
  }
}

/// The records of a share, in a file that is sorted, without keeping the file in memory.
func forEachRecord<Record: SortableRecord>(
  of path: String, as _: Record.Type, in share: PassageShare, _ body: (Record) throws -> Void
) throws {
  let mapped = try MappedFile(path)
  let records = mapped.bytes.bindMemory(to: Record.self)
  try mapped.forEachRecord(of: records[share.range(in: records)], body)
}
