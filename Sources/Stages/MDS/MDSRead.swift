public import PipelineKit
import ShardKit

/// Reads documents from an MDS data set, one task per shard.
public struct MDSRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The folder that contains index.json, if no data set is wired.") public var path = InputFiles()
    @Option(
      "Maps document fields (id, text, source, added, created, version, metadata) to columns whose names differ. All "
        + "other text, JSON and number columns become metadata.")
    public var columns: [String: String] = [:]
    @Option("The documents' source, if no column gives it.") public var source = ""
    @Option("Compares each shard with its hashes in index.json.", affectsOutput: false) public var verify = true

    public init() {}
  }

  public static let name = "mds.read"
  public static let revision = 3
  public static let summary = "Reads documents from MDS shards."
  static let dataSet = Input<MDS>("mds", "The data set.", required: false)
  static let fetched = Input<Files>(
    "files", "Data sets downloaded by another stage: index.json and shards.", required: false, many: true)
  static let documents = Output<Documents>("documents", "One document per sample.")
  public static let inputs = [dataSet.port, fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    for field in options.columns.keys.sorted() where !DocumentField.names.contains(field) {
      throw StageError(
        .options, "columns", "'\(field)' is not a field of documents",
        hint: "Use \(DocumentField.names.joined(separator: ", ")).")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let files = try context.files(Self.dataSet) + context.files(Self.fetched) + context.files(options.path)
    let indexes = files.filter { $0.name == "index.json" || $0.name.hasSuffix("/index.json") }
    guard !indexes.isEmpty else {
      throw StageError(
        .input, "path", "there is no index.json",
        hint: "Wire 'mds' or 'files', or set 'path' to the folder of a data set.")
    }
    var plans: [TaskPlan] = []
    // The payload is the shard's entry in the index, so that a task need not read the whole index and does not depend
    // on other entries.
    for index in indexes {
      let folder = String(index.name.dropLast("index.json".count))
      let siblings = Dictionary(
        files.filter { Self.folder(of: $0.path) == Self.folder(of: index.path) }.map { (ExactText($0.name), $0) },
        uniquingKeysWith: { a, _ in a })
      for shard in try MDSIndex(path: index.path).shards {
        guard
          let file = siblings[ExactText(folder + shard.stored.basename)]
            ?? siblings[ExactText(folder + shard.raw.basename)]
        else {
          throw StageError(
            .input, index.path, "lists the shard '\(shard.stored.basename)', which is not in the folder",
            hint: "Copy it there.")
        }
        let memoryBytes = (shard.zip == nil ? 0 : min(shard.raw.bytes, 1 << 32)) + (32 << 20)
        let key = TaskPlan.padded(plans.count)
        plans.append(
          try TaskPlan(key: key, inputs: [.main: [file]], payload: shard.json, memoryBytes: memoryBytes))
      }
    }
    return plans
  }

  private static func folder(of path: String) -> String { ArchivePath.parent(of: path) ?? "" }

  public func run(_ workspace: Workspace) throws {
    let file = try workspace.file()
    var entry = try workspace.payload(MDSShard.self)
    if file.name.hasSuffix(entry.raw.basename) { entry.zip = nil }
    let reader = try MDSShardReader(path: file.path, entry, verify: options.verify)
    let output = try workspace.documents(to: Self.documents)
    let fields = try MDSToDocument(reader.columns, options.columns, path: file.path)
    var document = Document()
    for sample in 0..<reader.samples {
      if sample % 256 == 0 { try workspace.control.check() }
      let problem = try fields.fill(&document, from: reader, sample)
      if document.id.isEmpty { document.id = Array("\(entry.raw.basename):\(sample)".utf8) }
      if document.source.isEmpty { document.source = Array(options.source.utf8) }
      workspace.countInput(bytes: document.text.count)
      if let problem {
        try workspace.drop(document, DropReason(problem.reason, detail: problem.column))
      } else {
        try output.write(document)
      }
    }
  }
}
