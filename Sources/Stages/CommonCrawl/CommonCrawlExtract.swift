import NetKit
public import PipelineKit
import ShardKit

/// Extracts documents from the web archives of Common Crawl and others: WET (texts) and WARC (pages).
///
/// One task per file, read record by record. WET texts are taken unchanged, since their markup is gone; in WARC pages
/// the main text is separated from the boilerplate (see `BoilerplateRemoval`). Formats: WARC/1.1 (ISO 28500:2017) and
/// https://commoncrawl.org/get-started.
public struct CommonCrawlExtract: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "WET, WARC or ARC files, plain or compressed (gz, zst, lz4, bz2, xz), or folders of them; required unless wired."
    )
    public var files = InputFiles()
    @Option("Keeps texts in these languages (ISO 639: ja, en). Empty: all.") public var languages = ["ja"]
    @Option(
      "How the language is determined: from the record's header (its first language), from the text (scripts and "
        + "CLD2), or from either: the header if there is one, else the text.")
    var languageBy = PageLanguage.Judge.either
    @Option(
      "Minimum fraction of a text in those languages, if the text decides.", in: 0...1,
      formerly: "minimumLanguageShare")
    public var minimumLanguageFraction = 0.5
    @Option("Keeps pages of these domains and their subdomains (jp, example.org). Empty: all.")
    public var domains: [String] = []
    @Option("Drops pages of these domains and their subdomains.") public var excludedDomains: [String] = []
    @Option("Files with more \"domains\", one per line.", holdsRecords: false) public var domainLists = InputFiles()
    @Option("Files with more \"excludedDomains\", one per line.", holdsRecords: false)
    public var excludedDomainLists = InputFiles()
    @OptionGroup var page = ExtractionOptions(source: "commoncrawl")

    public init() {}
  }

  public static let name = "commoncrawl.extract"
  public static let revision = 5
  public static let summary = "Extracts documents in the selected languages from web archives (WET or WARC)."
  static let fetched = Input<Files>("files", "Files fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The texts; the record's id is the document's id.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws { try options.page.validate() }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let allowed = try options.domainLists.isEmpty ? [] : context.files(options.domainLists)
    let denied = try options.excludedDomainLists.isEmpty ? [] : context.files(options.excludedDomainLists)
    let archives = try context.files(Self.fetched, and: options.files, named: "files")
    try Self.requireArchive(archives)
    return archives.enumerated().map { number, archive in
      TaskPlan(
        key: TaskPlan.padded(number), inputs: [.main: [archive], "domains": allowed, "excluded": denied],
        memoryBytes: 96 << 20 + options.page.maximumPageBytes.bytes * 10)
    }
  }

  /// Archives may be mixed with other files; if there are only other files, the wrong place was given.
  private static func requireArchive(_ files: [ArtifactFile]) throws {
    guard let first = files.first, try !files.contains(where: { try WARCReader.isArchive($0.path) }) else { return }
    throw StageError(
      .input, first.path,
      files.count == 1
        ? "contains no web archive record" : "none of \(files.count) files contains a web archive record",
      hint: "Name WARC, WET or ARC files, and check that they are complete.")
  }

  public func run(_ workspace: Workspace) throws {
    let reading = CommonCrawlExtractTask(
      options.page.extraction, source: options.page.source, workspace, try workspace.documents(to: Self.documents))
    reading.hosts = HostFilter(
      allowed: options.domains + (try ListedLines.read(workspace.files("domains"))),
      denied: options.excludedDomains + (try ListedLines.read(workspace.files("excluded"))))
    if !options.languages.isEmpty {
      reading.language = PageLanguage(
        languages: options.languages, judge: options.languageBy, minimumFraction: options.minimumLanguageFraction)
    }
    try reading.read(workspace.file())
  }
}
