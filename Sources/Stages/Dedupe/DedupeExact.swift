public import PipelineKit
import ShardKit
import TextKit

/// Removes documents with the same text as another document.
///
/// Three phases: *hashes* hashes the texts of each input file (128 bits), *clusters* sorts the hashes (on disk beyond
/// the option `memory`), *filter* writes the kept documents. The result depends only on the set of documents.
public struct DedupeExact: Stage {
  public enum Comparison: String, OptionChoice {
    case normalized, raw
    public static let formerNames = ["normalised": Comparison.normalized]
  }

  public struct Options: StageOptions {
    @Option(
      "normalized: compares after NFKC, in lower case, with white space collapsed; raw: compares bytes.")
    public var text = Comparison.normalized
    @Option("Sources in order of preference: documents of earlier ones are kept. Unnamed sources come last.")
    public var sources: [String] = []
    @Option(
      "Memory of each task, at least 64MiB; more data is sorted on disk.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.exact"
  public static let revision = 3
  public static let summary = "Removes documents with identical text."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let kept = Output<Documents>("documents", "The kept documents.")
  static let index = Output<Signatures>("index", "Ids, lengths and sources.", hidden: true)
  static let hashes = Output<Signatures>("hashes", "Hashes of texts.", hidden: true)
  static let duplicates = Output<Clusters>("duplicates", "The removed documents, by input file.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [kept.port, index.port, hashes.port, duplicates.port]
  public enum Phase: String, StagePhase { case hashes, clusters, filter }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(of phase: Phase, in context: PlanningContext) -> [TaskPlan] {
    let inputs = context.files(Self.documents)
    let index = context.files(Self.index)
    switch phase {
    case .hashes: return TaskPlan.perFile(inputs)
    case .clusters:
      let documents = index.reduce(0) { $0 + $1.documents }
      return [
        TaskPlan(
          key: "all", inputs: ["index": index, "hashes": context.files(Self.hashes)],
          memoryBytes: IdenticalKeys<HashedDocument>.memoryBytes(documents: documents, memory: options.memory))
      ]
    case .filter: return DuplicateFilter.tasks(inputs, index: index, context.files(Self.duplicates))
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .hashes: try hash(workspace)
    case .clusters: try chooseRepresentatives(workspace)
    case .filter: try DuplicateFilter(reason: "exact-duplicate", threshold: 1).run(workspace, to: Self.kept)
    }
  }

  private func hash(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let indexFile = try workspace.file(Self.index, key + ".index")
    let hashFile = try workspace.file(Self.hashes, key + ".hashes")
    var index = IndexWriter(indexFile)
    let priorities = SourcePriorities(options.sources)
    let stream = workspace.documents(counted: false)
    var folder = ComparedText()
    var document = Document()
    while try stream.next(&document) {
      try index.append(document, priority: priorities[document.source])
      let identity = document.text.withUnsafeBufferPointer { text in
        options.text == .raw ? TextIdentity(raw: text) : TextIdentity(folded: text, by: &folder)
      }
      try hashFile.write(record: identity)
    }
    try index.finish()
    try workspace.publish(Self.index, indexFile, name: key + ".index", documents: index.count)
    try workspace.publish(Self.hashes, hashFile, name: key + ".hashes", documents: index.count)
  }

  private func chooseRepresentatives(_ workspace: Workspace) throws {
    let copies = try IdenticalKeys<HashedDocument>(workspace, index: Self.index, memory: options.memory)
    try copies.removeCopies(workspace, to: Self.duplicates) { sorter in
      var number: UInt32 = 0
      for file in workspace.files(Self.hashes) {
        try forEachRecord(of: file.path, as: TextIdentity.self) { identity in
          try sorter.append(HashedDocument(key: identity, document: number))
          number += 1
        }
      }
    } isBetter: {
      copies.table.isBetter($0.document, $1.document)
    }
  }
}

private struct HashedDocument: KeyedDocument {
  var key: TextIdentity
  var document: UInt32

  var prefix: UInt64 { key.high }
  static func < (a: HashedDocument, b: HashedDocument) -> Bool {
    a.key != b.key ? a.key < b.key : a.document < b.document
  }
}
