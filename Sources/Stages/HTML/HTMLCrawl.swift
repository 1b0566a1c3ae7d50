import NetKit
public import PipelineKit
import ShardKit

/// Crawls a few sites: the pages that their sitemaps list, or that are listed by hand. Links are not followed.
///
/// The first phase asks (see `CrawlOptions` for how it stays honest): a page is asked again only when its sitemap gives
/// it another `lastmod`, or, where there is none, with the question whether it has changed. The second phase makes
/// texts of the answers as `commoncrawl.extract` does, a partition of the pages a task: after a later look only the
/// partitions with a page that changed are read again. A page that is listed no more is no longer written.
public struct HTMLCrawl: Stage {
  public struct Options: StageOptions {
    @Option("URLs of sitemaps, of indexes of them, or of a robots.txt that names them.")
    public var sitemaps: [String] = []
    @Option("URLs of pages.") public var urls: [String] = []
    @Option("Files with more of \"urls\", one a line; # begins a remark.") public var lists = InputFiles()
    @Option(
      "Takes pages whose URL fits one of these patterns: with * for anything, or else a beginning. None takes all.")
    public var include: [String] = []
    @Option("Leaves out pages whose URL fits one of these patterns.") public var exclude: [String] = []
    @Option("Takes only so many pages, in the order of the lists.", in: 1...10_000_000) public var maximumPages = 10_000
    @Option(
      "Reads only so many sitemaps, in the order of the lists; what more are named is counted as a warning, and "
        + "nothing is taken for gone.", in: 1...10_000_000)
    public var maximumSitemaps = 10_000
    @Option("Takes from a sitemap only what lies on its own host, as its protocol has it.")
    public var sameHostOnly = true
    @Option("How many tasks the reading is split over.", in: 1...1024) public var partitions = 16
    @OptionGroup var page = ExtractionOptions(source: "web")
    @OptionGroup public var crawl: CrawlOptions
    @OptionGroup public var network: NetworkOptions

    public init() {}
  }

  public static let name = "html.crawl"
  public static let revision = 3
  public static let summary = "Crawls the pages that sites list in their sitemaps, one page a document."
  static let pages = Output<Files>("pages", "The pages as they were answered, in partitions.", hidden: true)
  static let documents = Output<Documents>("documents", "The pages' texts, with the URL as id.")
  static let changes = Output<Report>("changes", "What is new, updated or gone since the look before.")
  public static let outputs = [pages.port, documents.port, changes.port]
  public enum Phase: String, StagePhase { case fetch, read }
  public static let waitingPhases: Set<Phase> = [.fetch]

  public static func options(of phase: Phase) -> Set<String>? {
    let fetching: Set = [
      "sitemaps", "urls", "include", "exclude", "maximumPages", "maximumSitemaps", "sameHostOnly", "partitions",
      "snapshot",
      "maximumFailedFraction", "maximumPageBytes",
    ]
    return switch phase {
    case .fetch: fetching
    case .read: ExtractionOptions.names
    }
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    try options.crawl.validate()
    try options.page.validate()
    guard !(options.sitemaps.isEmpty && options.urls.isEmpty && options.lists.isEmpty) else {
      throw StageError(
        .options, "sitemaps", "there is nothing to crawl",
        hint: "Name \"sitemaps\", such as https://example.org/sitemap.xml, or \"urls\".")
    }
    for (option, urls) in [("sitemaps", options.sitemaps), ("urls", options.urls)] {
      for text in urls { _ = try statedURL(text, option) }
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .fetch:
      let lists = try options.lists.isEmpty ? [] : context.files(options.lists)
      return [TaskPlan(key: "all", inputs: [.main: lists], memoryBytes: 256 << 20)]
    case .read:
      return TaskPlan.perFile(
        context.files(Self.pages), memoryBytes: 96 << 20 + options.page.maximumPageBytes.bytes * 10)
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .fetch:
      try networked(workspace) {
        var fetching = try HTMLCrawlTask(options, workspace)
        try fetching.run()
      }
    case .read:
      let reading = CommonCrawlExtractTask(
        options.page.extraction, source: options.page.source, workspace, try workspace.documents(to: Self.documents))
      reading.takesURLAsID = true
      for file in workspace.files(.main) { try reading.read(file) }
    }
  }
}
