import NetKit
public import PipelineKit
import ShardKit

/// Makes documents of Common Crawl's archives, and of any other web archive: WET (texts) and WARC (pages).
///
/// A task is a file, read record by record. WET texts are taken as they are, for their markup is gone; of WARC's pages
/// the text is told from what surrounds it (see `BoilerplateRemoval`). Formats: WARC/1.1 (ISO 28500:2017) and
/// https://commoncrawl.org/get-started.
public struct CommonCrawlExtract: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "WET, WARC or ARC files, packed (gz, zst, lz4, bz2, xz) or plain, or folders of them; needed where none are wired."
    )
    public var files = InputFiles()
    @Option("Takes texts in these languages (ISO 639: ja, en); none takes all.") public var languages = ["ja"]
    @Option(
      "Told by the record's header (its first language), by the text (scripts and CLD2), or by either: the header "
        + "where there is one, else the text.")
    var languageBy = PageLanguage.Judge.either
    @Option(
      "The least share of a text that must be in those languages, where the text tells.", in: 0...1,
      formerly: "minimumLanguageShare")
    public var minimumLanguageFraction = 0.5
    @Option("Takes pages of these domains and what lies below them (jp, example.org); none takes all.")
    public var domains: [String] = []
    @Option("Drops pages of these domains and what lies below them.") public var excludedDomains: [String] = []
    @Option("Files with more of \"domains\", one a line.", holdsRecords: false) public var domainLists = InputFiles()
    @Option("Files with more of \"excludedDomains\", one a line.", holdsRecords: false)
    public var excludedDomainLists = InputFiles()
    @OptionGroup var page = ExtractionOptions(source: "commoncrawl")

    public init() {}
  }

  public static let name = "commoncrawl.extract"
  public static let revision = 3
  public static let summary = "Makes documents of web archives, WET or WARC, in the languages asked for."
  static let fetched = Input<Files>("files", "Files that another stage fetched.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The texts, with the record's id.")
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

  /// Beside archives other files may lie; where nothing else does, the wrong place was named.
  private static func requireArchive(_ files: [ArtifactFile]) throws {
    guard let first = files.first, try !files.contains(where: { try WARCReader.isArchive($0.path) }) else { return }
    throw StageError(
      .input, first.path,
      files.count == 1
        ? "it holds no record of a web archive" : "none of \(files.count) files holds a record of a web archive",
      hint: "Name WARC, WET or ARC files, and check that they are whole.")
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
