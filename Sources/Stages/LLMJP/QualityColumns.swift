import PipelineKit
import ShardKit

/// Reads one quality table and writes its rows as numbers, by partition.
///
/// Unusable rows are counted as warnings: `unparsable-score`, `unparsable-tokens`, `unparsable-line`,
/// `short-row`, `row-without-file`.
struct QualityColumns {
  private let options: LLMJPSample.Options
  private let workspace: Workspace
  private let table: ArtifactFile
  private let number: Int
  private let layout: QualityLayout
  private let files: FileNumbers

  init(_ options: LLMJPSample.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    table = try workspace.file()
    let payload: QualityTable = try workspace.payload()
    number = payload.number
    layout = payload.layout
    files = FileNumbers(layout.names)
  }

  func run() throws {
    let csv = CSVReader(try source())
    guard let header = try csv.next() else { throw StageError(.input, table.name, "the table is empty") }
    let columns = try Columns(header.strings, options, table: table.name)
    var labels = LabelTable(table: number, columns: options.copyColumns)
    let spill = try RowSpill(workspace, partitions: layout.partitions)
    while let row = try csv.next() {
      if csv.number & 0xFFF == 0 {
        try workspace.control.check()
        workspace.control.advance(documents: 4096)
      }
      guard row.count > columns.last else {
        workspace.warn("short-row", "\(table.name), record \(csv.number): it has \(row.count) fields")
        continue
      }
      guard let (record, partition) = identify(row, columns, csv.number) else { continue }
      guard let score = parseDecimal(row[columns.score]) else {
        warn("unparsable-score", row[columns.score], csv.number)
        continue
      }
      var tokens: UInt64 = 1
      if let column = columns.tokens {
        guard let number = parseUnsigned(row[column]), number <= UInt32.max else {
          warn("unparsable-tokens", row[column], csv.number)
          continue
        }
        tokens = number
      }
      let label = columns.copied.isEmpty ? 0 : try labels.label(of: row, columns.copied)
      try spill.append(
        RankedRow(
          rank: ScoreRank.rank(of: score, higherIsBetter: options.higherIsBetter), record: record,
          weight: UInt32(tokens), label: label), to: partition)
    }
    try spill.finish()
    try workspace.write(LLMJPSample.spilled, name: workspace.task.key + ".labels", labels.encoded)
  }

  /// Of a Parquet table, the wanted columns.
  private func source() throws -> any ByteSource {
    guard try ParquetFile.isOne(table.path) else { return try openSource(table.path) }
    let places = options.match == .line ? [options.pathColumn, options.lineColumn] : [options.idColumn]
    return try ParquetLines(
      table.path, as: .csv, columns: Set(places + [options.scoreColumn, options.tokensColumn] + options.copyColumns))
  }

  private func warn(_ name: String, _ value: UnsafeRawBufferPointer, _ record: Int) {
    workspace.warn(
      name, "\(table.name), record \(record): '\(String(decoding: value.prefix(80), as: UTF8.self))'")
  }

  private func identify(_ row: CSVReader.Record, _ columns: Columns, _ number: Int) -> (UInt64, partition: Int)? {
    if options.match == .id {
      let hash = recordHash(row[columns.id])
      return (hash, QualityLayout.partition(ofID: hash, of: layout.partitions))
    }
    guard let file = files.number(of: row[columns.path].dropping(prefix: options.pathPrefix)) else {
      warn("row-without-file", row[columns.path], number)
      return nil
    }
    guard let line = parseUnsigned(row[columns.line]), line >= UInt64(options.firstLine),
      line < 1 << QualityLayout.lineBits
    else {
      warn("unparsable-line", row[columns.line], number)
      return nil
    }
    let record = QualityLayout.record(file: file, line: line - UInt64(options.firstLine))
    return (record, layout.partition(ofFile: file))
  }

  /// Indices of the wanted columns.
  private struct Columns {
    var path = 0
    var line = 0
    var id = 0
    var score = 0
    var tokens: Int?
    var copied: [Int] = []
    var last: Int { ([path, line, id, score, tokens ?? 0] + copied).max()! }

    init(_ header: [String], _ options: LLMJPSample.Options, table: String) throws(StageError) {
      func find(_ name: String) throws(StageError) -> Int {
        if let index = header.firstIndex(of: name) { return index }
        throw StageError(
          .input, table, "has no column '\(name)'; its columns are \(header.joined(separator: ", "))",
          hint: "Set the column names in the options of 'llmjp.sample'.")
      }
      if options.match == .line {
        path = try find(options.pathColumn)
        line = try find(options.lineColumn)
      } else {
        id = try find(options.idColumn)
      }
      score = try find(options.scoreColumn)
      if !options.tokensColumn.isEmpty { tokens = try find(options.tokensColumn) }
      for name in options.copyColumns { copied.append(try find(name)) }
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func dropping(prefix: String) -> UnsafeRawBufferPointer {
    prefix.isEmpty || !starts(with: prefix.utf8) ? self : UnsafeRawBufferPointer(rebasing: dropFirst(prefix.utf8.count))
  }
}

/// Numbers of record files by name. Tables are mostly sorted by file, so the last result is tried first.
private final class FileNumbers {
  private let names: [[UInt8]]
  private let byHash: [UInt64: [Int]]
  private var last = 0

  init(_ names: [String]) {
    self.names = names.map { Array($0.utf8) }
    byHash = Dictionary(grouping: names.indices) { recordHash(Array(names[$0].utf8)) }
  }

  func number(of name: UnsafeRawBufferPointer) -> Int? {
    if name.elementsEqual(names[last]) { return last }
    guard let found = byHash[recordHash(name)]?.first(where: { name.elementsEqual(names[$0]) }) else { return nil }
    last = found
    return found
  }
}

/// The distinct values of copied columns, numbered in order of occurrence.
private struct LabelTable {
  private let table: UInt32
  private let columns: [String]
  private var numbers: [[UInt8]: UInt32] = [:]
  private var entries: [[String]] = []
  private var key: [UInt8] = []

  static let maximumEntries = 1 << 16

  init(table: Int, columns: [String]) {
    self.table = UInt32(table)
    self.columns = columns
  }

  mutating func label(of row: CSVReader.Record, _ indices: [Int]) throws(StageError) -> UInt32 {
    key.removeAll(keepingCapacity: true)
    for index in indices {
      key.append(contentsOf: row[index])
      key.append(0)
    }
    if let number = numbers[key] { return table << 24 | number }
    guard entries.count < Self.maximumEntries else {
      throw StageError(
        .options, "copyColumns",
        "\(columns.joined(separator: ", ")) have more than \(Self.maximumEntries) distinct values",
        hint: "Copy only columns with few distinct values.")
    }
    let number = UInt32(entries.count)
    numbers[key] = number
    entries.append(indices.map { String(decoding: row[$0], as: UTF8.self) })
    return table << 24 | number
  }

  var encoded: [UInt8] { Array(JSONValue.list(entries.map { .strings($0) }).text().utf8) }
}

/// Writes rows into one file per partition, with a small buffer each.
private final class RowSpill {
  private let workspace: Workspace
  private var buffers: [[RankedRow]]
  private var files: [FileSink?]

  private static let bufferedRows = 512

  init(_ workspace: Workspace, partitions: Int) throws {
    self.workspace = workspace
    buffers = Array(repeating: [], count: partitions)
    files = Array(repeating: nil, count: partitions)
  }

  private func name(_ partition: Int) -> String { "\(workspace.task.key)-p\(TaskPlan.padded(partition)).rows" }

  @inline(__always)
  func append(_ row: RankedRow, to partition: Int) throws {
    buffers[partition].append(row)
    if buffers[partition].count == Self.bufferedRows { try flush(partition) }
  }

  private func flush(_ partition: Int) throws {
    let file = try files[partition] ?? workspace.file(LLMJPSample.spilled, name(partition))
    files[partition] = file
    try buffers[partition].withUnsafeBytes { try file.write($0) }
    buffers[partition].removeAll(keepingCapacity: true)
  }

  func finish() throws {
    for partition in buffers.indices {
      if !buffers[partition].isEmpty { try flush(partition) }
      guard let file = files[partition] else { continue }
      try workspace.publish(LLMJPSample.spilled, file, name: name(partition))
    }
  }
}
