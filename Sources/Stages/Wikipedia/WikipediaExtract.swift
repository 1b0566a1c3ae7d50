public import MarkupKit
public import PipelineKit
import ShardKit

/// Extracts the articles of a MediaWiki dump as documents of plain text.
///
/// The first phase finds where each dump can be split; the second reads the partitions, one per task. The output is
/// identical for any number of workers. Every page of the dump is in the ledger: written, or dropped with a reason.
public struct WikipediaExtract: Stage {
  public struct Options: StageOptions {
    @Option("The dumps: XML, plain, .bz2 (also multistream), .gz, .xz or .zst; required unless wired.")
    public var dump = InputFiles()
    @Option(
      "The indexes of multistream dumps, one per dump in the same order. Without them the dumps are scanned.",
      holdsRecords: false)
    public var index = InputFiles()
    @Option("Keys of the namespaces to keep; 0 contains the articles.") public var namespaces = [0]
    @Option("Prefix of document ids, before a colon; by default the dump's name: 'jawiki'.")
    public var idPrefix = ""
    @Option("The source of the documents.") public var source = "wikipedia"
    @Option("Written to metadata.domain of the documents, unless empty.") public var domain = "encyclopedia"
    @Option("Pages with fewer bytes of text are dropped.", in: 1...1_000_000) public var minimumBytes = 100
    @Option("Whether to keep headings, as separate lines.") public var keepHeadings = true
    @Option("Whether to keep list items, as separate lines.") public var keepLists = true
    @Option("Written before each item of a list; may be empty.") public var listMarker = "・"
    @Option("Whether to keep image captions, as separate lines.") public var keepCaptions = false
    @Option("Whether to keep the readings of ruby and reading templates, in parentheses.") public var keepReadings =
      true
    @Option(
      "Formulas that cannot be written as plain text: kept in TeX between dollar signs, replaced by the placeholder, "
        + "or dropped, which leaves gaps in sentences.")
    public var formulas = WikitextOptions.Formulas.tex
    @Option(
      "Figures that the dump does not contain, such as calculated ones: the sentence is dropped, the figure is "
        + "replaced by the placeholder, or a gap is left.")
    public var unresolved = WikitextOptions.Unresolved.dropSentence
    @Option("The placeholder for a replaced formula or figure.") public var placeholder = "〓"
    @Option("Headings of sections to drop with their subsections; by default those of references and link lists.")
    public var dropSections = WikitextOptions.referenceSections
    @Option("Additional templates by name: the number of the argument to keep as text, or 0 to remove the template.")
    public var templates: [String: Int] = [:]
    @Option("Pages with more wikitext are dropped.", in: ByteCount(1 << 10)...ByteCount(1 << 30))
    public var maximumPageBytes = ByteCount.mebibytes(16)
    @Option(
      "Approximate amount of XML per task; compressed bytes count four times.",
      in: ByteCount(1 << 10)...ByteCount(1 << 40))
    public var partitionBytes = ByteCount.mebibytes(8)
    @Option("Approximate amount of text per output file.", in: ByteCount(1)...ByteCount(1 << 40))
    public var shardBytes = ByteCount.mebibytes(32)

    public init() {}
  }

  public static let name = "wikipedia.extract"
  public static let revision = 4
  public static let summary = "Extracts the articles of a MediaWiki dump as plain text."
  static let download = Input<Files>(
    "dump", "A dump and its index as wikipedia.download fetches them.", required: false)
  static let partitions = Output<Intermediate>("partitions", "The partitions of each dump.", hidden: true)
  static let articles = Output<Documents>("documents", "The articles.")
  public static let inputs = [download.port]
  public static let outputs = [partitions.port, articles.port]
  public enum Phase: String, StagePhase { case split, extract }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let (dumps, indexes) = try inputs(context)
    switch phase {
    case .split:
      return dumps.indices.map {
        TaskPlan(
          key: TaskPlan.padded($0), inputs: [.main: [dumps[$0]], "index": indexes.isEmpty ? [] : [indexes[$0]]],
          memoryBytes: 16 << 20)
      }
    case .extract: return try extractTasks(dumps, context.files(Self.partitions))
    }
  }

  /// - Parameter lists: the partitions, one list per dump.
  private func extractTasks(_ dumps: [ArtifactFile], _ lists: [ArtifactFile]) throws -> [TaskPlan] {
    var plans: [TaskPlan] = []
    for (dump, list) in zip(dumps, lists) {
      let text = String(decoding: try FileSystem.read(list.path), as: UTF8.self)
      for line in text.split(separator: "\n").map({ String($0) }) {
        let partition = WikiDumpPartition(line: line)
        let decoding = partition?.form == .blocks ? Bzip2Blocks.memoryBytes : 0
        plans.append(
          try TaskPlan(
            key: TaskPlan.padded(plans.count), inputs: [.main: [dump]], payload: line,
            memoryBytes: 32 << 20 + 3 * min(options.maximumPageBytes.bytes, 16 << 20) + decoding
          ).reading(bytes: partition?.bytes ?? dump.bytes))
      }
    }
    return plans
  }

  /// The dumps, and one index per dump or none: the wired ones, else those in the options.
  private func inputs(_ context: PlanningContext) throws -> (dumps: [ArtifactFile], indexes: [ArtifactFile]) {
    let wired = context.files(Self.download)
    func isIndex(_ file: ArtifactFile) -> Bool { file.name.firstRange(of: "-index.txt") != nil }
    let (dumps, indexes) =
      wired.isEmpty
      ? (try context.files(options.dump), options.index.isEmpty ? [] : try context.files(options.index))
      : (wired.filter { !isIndex($0) }, wired.filter(isIndex))
    guard !dumps.isEmpty else {
      throw StageError(
        .options, "dump", "there is no dump to read", hint: "Name the dump file, or wire wikipedia.download.")
    }
    guard indexes.isEmpty || indexes.count == dumps.count else {
      throw StageError(
        .options, "index", "there are \(indexes.count) indexes for \(dumps.count) dumps",
        hint: "Name one index per dump, in the same order, or none.")
    }
    return (dumps, indexes)
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .split: try split(workspace)
    case .extract: try extract(workspace)
    }
  }

  private func extract(_ workspace: Workspace) throws {
    let dump = try workspace.file().path
    guard let partition = WikiDumpPartition(line: try workspace.payload()) else {
      throw StageError(.input, dump, "its list of partitions is damaged", hint: "Run 'pipeline verify'.")
    }
    let site = WikiDumpHead.read(try partition.form == .blocks ? Bzip2Blocks(dump, from: 0) : openSource(dump)).site
    let task = try WikipediaExtractTask(options, site, workspace)
    try task.read(dump, partition)
  }

  private func split(_ workspace: Workspace) throws {
    let dump = try workspace.file().path
    try WikiDumpHead.check(dump)
    let splitter = WikiDumpSplitter(partitionBytes: Int64(options.partitionBytes.bytes))
    let partitions = try splitter.split(dump, index: workspace.files("index").first?.path)
    let text = partitions.map { $0.line + "\n" }.joined()
    try workspace.write(Self.partitions, name: workspace.task.key + ".txt", Array(text.utf8))
  }
}
extension WikitextOptions.Formulas: OptionChoice {}
extension WikitextOptions.Unresolved: OptionChoice {}
