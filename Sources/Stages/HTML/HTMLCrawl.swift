import NetKit
public import PipelineKit
import ShardKit

/// Crawls a few sites: the pages listed in their sitemaps or by hand. Links are not followed.
///
/// The first phase fetches (`CrawlOptions` explains how its result stays reproducible). A page is fetched again only if
/// its sitemap gives another `lastmod`; without one, a conditional request is sent. The second phase extracts the text
/// of the responses as `commoncrawl.extract` does, one partition per task: in a later crawl only partitions
/// with a changed page are read again. A page that is no longer listed is no longer written.
public struct HTMLCrawl: Stage {
  public struct Options: StageOptions {
    @Option("URLs of sitemaps, of sitemap indexes, or of a robots.txt that names them.")
    public var sitemaps: [String] = []
    @Option("URLs of pages.") public var urls: [String] = []
    @Option("Files with more \"urls\", one per line; # begins a comment.") public var lists = InputFiles()
    @Option(
      "Keeps pages whose URL matches one of these patterns (* matches anything; without *, a prefix). Empty: all.")
    public var include: [String] = []
    @Option("Excludes pages whose URL matches one of these patterns.") public var exclude: [String] = []
    @Option("Maximum number of pages, in the order of the lists.", in: 1...10_000_000) public var maximumPages = 10_000
    @Option(
      "Maximum number of sitemaps, in the order of the lists. Further ones are counted as a warning, and then no "
        + "page counts as gone.", in: 1...10_000_000)
    public var maximumSitemaps = 10_000
    @Option("Keeps only a sitemap's URLs on its own host, as the protocol requires.")
    public var sameHostOnly = true
    @Option("Number of tasks that read the pages.", in: 1...1024) public var partitions = 16
    @OptionGroup var page = ExtractionOptions(source: "web")
    @OptionGroup public var crawl: CrawlOptions
    @OptionGroup public var network: NetworkOptions

    public init() {}
  }

  public static let name = "html.crawl"
  public static let revision = 3
  public static let summary = "Crawls the pages that sites list in their sitemaps, one document per page."
  static let pages = Output<Files>("pages", "The responses, by partition.", hidden: true)
  static let documents = Output<Documents>("documents", "The texts of the pages; the URL is the id.")
  static let changes = Output<Report>("changes", "What is new, updated or gone since the previous crawl.")
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
