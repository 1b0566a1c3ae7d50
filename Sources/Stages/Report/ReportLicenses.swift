public import PipelineKit
import ShardKit

/// Counts the licenses and the range of dates in each shard of a data set.
///
/// - `read`: of each document its license, its date and its length, without the text.
/// - `join`: the documents of each shard, by their ids.
///
/// What states no license is counted as `unknown`, and never left out.
public struct ReportLicenses: Stage {
  public struct Options: StageOptions {
    @Option("Fields of the metadata that state the license; the first one that a document has counts.")
    var licenseFields = ["license"]
    @Option("Where the date of the crawl stands, the first that a document has: a field, or metadata.KEY.")
    var dateFields = ["metadata.date", "created", "added"]
    @Option(
      "Memory for the facts of documents; what exceeds it is joined in several passes.",
      in: ByteCount(1 << 10)...(.gibibytes(1024)), affectsOutput: false)
    var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "report.licenses"
  public static let revision = 2
  public static let summary = "Counts the licenses and the range of crawl dates in each shard of a data set."
  static let documents = Input<Documents>("documents", "The documents that the shards were made of.")
  static let shards = Input<MDS>("shards", "The data set, from mds.write or tokenizer.encode.")
  static let report = Output<Report>("report", "licenses.json, licenses.csv and licenses.md: by shard and in all.")
  static let facts = Output<Intermediate>("facts", "License, date and length of each document.", hidden: true)
  public static let inputs = [documents.port, shards.port]
  public static let outputs = [report.port, facts.port]
  public enum Phase: String, StagePhase { case read, join }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    for name in options.dateFields where !LicenseFacts.isDateField(name) {
      throw StageError(
        .options, "dateFields", "'\(name)' is no field with a date",
        hint: "Use created, added or metadata.KEY.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .read: return TaskPlan.perFile(context.files(Self.documents))
    case .join:
      let shards = context.files(Self.shards)
      guard shards.contains(where: { $0.name == "index.json" }) else {
        throw StageError(
          .input, "inputs.shards", "has no index.json", hint: "Wire the output of 'mds.write' or 'tokenizer.encode'.")
      }
      return [
        TaskPlan(
          key: "join", inputs: [.main: shards, "facts": context.files(Self.facts)],
          memoryBytes: options.memory.bytes + 256 << 20)
      ]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .read: try read(workspace)
    case .join: try join(workspace)
    }
  }

  private func read(_ workspace: Workspace) throws {
    var facts = LicenseFacts(licenses: options.licenseFields, dates: options.dateFields)
    let key = workspace.task.key
    let file = try workspace.file(Self.facts, key + ".facts")
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      try file.write(record: facts.fact(of: document))
      workspace.consume(bytes: document.text.count)
    }
    try workspace.publish(Self.facts, file, name: key + ".facts")
    try workspace.write(Self.facts, name: key + ".json", Array(JSONValue.strings(facts.names).text().utf8))
  }

  private func join(_ workspace: Workspace) throws {
    guard let index = workspace.files(.main).first(where: { $0.name == "index.json" }) else { return }
    let folder = ArchivePath.folder(of: index.path)
    let ids = "\(ArchivePath.folder(of: folder))/ids/\(ArchivePath.lastPart(of: folder))"
    let reading = try SampleReading(folder: folder, ids: ids)
    var shares = ShardShares(reading.index)
    let files = workspace.files("facts")
    for pass in 0..<FactTable.passes(files, memoryBytes: options.memory.bytes) {
      let table = try FactTable(files, pass: pass, memoryBytes: options.memory.bytes)
      for shard in reading.index.shards.indices {
        try workspace.control.check()
        try shares.add(shard, of: reading, table)
      }
    }
    let unknown = shares.total.licenses[ShardShares.unknown]?.documents ?? 0
    workspace.warn(
      "unknown-license", times: unknown,
      "\(unknown) of \(shares.total.documents) documents state no license in \(options.licenseFields.joined(separator: ", "))"
    )
    workspace.warn(
      "not-in-documents", times: shares.strangers,
      "documents of the shards are not among those that are wired to 'documents'; they count as of unknown license")
    try workspace.write(Self.report, name: "licenses.json", Array(shares.json.prettyText().utf8))
    try workspace.write(Self.report, name: "licenses.csv", Array(shares.csv.utf8))
    try workspace.write(Self.report, name: "licenses.md", Array(shares.markdown.utf8))
  }
}
