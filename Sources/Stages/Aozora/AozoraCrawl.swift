import MarkupKit
import NetKit
public import PipelineKit
import ShardKit

/// Crawls Aozora Bunko: fetches its index, then the zip of each selected work, and reads them as `aozora.read` does.
///
/// The first phase fetches files one at a time (`CrawlOptions` explains how its result stays reproducible). A work is
/// fetched again only when the index lists another date or revision for its text. The second phase reads the works, one
/// partition per task: after an update only partitions with a changed work are read again. The index is authoritative:
/// a work that it no longer lists, or lists as in copyright, is no longer written.
public struct AozoraCrawl: Stage {
  public struct Options: StageOptions {
    @Option("The URL of Aozora Bunko's extended list of works (zip or CSV).")
    public var index = "https://www.aozora.gr.jp/index_pages/list_person_all_extended_utf8.zip"
    @Option("Fetches only works with these 文字遣い種別, such as 新字新仮名. Empty: all.")
    public var orthographies: [String] = []
    @Option("Maximum number of works, taken in order of their ids. 0: no limit.", in: 0...1_000_000)
    public var maximumWorks = 0
    @OptionGroup public var text: AozoraTextOptions
    @Option("Number of tasks that read the works.", in: 1...1024) public var partitions = 16
    @OptionGroup public var crawl: CrawlOptions
    @OptionGroup public var network: NetworkOptions

    public init() {}

    var reading: AozoraRead.Options {
      var options = AozoraRead.Options()
      options.text = text
      options.partitions = partitions
      return options
    }
  }

  public static let name = "aozora.crawl"
  public static let revision = 2
  public static let summary = "Crawls Aozora Bunko and reads its works, one document per work."
  static let archives = Output<Files>("archives", "The index, and the zips of the works by partition.", hidden: true)
  static let changes = Output<Report>("changes", "What is new, updated or gone since the previous crawl.")
  public static let outputs = [archives.port, AozoraRead.documents.port, changes.port]
  public enum Phase: String, StagePhase { case fetch, read }
  public static let waitingPhases: Set<Phase> = [.fetch]

  public static func options(of phase: Phase) -> Set<String>? {
    let fetching: Set = ["index", "orthographies", "maximumWorks", "partitions", "snapshot", "maximumFailedFraction"]
    let reading: Set = ["ruby", "unresolvedGaiji", "maximumReplacedFraction", "maximumWorkBytes", "source"]
    return switch phase {
    case .fetch: fetching
    case .read: reading
    }
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    try options.crawl.validate()
    _ = try statedURL(options.index, "index")
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .fetch: return [TaskPlan(key: "all", memoryBytes: 256 << 20)]
    case .read:
      let files = context.files(Self.archives)
      let index = files.filter { $0.name == AozoraCrawlTask.indexName }
      let archives = files.filter { $0.name != AozoraCrawlTask.indexName }
      return archives.enumerated().map { number, archive in
        TaskPlan(
          key: TaskPlan.padded(number), inputs: [AozoraReadTask.index: index, .main: [archive]], memoryBytes: 160 << 20)
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .fetch:
      try networked(workspace) {
        var fetching = try AozoraCrawlTask(options, workspace)
        try fetching.run()
      }
    case .read:
      var reading = try AozoraReadTask(options.reading, workspace, partition: nil)
      try reading.run()
    }
  }
}
