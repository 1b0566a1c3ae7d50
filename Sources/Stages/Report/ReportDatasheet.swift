public import PipelineKit
import ShardKit

/// Writes the datasheet of a corpus: what it is made of, what was left out and why, what was measured, and what was not
/// done.
///
/// - `count`: sources, licenses, languages, domains and lengths, of each file of documents.
/// - `measure`: histograms of the measures that scoring stages took on the way.
/// - `write`: the page, from these and from the accounts of all stages that the documents come from.
///
/// It has ids and numbers of dropped documents, never their text.
public struct ReportDatasheet: Stage {
  public struct Options: StageOptions {
    @Option("The name of the corpus.") var title = "Corpus"
    @Option("A paragraph of your own below the title: what the corpus is for, and who made it.") var summary = ""
    @Option("Facts that no stage knows, such as a contact: {\"Contact\": \"corpus@example.org\"}.")
    var facts: [String: String] = [:]
    @Option("Fields of the metadata that state the license; the first one that a document has counts.")
    var licenseFields = ["license"]
    @Option("Fields of the metadata that state the language.") var languageFields = ["language", "lang"]
    @Option("Fields of the metadata that state the domain.") var domainFields = ["domain"]
    @Option("Where the date of the crawl stands, the first that a document has: a field, or metadata.KEY.")
    var dateFields = ["metadata.date", "created", "added"]
    @Option("Dropped documents to name for each reason.", in: 0...100) var examples = 3

    public init() {}
  }

  public static let name = "report.datasheet"
  public static let revision = 2
  public static let summary = "Writes the datasheet of a corpus: sources, licenses, drops, measures, limits."
  static let documents = Input<Documents>("documents", "The finished corpus.", many: true)
  static let report = Output<Report>("report", "datasheet.html, one self-contained page; datasheet.md; datasheet.json.")
  static let tallies = Output<Intermediate>("tallies", "Counts of each file of documents.", hidden: true)
  static let histograms = Output<Intermediate>("histograms", "Histograms of measures.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [report.port, tallies.port, histograms.port]
  public static let readsAccounts = true
  public enum Phase: String, StagePhase { case count, measure, write }

  private let options: Options

  public init(options: Options) { self.options = options }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .count: ["licenseFields", "languageFields", "domainFields", "dateFields"]
    case .measure: []
    case .write: nil
    }
  }

  public func validate() throws {
    for name in options.dateFields where !LicenseFacts.isDateField(name) {
      throw StageError(
        .options, "dateFields", "'\(name)' is no field with a date", hint: "Use created, added or metadata.KEY.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .count:
      return context.artifacts(Self.documents).enumerated().flatMap { number, artifact in
        artifact.files.enumerated().map { i, file in
          TaskPlan(key: "\(TaskPlan.padded(number))-\(TaskPlan.padded(i))", inputs: [.main: [file]])
        }
      }
    case .measure:
      let scorers = Set(self.paths(context).scorers)
      return context.accounts.enumerated().compactMap { number, account in
        guard scorers.contains(account.stage) else { return nil }
        let files = account.files(of: .signals).filter { $0.name.hasSuffix(".signals") }
        return files.isEmpty ? nil : TaskPlan(key: TaskPlan.padded(number), inputs: [.main: files])
      }
    case .write:
      let paths = self.paths(context)
      let accounts = context.accounts
      let own = accounts.filter { paths.contains($0.stage) }
      let inputs: TaskInputs = [
        "accounts": accounts.map(\.file), "drops": own.flatMap(\.drops),
        "cuts": own.flatMap { $0.files(of: Gate.cuts.port.name) },
        "decontamination": own.filter { $0.manifest.identity.use == Decontaminate.name }
          .flatMap { $0.files(of: Decontaminate.report.port.name) }.filter { $0.name.hasSuffix(".json") },
        "tallies": context.files(Self.tallies), "histograms": context.files(Self.histograms),
      ]
      return [try TaskPlan(key: "datasheet", inputs: inputs, payload: paths, memoryBytes: 256 << 20)]
    }
  }

  private func paths(_ context: PlanningContext) -> CorpusPaths {
    CorpusPaths(to: context.artifacts(Self.documents).map(\.stage), context.accounts)
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .count: try count(workspace)
    case .measure: try measure(workspace)
    case .write: try write(workspace)
    }
  }

  private func count(_ workspace: Workspace) throws {
    var counting = DocumentCounting(
      licenses: options.licenseFields, languages: options.languageFields, domains: options.domainFields,
      dates: options.dateFields)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      counting.add(document)
      workspace.consume(bytes: document.text.count)
    }
    try workspace.write(
      Self.tallies, name: workspace.task.key + ".json", Array(counting.tally.json.text(sortedKeys: true).utf8))
  }

  private func measure(_ workspace: Workspace) throws {
    let files = workspace.files(.main)
    let stage = String(files[0].name.prefix { $0 != "/" })
    let histograms = try SignalHistograms(stage: stage, files: files) { try workspace.control.check() }
    try workspace.write(
      Self.histograms, name: workspace.task.key + ".json", Array(histograms.json.text(sortedKeys: true).utf8))
  }

  private func write(_ workspace: Workspace) throws {
    var facts = DatasheetFacts(title: options.title, summary: options.summary, facts: options.facts)
    facts.paths = try workspace.payload(CorpusPaths.self)
    for file in workspace.files("accounts") {
      facts.accounts.append(try NodeManifest(json: JSONValue.parse(FileSystem.read(file.path)).value))
    }
    for file in workspace.files(Self.tallies) { facts.tally += try DocumentTally(jsonFile: file.path, limit: 1 << 28) }
    facts.tally.limit()
    for file in workspace.files(Self.histograms) {
      facts.histograms.append(try SignalHistograms(jsonFile: file.path, limit: 1 << 28))
    }
    for file in workspace.files("cuts") {
      facts.cuts[String(file.name.prefix { $0 != "/" })] = try GateCuts(jsonFile: file.path, limit: 64 << 20)
    }
    for file in workspace.files("decontamination") {
      facts.decontamination.append(try JSONValue.parse(FileSystem.read(file.path)).value)
    }
    facts.drops = try DropExamples.read(workspace.files("drops"), each: options.examples)
    let page = facts.page
    try workspace.write(Self.report, name: "datasheet.html", Array(page.html.utf8))
    try workspace.write(Self.report, name: "datasheet.md", Array(page.markdown.utf8))
    try workspace.write(Self.report, name: "datasheet.json", Array(facts.json.prettyText().utf8))
  }
}
