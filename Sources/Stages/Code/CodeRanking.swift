import PipelineKit
import ShardKit

/// Phase `blobs`: of rows with the same content, keeps the one with the smallest hash, regardless of order.
struct CodeBlobs {
  private struct Row: SortableRecord {
    /// The complete SHA-1.
    var high: UInt64
    var middle: UInt64
    var low: UInt32
    var rank: UInt64
    var ordinal: UInt64
    var prefix: UInt64 { high }
    static func < (a: Row, b: Row) -> Bool {
      (a.high, a.middle, a.low, a.rank, a.ordinal) < (b.high, b.middle, b.low, b.rank, b.ordinal)
    }
    func hasContent(of other: Row) -> Bool { high == other.high && middle == other.middle && low == other.low }
  }

  private let options: CodeSelect.Options
  private let workspace: Workspace

  init(_ options: CodeSelect.Options, _ workspace: Workspace) {
    self.options = options
    self.workspace = workspace
  }

  func run() throws {
    let rows = RowFiles(workspace)
    let partitions = RowPartitions(workspace, CodeSelect.blobs)
    let dropped = options.duplicates == .keep ? BitSet() : try repeated(rows)
    let json = JSONObjectReader()
    try rows.forEach { line, ordinal in
      let row = SelectedRow(line, json)
      if dropped.contains(ordinal) {
        workspace.countInput(bytes: row.bytes)
        return try workspace.drop(id: row.blob, bytes: row.bytes, DropReason("duplicate-blob", survivor: row.blob))
      }
      try partitions.write(line, to: Int(recordHash(row.repository) % UInt64(options.partitions)))
    }
    try partitions.publish()
  }

  private func repeated(_ rows: RowFiles) throws -> BitSet {
    let sorter = try rows.sorter(of: Row.self)
    let json = JSONObjectReader()
    try rows.forEach { line, ordinal in
      let digits = SelectedRow(line, json).blob
      try sorter.append(
        Row(
          high: Self.number(digits, 0..<16), middle: Self.number(digits, 16..<32),
          low: UInt32(truncatingIfNeeded: Self.number(digits, 32..<40)), rank: recordHash(line),
          ordinal: UInt64(ordinal)))
    }
    var dropped = BitSet()
    var last: Row?
    try sorter.drain { row in
      if let last, row.hasContent(of: last) { dropped.insert(Int(row.ordinal)) }
      last = row
    }
    return dropped
  }

  private static func number(_ digits: [UInt8], _ range: Range<Int>) -> UInt64 {
    digits[range].reduce(0) { $0 << 4 | UInt64($1 <= 57 ? $1 - 48 : $1 - 87) }
  }
}

/// Phase `repositories`: keeps a limited number of rows per repository, those with the smallest hashes, and writes the
/// selection.
struct CodeRepositories {
  private struct Row: SortableRecord {
    var repository: UInt64
    var rank: UInt64
    var ordinal: UInt64
    var prefix: UInt64 { repository }
    static func < (a: Row, b: Row) -> Bool {
      (a.repository, a.rank, a.ordinal) < (b.repository, b.rank, b.ordinal)
    }
  }

  private let options: CodeSelect.Options
  private let workspace: Workspace

  init(_ options: CodeSelect.Options, _ workspace: Workspace) {
    self.options = options
    self.workspace = workspace
  }

  func run() throws {
    let rows = RowFiles(workspace)
    let dropped = options.maximumPerRepository == 0 ? BitSet() : try surplus(rows)
    let json = JSONObjectReader()
    let name = workspace.task.key + ".jsonl.zst"
    let file = try workspace.file(CodeSelect.selection, name)
    let sink = ZstdSink(file, level: 3)
    var kept = 0
    try rows.forEach { line, ordinal in
      let row = SelectedRow(line, json)
      if dropped.contains(ordinal) {
        workspace.countInput(bytes: row.bytes)
        return try workspace.drop(
          id: row.blob, bytes: row.bytes,
          DropReason(
            "repository-full", threshold: Double(options.maximumPerRepository),
            detail: String(decoding: row.repository, as: UTF8.self)))
      }
      kept += 1
      // If contents are fetched, `fetch` decides about the row.
      if options.contents.isEmpty {
        workspace.countInput(bytes: row.bytes)
        workspace.consume(bytes: row.bytes)
      }
      try sink.write(line)
      try sink.write([10])
    }
    workspace.metric("selected", Double(kept))
    try workspace.publish(CodeSelect.selection, file, through: sink, name: name)
  }

  private func surplus(_ rows: RowFiles) throws -> BitSet {
    let sorter = try rows.sorter(of: Row.self)
    let json = JSONObjectReader()
    try rows.forEach { line, ordinal in
      try sorter.append(
        Row(
          repository: recordHash(SelectedRow(line, json).repository), rank: recordHash(line), ordinal: UInt64(ordinal)))
    }
    var dropped = BitSet()
    var (repository, count) = (UInt64(0), 0)
    try sorter.drain { row in
      count = row.repository == repository ? count + 1 : 1
      repository = row.repository
      if count > options.maximumPerRepository { dropped.insert(Int(row.ordinal)) }
    }
    return dropped
  }
}

/// The lines of a task's files, numbered consecutively.
struct RowFiles {
  private let workspace: Workspace

  init(_ workspace: Workspace) { self.workspace = workspace }

  func forEach(_ body: (_ line: UnsafeRawBufferPointer, _ ordinal: Int) throws -> Void) throws {
    var ordinal = 0
    for file in workspace.files(.main) {
      let lines = LineReader(try openSource(file.path), maximumLineBytes: 32 << 20)
      while let line = try lines.next() {
        if ordinal % 4096 == 0 { try workspace.control.check() }
        try body(line, ordinal)
        ordinal += 1
      }
    }
  }

  func sorter<Row: SortableRecord>(of: Row.Type) throws -> ExternalSorter<Row> {
    ExternalSorter(
      scratch: try workspace.temporaryDirectory() + "/ranks", memoryBytes: min(workspace.memoryBytes / 2, 64 << 20))
  }
}

/// A set of small numbers, one bit each.
struct BitSet {
  private var words: [UInt64] = []

  func contains(_ number: Int) -> Bool {
    number >> 6 < words.count && words[number >> 6] >> UInt64(number & 63) & 1 == 1
  }

  mutating func insert(_ number: Int) {
    if number >> 6 >= words.count {
      words.append(contentsOf: repeatElement(0, count: max(number >> 6 + 1 - words.count, words.count)))
    }
    words[number >> 6] |= 1 << UInt64(number & 63)
  }
}
