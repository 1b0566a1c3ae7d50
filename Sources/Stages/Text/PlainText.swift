import PipelineKit
import ShardKit

/// How a plain text file is divided into documents.
enum PlainTextUnit { case file, block, line }

/// Reads documents from plain text files (UTF-8): one per file, per block (separated by empty lines), or per line.
///
/// A document's id is `PREFIX:FILE`, or `PREFIX:FILE:OFFSET` with its start in the decompressed file, so ids do not
/// depend on how the file was split. In a split file, a document belongs to the range that it begins in.
struct PlainTextReading {
  let unit: PlainTextUnit
  let idPrefix: String
  let source: String
  let maximumDocumentBytes: Int
  /// Whether HTML is read as text, with a warning.
  var takesMarkup = false
  let workspace: Workspace
  let output: DocumentOutput

  // MARK: Tasks

  private static let smallFilesBytesPerTask: Int64 = 32 << 20

  /// One task per compressed file, several for a large plain one, one for several small ones.
  /// - Throws: `StageError` (`.options`) if there would be too many ranges; `ShardError` if a file cannot be read.
  static func tasks(_ files: [ArtifactFile], splits: Bool, rangeBytes: Int) throws -> [TaskPlan] {
    let large = try files.indices.filter {
      try splits && files[$0].bytes > rangeBytes && Compression.detect(files[$0].path) == .none
    }
    try PartLimit.check(large.map { files[$0] }, each: rangeBytes, option: "rangeBytes")
    let isLarge = Set(large)
    var tasks: [TaskPlan] = []
    var small: [ArtifactFile] = []
    func flush() {
      for group in TaskPlan.grouped(small, bytes: smallFilesBytesPerTask) { tasks.append(group) }
      small = []
    }
    for (number, file) in files.enumerated() {
      guard isLarge.contains(number) else {
        small.append(file)
        continue
      }
      flush()
      var start: Int64 = 0
      while start < file.bytes {
        let end = min(file.bytes, start + Int64(rangeBytes))
        tasks.append(try TaskPlan(key: "", inputs: [.main: [file]], payload: start..<end).reading(bytes: end - start))
        start = end
      }
    }
    flush()
    for i in tasks.indices { tasks[i].key = TaskPlan.padded(i) }
    return tasks
  }

  // MARK: Reading

  func run() throws {
    // A task without a range reads its files completely.
    let range: Range<Int64>? = try workspace.payload()
    let start = range?.lowerBound ?? 0, end = range?.upperBound ?? .max
    for file in workspace.files(.main) {
      if let name = try unexpected(file) {
        if start == 0 { try drop(file, name) }
        continue
      }
      switch unit {
      case .file: try readWhole(file)
      case .block: try readBlocks(file, from: start, to: end)
      case .line: try readLines(file, from: start, to: end)
      }
    }
  }

  /// A description of the file if it is not text.
  private func unexpected(_ file: ArtifactFile) throws -> String? {
    let look = try FileLook(file.path)
    if look == .html, takesMarkup {
      workspace.warn("markup", "\(file.name) is an HTML page; its markup becomes text")
      return nil
    }
    return look.name
  }

  /// Drops the file as one record, so that other files of a folder are still read.
  private func drop(_ file: ArtifactFile, _ name: String) throws {
    workspace.countInput(bytes: Int(file.bytes))
    try workspace.drop(
      id: Array("\(idPrefix):\(file.name)".utf8), bytes: Int(file.bytes),
      DropReason("not-text", detail: "it is \(name)"))
  }

  private func readWhole(_ file: ArtifactFile) throws {
    try workspace.control.check()
    let source = try openSource(file.path)
    var text: [UInt8] = []
    var bytes = 0
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { block.deallocate() }
    while case let count = try source.read(into: block), count > 0 {
      bytes += count
      if bytes <= maximumDocumentBytes { text.append(contentsOf: block[..<count]) }
    }
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
    LineEnds.unify(&text)
    while text.last == 10 { text.removeLast() }
    try write(text, bytes: bytes, id: file.name)
  }

  private func readLines(_ file: ArtifactFile, from start: Int64, to end: Int64) throws {
    let lines = try LinesOfRange(file.path, from: start)
    while let line = try lines.next(), line.offset < end {
      if !line.isBlank { try write(Array(line.bytes), bytes: line.bytes.count, id: "\(file.name):\(line.offset)") }
    }
  }

  private func readBlocks(_ file: ArtifactFile, from start: Int64, to end: Int64) throws {
    let lines = try LinesOfRange(file.path, from: start)
    var text: [UInt8] = []
    var bytes = 0
    var offset: Int64?
    var afterBlank = lines.beginsAfterBlankLine
    func finish() throws {
      if let offset { try write(text, bytes: bytes, id: "\(file.name):\(offset)") }
      text.removeAll(keepingCapacity: true)
      (bytes, offset) = (0, nil)
    }
    while let line = try lines.next() {
      if line.isBlank {
        try finish()
        afterBlank = true
        if line.offset >= end { return }
        continue
      }
      if afterBlank {
        guard line.offset < end else { return }
        offset = line.offset
      }
      afterBlank = false
      guard offset != nil else { continue }  // the remainder of a block from the previous range
      bytes += line.bytes.count + 1
      if bytes <= maximumDocumentBytes + 1 {
        if !text.isEmpty { text.append(10) }
        text.append(contentsOf: line.bytes)
      }
    }
    try finish()
  }

  private func write(_ text: [UInt8], bytes: Int, id: String) throws {
    let id = Array("\(idPrefix):\(id)".utf8)
    workspace.countInput(bytes: bytes)
    if workspace.ledger.input.documents % 256 == 0 { try workspace.control.check() }
    guard bytes <= maximumDocumentBytes + 1 else {
      return try workspace.drop(
        id: id, bytes: bytes, .tooLarge(bytes, maximum: maximumDocumentBytes))
    }
    guard !text.isEmpty else { return try workspace.drop(id: id, bytes: bytes, .empty) }
    guard (try? UTF8Span(validating: text.span)) != nil else {
      return try workspace.drop(id: id, bytes: bytes, DropReason("invalid-utf8"))
    }
    var document = Document()
    document.id = id
    document.text = text
    document.source = Array(source.utf8)
    try output.write(document)
  }
}

/// Lines of a file, or of a plain file from the first line at or after an offset. Lines end with LF, CR LF or CR.
final class LinesOfRange {
  struct Line {
    let bytes: UnsafeRawBufferPointer
    /// Where the line begins in the (decompressed) file.
    let offset: Int64
    var isBlank: Bool { bytes.allSatisfy { $0 == 32 || $0 == 9 } }
  }

  /// Whether a document can begin at the first line: it is the file's first, or follows an empty line.
  private(set) var beginsAfterBlankLine = true
  private let lines: LineReader
  private var base: Int64 = 0

  init(_ path: String, from start: Int64) throws {
    guard start > 0 else {
      lines = LineReader(try openSource(path), ends: .any)
      return
    }
    // The line before the range is read to see if it is empty; a line cut by the start belongs to the previous range.
    let before = try Self.startOfLine(path, containing: start - 1)
    lines = LineReader(try FileSource(path, offset: before), ends: .any)
    base = before
    if let line = try next() { beginsAfterBlankLine = line.isBlank }
  }

  func next() throws -> Line? {
    let offset = base + lines.position
    guard let line = try lines.next() else { return nil }
    let isMarked = offset == 0 && line.starts(with: [0xEF, 0xBB, 0xBF])
    return Line(bytes: isMarked ? UnsafeRawBufferPointer(rebasing: line[3...]) : line, offset: offset)
  }

  /// Searches backward in growing steps for the line end before the byte at `offset`. CR LF is one line end.
  private static func startOfLine(_ path: String, containing offset: Int64) throws -> Int64 {
    var step: Int64 = 1 << 12
    while true {
      let start = max(0, offset - step)
      let bytes = try FileSource(path, offset: start, length: offset + 1 - start).readAll()
      let end = bytes.indices.dropLast().last { i in
        bytes[i] == 10 || bytes[i] == 13 && bytes[i + 1] != 10
      }
      if let end { return start + Int64(end) + 1 }
      if start == 0 { return 0 }
      step *= 4
    }
  }
}
