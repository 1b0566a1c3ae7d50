import PipelineKit
import ShardKit

/// Writes the removed documents, one file per input file: for each its row, its similarity in millionths, whether that
/// is exact, the length of the kept document's id (all 32-bit), and that id. The file is empty if there are none.
struct DuplicateFiles: ~Copyable {
  private let workspace: Workspace
  private let output: Output<Clusters>
  /// Gets the rows alone as well.
  private let rows: Output<Signatures>?
  private let table: DocumentTable
  private var part = -1
  private var sink: FileSink?
  private var rowSink: FileSink?
  private var removals = RemovalWarning("documents")
  private var pages = PageCount(limit: SortingMemory.mappedBytes)

  init(
    _ workspace: Workspace, _ output: Output<Clusters>, _ table: DocumentTable, rows: Output<Signatures>? = nil
  ) {
    self.workspace = workspace
    self.output = output
    self.rows = rows
    self.table = table
  }

  static func name(_ key: String, part: Int) -> String { "\(key)-\(TaskPlan.padded(part)).duplicates" }

  /// Duplicates are appended in ascending order of numbers.
  mutating func append(_ duplicate: Duplicate) throws {
    if pages.touch(4) { table.release() }
    let (part, row) = table.locate(duplicate.document)
    while self.part < part { try beginNext() }
    let survivor = table.id(duplicate.survivor)
    let table = table
    removals.remove("\(table.name(duplicate.document)) of \(table.name(duplicate.survivor))")
    let head = [UInt32(row), duplicate.similarity, duplicate.isExact, UInt32(survivor.count)]
    try head.withUnsafeBytes { try sink!.write($0) }
    try sink!.write(survivor)
    try rowSink?.write(record: UInt32(row))
  }

  private mutating func beginNext() throws {
    try publish()
    part += 1
    sink = try workspace.file(output, Self.name(workspace.task.key, part: part))
    rowSink = try rows.map { try workspace.file($0, AcceptedIndex.name(workspace, part, AcceptedIndex.removed)) }
  }

  private mutating func publish() throws {
    guard let sink else { return }
    try workspace.publish(output, sink, name: Self.name(workspace.task.key, part: part))
    guard let rows, let rowSink else { return }
    try workspace.publish(rows, rowSink, name: AcceptedIndex.name(workspace, part, AcceptedIndex.removed))
  }

  mutating func finish() throws {
    while part < table.ownParts - 1 { try beginNext() }
    try publish()
    removals.finish(of: table.ownCount, others: table.someNames, workspace)
  }
}

/// Reads one input file's duplicates in order.
struct DuplicateReader {
  private let file: MappedFile
  private var offset = 0
  /// The next row to remove; `Int.max` after the last.
  private(set) var row = Int.max
  private(set) var similarity = 0.0
  private(set) var isExact = false
  private(set) var survivor = UnsafeRawBufferPointer(start: nil, count: 0)

  init(_ path: String) throws(ShardError) {
    file = try MappedFile(path)
    try advance()
  }

  mutating func advance() throws(ShardError) {
    func field(_ i: Int) -> Int { Int(file.bytes.loadUnaligned(fromByteOffset: offset + 4 * i, as: UInt32.self)) }
    if offset == file.bytes.count {
      row = .max
      return
    }
    guard offset + 16 <= file.bytes.count, offset + 16 + field(3) <= file.bytes.count else {
      throw ShardError(.malformed, file.path, "its last record is truncated", hint: "Run 'pipeline verify'.")
    }
    row = field(0)
    similarity = Double(field(1)) / Double(Duplicate.whole)
    isExact = field(2) == 1
    survivor = UnsafeRawBufferPointer(rebasing: file.bytes[(offset + 16)..<(offset + 16 + field(3))])
    offset += 16 + survivor.count
  }
}

/// The last phase of all deduplication stages: copies lines unparsed, except those of duplicates. A file without any
/// stays as it is.
struct DuplicateFilter {
  var reason: String
  var threshold: Double
  /// Whether kept documents get the number of those that they stand for, from files of `ClusterSizes`.
  var writesSizes = false

  /// One task per input file: its documents, its index, its duplicates.
  static func tasks(
    _ inputs: [ArtifactFile], index: [ArtifactFile], _ duplicates: [ArtifactFile]
  ) -> [TaskPlan] {
    inputs.indices.map { part in
      TaskPlan(
        key: TaskPlan.padded(part),
        inputs: [.main: [inputs[part]], "index": [index[part]], "duplicates": [duplicates[part]]])
    }
  }

  func run(_ workspace: Workspace, to output: Output<Documents>) throws {
    let input = try workspace.file()
    let index = try IndexReader(workspace.file("index").path)
    var duplicates = try DuplicateReader(workspace.file("duplicates").path)
    if !writesSizes, duplicates.row == .max, try shares(input, index, workspace, as: output) { return }
    let lines = LineReader(try openSource(input.path))
    var sizes = try writesSizes ? ClusterSizeReader(workspace.file("sizes").path) : nil
    let kept = try workspace.documents(to: output)
    var row = 0
    while let line = try lines.next() {
      guard row < index.count else { break }
      let id = index.id(row)
      let textBytes = Int(index.entry(row).textBytes)
      workspace.countInput(bytes: textBytes)
      if row == duplicates.row {
        try workspace.drop(
          id: Array(id), bytes: textBytes,
          DropReason(
            reason, value: duplicates.similarity, threshold: threshold, survivor: Array(duplicates.survivor),
            detail: duplicates.isExact ? nil : "estimated"))
        try duplicates.advance()
      } else if let size = sizes?.next(row) {
        guard var document = try DocumentReader(MemorySource(Array(line), name: input.path)).next() else { break }
        setMember("clusterSize", .integer(size), ofObject: &document.metadata)
        try kept.write(document)
      } else {
        try kept.write(line: line, id: id, textBytes: textBytes)
      }
      row += 1
      if row % 64 == 0 { try workspace.control.check() }
    }
    guard row == index.count, duplicates.row == .max else {
      throw ShardError(
        .malformed, input.path, "its documents changed since it was first read",
        hint: "Run again, and do not change inputs during a run.")
    }
  }

  /// Hands on a file that loses no document, if its documents are known to be those of the index.
  private func shares(
    _ input: ArtifactFile, _ index: IndexReader, _ workspace: Workspace, as output: Output<Documents>
  ) throws -> Bool {
    let textBytes = (0..<index.count).reduce(0) { $0 + Int(index.entry($1).textBytes) }
    guard index.count > 0, input.documents == index.count, input.textBytes == textBytes else { return false }
    let isShared = try workspace.share(input, as: output) { (0..<index.count).map { recordHash(index.id($0)) } }
    if isShared { workspace.countInput(documents: index.count, bytes: textBytes) }
    return isShared
  }
}
