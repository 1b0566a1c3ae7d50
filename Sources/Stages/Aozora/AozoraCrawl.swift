public import MarkupKit
import NetKit
public import PipelineKit
import ShardKit

/// Crawls Aozora Bunko: its index, then the zip of each work that is chosen, read as `aozora.read` does.
///
/// The first phase asks (see `CrawlOptions` for how it stays honest), one file at a time; a work is asked again only
/// when the index gives its text another date or revision. The second phase reads, a partition of the works a task:
/// after an update only the partitions that hold a changed work are read again. The index says what there is: a work
/// that it no longer lists, or lists as in copyright, is no longer written.
public struct AozoraCrawl: Stage {
  public struct Options: StageOptions {
    @Option("The URL of Aozora Bunko's extended list of works, as zip or CSV.")
    public var index = "https://www.aozora.gr.jp/index_pages/list_person_all_extended_utf8.zip"
    @Option("Fetches works of these 文字遣い種別 only, such as 新字新仮名. Empty takes all.")
    public var orthographies: [String] = []
    @Option("Takes only so many works, the first by their ids; 0 takes all.", in: 0...1_000_000)
    public var maximumWorks = 0
    @Option("Drops readings, or keeps them in parentheses behind their base.") public var ruby = AozoraNotation.Ruby
      .drop
    @Option("Writes a character that cannot be told as its description in brackets, as 〓, or not at all.")
    public var unresolvedGaiji = AozoraNotation.UnresolvedGaiji.description
    @Option("A work with a larger part of its bytes in no encoding is dropped.", in: 0...1)
    public var maximumReplacedFraction = 0.01
    @Option("Larger texts are dropped.") public var maximumWorkBytes = ByteCount.mebibytes(64)
    @Option("The documents' source.") public var source = "aozora"
    @Option("How many tasks the reading is split over.", in: 1...1024) public var partitions = 16
    @OptionGroup public var crawl: CrawlOptions
    @OptionGroup public var network: NetworkOptions

    public init() {}

    var reading: AozoraRead.Options {
      var options = AozoraRead.Options()
      options.ruby = ruby
      options.unresolvedGaiji = unresolvedGaiji
      options.maximumReplacedFraction = maximumReplacedFraction
      options.maximumWorkBytes = maximumWorkBytes
      options.source = source
      options.partitions = partitions
      return options
    }
  }

  public static let name = "aozora.crawl"
  public static let revision = 2
  public static let summary = "Crawls Aozora Bunko and reads its works, one work a document."
  static let archives = Output<Files>("archives", "The index, and the works' zips in partitions.", hidden: true)
  static let changes = Output<Report>("changes", "What is new, updated or gone since the look before.")
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
