import PipelineKit
import ShardKit

/// A candidate pair with its similarity; 24 bytes on disk.
struct MeasuredPair: BitwiseCopyable {
  var better: UInt32
  var worse: UInt32
  /// 1 if the texts were compared, 0 if only the signatures.
  var isExact: UInt32
  private var unused: UInt32 = 0
  var similarity: Double

  init(_ pair: CandidatePair, similarity: Double, isExact: Bool) {
    (better, worse, self.isExact, self.similarity) = (pair.better, pair.worse, isExact ? 1 : 0, similarity)
  }
}

/// What `pipeline what-if` sums up of each document, beside an index: a file of signals.
final class DocumentMeasures {
  static let characters = "characters", source = "source", domain = "domain"
  private let file: FileSink
  private let writer: SignalsWriter
  private let workspace: Workspace
  private let output: Output<Signatures>
  private let reader = MetadataReader([domain])

  init(_ workspace: Workspace, to output: Output<Signatures>) throws {
    (self.workspace, self.output) = (workspace, output)
    file = try workspace.file(output, workspace.task.key + ".signals")
    writer = try SignalsWriter(
      file,
      columns: [
        SignalColumn(Self.characters, .number), SignalColumn(Self.source, .text), SignalColumn(Self.domain, .text),
      ])
  }

  func append(_ document: borrowing Document) throws {
    var domain = ""
    reader.read(document.metadata) { _, value, kind in
      if kind == .string { domain = String(decoding: value, as: UTF8.self) }
    }
    let characters = Double(MixMeasure.characters(document.text))
    try writer.append(
      id: document.id, numbers: [characters], texts: [String(decoding: document.source, as: UTF8.self), domain])
  }

  func finish() throws {
    try writer.finish()
    try workspace.publish(output, file, name: workspace.task.key + ".signals", documents: writer.hashes.count)
  }
}

/// Counts the documents that each kept one stands for.
struct ClusterSizes {
  private let sorter: ExternalSorter<DocumentNumber>

  init(scratch: String, memoryBytes: Int) { sorter = ExternalSorter(scratch: scratch, memoryBytes: memoryBytes) }

  func add(_ duplicate: Duplicate) throws { try sorter.append(DocumentNumber(duplicate.survivor)) }

  /// One file per input file: rows and sizes above 1, 32 bits each, ascending.
  func write(_ workspace: Workspace, to output: Output<Clusters>, _ table: DocumentTable) throws {
    var part = 0
    func name() -> String { "sizes-\(TaskPlan.padded(part)).sizes" }
    guard table.ownParts > 0 else { return }
    var sink = try workspace.file(output, name())
    var last: (document: UInt32, size: UInt32)?
    func flush() throws {
      guard let found = last else { return }
      while Int(found.document) >= table.bases[part + 1] { try advance() }
      try sink.write(record: found.document - UInt32(table.bases[part]))
      try sink.write(record: found.size)
    }
    func advance() throws {
      try workspace.publish(output, sink, name: name())
      part += 1
      if part < table.ownParts { sink = try workspace.file(output, name()) }
    }
    try sorter.drain { survivor in
      if table.isAccepted(survivor.number) { return }
      if last?.document == survivor.number {
        last!.size += 1
      } else {
        try flush()
        last = (survivor.number, 2)
      }
    }
    try flush()
    while part < table.ownParts { try advance() }
  }
}

/// Reads one input file's sizes in order.
struct ClusterSizeReader {
  private let file: MappedFile
  private var place = 0

  init(_ path: String) throws(ShardError) { file = try MappedFile(path) }

  /// The size of a row; rows ascend.
  mutating func next(_ row: Int) -> Int {
    let words = file.bytes.bindMemory(to: UInt32.self)
    while place < words.count, Int(words[place]) < row { place += 2 }
    return place < words.count && Int(words[place]) == row ? Int(words[place + 1]) : 1
  }
}
