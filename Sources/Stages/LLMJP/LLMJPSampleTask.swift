import PipelineKit
import ShardKit

/// Reads one record file and keeps the records above the threshold.
///
/// Drops: `malformed-record`, `no-quality-row`, `below-quality`. A row for a line that the file does not have gives the
/// warning `row-without-record`.
struct LLMJPSampleTask {
  /// The record file, and how the rows are distributed.
  struct Part: Codable {
    /// Its index among all record files.
    var file: Int
    var partitions: Int
  }

  private let options: LLMJPSample.Options
  private let workspace: Workspace
  private let file: ArtifactFile
  private let cut: RankCut
  private let threshold: Double?
  private let rows: RowLookup
  private let labels: [[[String]]]

  init(_ options: LLMJPSample.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    file = try workspace.file()
    cut = try QualitySelection.cut(in: workspace.file("selection").path)
    threshold = cut.first.map { ScoreRank.score(of: $0.rank, higherIsBetter: options.higherIsBetter) }
    rows = try RowLookup(workspace.files("rows"), options.match, workspace.payload())
    labels = try workspace.files("labels").map { file in
      try JSONValue.parse(FileSystem.read(file.path)).value.array?.map { $0.array?.compactMap(\.string) ?? [] } ?? []
    }
  }

  func run() throws {
    let lines = LineReader(try openLines(file.path, columns: ["text", "meta"]))
    let output = try workspace.documents(to: LLMJPSample.documents)
    var record = LLMJPRecord(idKey: options.idKey, copied: options.copyColumns)
    var firstProblem: String?
    var records = 0
    while let line = try lines.next() {
      if lines.number & 63 == 0 { try workspace.control.check() }
      let problem = record.read(line, file: file.name, number: lines.number - 1 + options.firstLine)
      let bytes = record.document.text.count
      workspace.countInput(bytes: bytes)
      let row = rows.row(line: lines.number - 1, id: record.document.id)
      records += problem == nil ? 1 : 0
      if let problem {
        firstProblem = firstProblem ?? problem
        try workspace.drop(id: record.document.id, bytes: bytes, DropReason("malformed-record", detail: problem))
      } else if let row {
        try sample(&record, row, output)
      } else {
        try workspace.drop(id: record.document.id, bytes: bytes, DropReason("no-quality-row"))
      }
    }
    if records == 0, let firstProblem { throw try noRecords(lines.number, firstProblem) }
    workspace.warn(
      "row-without-record", times: rows.unvisited, "\(file.name) has \(lines.number) lines; the table has rows for more"
    )
  }

  private func noRecords(_ lines: Int, _ problem: String) throws -> StageError {
    let name = try FileLook(file.path).name.map { "; the file is \($0)" } ?? ""
    return StageError(
      .input, file.path, "none of its \(lines) lines is a record; the first: \(problem)\(name)",
      hint: "Fetch the file again, or remove it from \"records\".")
  }

  private func sample(_ record: inout LLMJPRecord, _ row: RankedRow, _ output: DocumentOutput) throws {
    let score = ScoreRank.score(of: row.rank, higherIsBetter: options.higherIsBetter)
    guard cut.keeps(row) else {
      try workspace.drop(record.document, DropReason("below-quality", value: score, threshold: threshold))
      return
    }
    record.complete(source: options.source, quality: score, labels: label(of: row))
    try output.write(record.document)
    workspace.metric("tokens", Double(row.weight))
  }

  private func label(of row: RankedRow) -> [String] {
    options.copyColumns.isEmpty ? [] : labels[Int(row.label >> 24)][Int(row.label & 0xFF_FFFF)]
  }
}

/// Finds a record's row: sequentially by line within a file, or by the hash of an id.
private final class RowLookup {
  private let match: LLMJPSample.Match
  private let file: Int
  private let partitions: Int
  private var mapped: [Int: RankedRows] = [:]
  /// Indices of the file's next row, if rows are matched by line, and of the end of its rows.
  private var next = 0
  private var end = 0

  init(_ files: [ArtifactFile], _ match: LLMJPSample.Match, _ part: LLMJPSampleTask.Part) throws {
    self.match = match
    file = part.file
    partitions = part.partitions
    for file in files { mapped[QualityLayout.partition(of: file)] = try RankedRows(file.path) }
    guard match == .line, let own = mapped.values.first else { return }
    own.withRows { rows in
      next = Self.lowerBound(rows, QualityLayout.record(file: file, line: 0))
      end = Self.lowerBound(rows, QualityLayout.record(file: file + 1, line: 0))
    }
  }

  func row(line: Int, id: [UInt8]) -> RankedRow? {
    guard match == .line else { return row(id: recordHash(id)) }
    let record = QualityLayout.record(file: file, line: UInt64(line))
    return mapped.values.first?.withRows { rows in
      while next < end, rows[next].record < record { next += 1 }
      guard next < end, rows[next].record == record else { return nil }
      next += 1
      return rows[next - 1]
    }
  }

  private func row(id hash: UInt64) -> RankedRow? {
    mapped[QualityLayout.partition(ofID: hash, of: partitions)]?.withRows { rows in
      let index = Self.lowerBound(rows, hash)
      return index < rows.count && rows[index].record == hash ? rows[index] : nil
    }
  }

  /// Number of rows after the last requested line.
  var unvisited: Int { end - next }

  private static func lowerBound(_ rows: UnsafeBufferPointer<RankedRow>, _ record: UInt64) -> Int {
    var low = 0
    var high = rows.count
    while low < high {
      let middle = (low + high) / 2
      if rows[middle].record < record { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// An LLM-jp record: `{"text", "meta": {"docId", "url", …, "dedup_meta"}}`.
private struct LLMJPRecord {
  var document = Document()
  private let json = JSONObjectReader()
  private let meta: MetadataReader
  private let copied: [String]
  /// Which of `meta`'s paths are present in the record.
  private var present: [Bool]

  init(idKey: String, copied: [String]) {
    self.copied = copied
    meta = MetadataReader([idKey, "quality"] + copied)
    present = Array(repeating: false, count: 2 + copied.count)
  }

  /// Fills the document's id, text and metadata. Returns nil, or what is wrong.
  mutating func read(_ line: UnsafeRawBufferPointer, file: String, number: Int) -> String? {
    document.text.removeAll(keepingCapacity: true)
    document.metadata.removeAll(keepingCapacity: true)
    document.id.removeAll(keepingCapacity: true)
    for i in present.indices { present[i] = false }
    var hasText = false
    let problem = json.read(padded: line) { field in
      if field.has(key: "text") {
        hasText = field.kind == .string
        if hasText { document.text.append(contentsOf: field.value) }
      } else if field.has(key: "meta"), field.kind == .object {
        document.metadata.append(contentsOf: field.value)
      }
    }
    var id = Slice(base: UnsafeRawBufferPointer(start: nil, count: 0), bounds: 0..<0)
    meta.read(document.metadata) { path, value, kind in
      present[path] = true
      if path == 0, kind == .string || kind == .number { id = value[...] }
    }
    document.id.append(contentsOf: id)
    if document.id.isEmpty { document.id.append(contentsOf: "\(file):\(number)".utf8) }
    return problem ?? (hasText ? nil : "it has no string \"text\"")
  }

  /// Adds the table's values to the metadata, without replacing the record's own.
  mutating func complete(source: String, quality: Double, labels: [String]) {
    document.source.removeAll(keepingCapacity: true)
    document.source.append(contentsOf: source.utf8)
    var members: [UInt8] = []
    func add(_ key: String, _ value: JSONValue) {
      members.append(UInt8(ascii: ","))
      JSONText.append(string: key, to: &members)
      members.append(UInt8(ascii: ":"))
      members.append(contentsOf: value.text().utf8)
    }
    if !present[1] { add("quality", .number(quality)) }
    for (i, label) in labels.enumerated() where !present[2 + i] && !label.isEmpty { add(copied[i], .string(label)) }
    guard !members.isEmpty else { return }
    if let close = document.metadata.lastIndex(of: UInt8(ascii: "}")) {
      document.metadata.removeSubrange(close...)
      let isEmpty = document.metadata.last { $0 > 32 } == UInt8(ascii: "{")
      document.metadata.append(contentsOf: isEmpty ? members.dropFirst() : members[...])
    } else {
      document.metadata = [UInt8(ascii: "{")] + members.dropFirst()
    }
    document.metadata.append(UInt8(ascii: "}"))
  }
}
