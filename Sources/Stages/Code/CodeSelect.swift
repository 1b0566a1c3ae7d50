import NetKit
public import PipelineKit
import ShardKit

/// Selects source files of The Stack v2 by their metadata, and fetches them if a location is given.
///
/// The metadata lists hundreds of millions of files without their contents. `filter` checks each row independently and
/// distributes the kept ones into partitions by content; `blobs` keeps one row per content; `repositories` limits the
/// rows per repository; `fetch` fetches the contents. Every row is counted once, in the phase that decides about it.
/// Memory: a sort buffer and one bit per row of a partition.
/// Columns: https://huggingface.co/datasets/bigcode/the-stack-v2
public struct CodeSelect: Stage {
  public struct Options: StageOptions {
    @Option(
      "The rows, as Parquet, or as JSON lines or CSV with a header, plain or compressed; required unless the input is "
        + "wired.")
    public var metadata = InputFiles()
    @Option("Keeps only files in these languages, such as Python. Empty: all.") public var languages: [String] = []
    @Option("Keeps only files with these extensions, such as py. Empty: all.") public var extensions: [String] = []
    @Option("Keeps only files with these license types.") public var licenseTypes: [LicenseType] = [.permissive]
    @Option(
      "SPDX identifiers: every license that was detected for a file must be among them. Empty allows what the types "
        + "allow.")
    public var licenses: [String] = []
    @Option("What to do with files copied from other projects.") public var vendored = Choice.drop
    @Option("What to do with generated files.") public var generated = Choice.drop
    @Option("Smaller files are dropped.", in: 0...1_000_000_000) public var minimumBytes = 0
    @Option("Larger files are dropped.") public var maximumBytes = ByteCount.mebibytes(1)
    @Option("Maximum number of files per repository, chosen by hash. 0: no limit.", in: 0...1_000_000_000)
    public var maximumPerRepository = 0
    @Option("What to do with further rows of the same content.") public var duplicates = Choice.drop
    @Option("A larger fraction of malformed rows in a file is an error.", in: 0...1)
    public var maximumMalformedFraction = 0.01
    @Option("Number of partitions, one task each.", in: 1...256) public var partitions = 16
    @Option(
      "Location of the contents: a URL or an absolute path that contains {blob_id}, such as "
        + "https://softwareheritage.s3.amazonaws.com/content/{blob_id}. Empty: contents are not fetched.")
    public var contents = ""
    @Option("Any new value forces a fresh fetch.", formerly: "asOf") public var snapshot = ""
    @Option("The stage fails if a larger fraction of a partition's contents is missing.", in: 0...1)
    public var maximumMissingFraction = 0.05
    @Option("The source of the documents.") public var source = "code"
    @Option("Number of contents fetched concurrently.", in: 1...64, affectsOutput: false) public var filesAtOnce = 4
    @OptionGroup public var network = NetworkOptions(delaySeconds: 0.0)

    public init() {}
  }

  public enum Choice: String, CaseIterable, OptionChoice { case drop, keep }
  public enum LicenseType: String, CaseIterable, OptionChoice {
    case permissive
    case none = "no_license"
  }

  public static let name = "code.select"
  public static let revision = 2
  public static let summary = "Selects source files of The Stack v2 by language and license, and fetches them."
  static let fetched = Input<Files>("metadata", "Metadata fetched by another stage.", required: false, many: true)
  static let rows = Output<Intermediate>("rows", "Rows by content.", hidden: true)
  static let blobs = Output<Intermediate>("blobs", "Rows by repository, one per content.", hidden: true)
  static let selection = Output<Files>("selection", "The selected rows as JSON lines.")
  static let documents = Output<Documents>("documents", "One document per file, if contents are fetched.")
  public static let inputs = [fetched.port]
  public static let outputs = [rows.port, blobs.port, selection.port, documents.port]
  public enum Phase: String, StagePhase { case filter, blobs, repositories, fetch }
  public static let waitingPhases: Set<Phase> = [.fetch]

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .filter:
      [
        "languages", "extensions", "licenseTypes", "licenses", "vendored", "generated", "minimumBytes", "maximumBytes",
        "maximumMalformedFraction", "partitions",
      ]
    case .blobs: ["duplicates", "partitions"]
    case .repositories: ["maximumPerRepository", "partitions", "contents"]
    case .fetch: ["contents", "snapshot", "maximumMissingFraction", "source", "maximumBytes"]
    }
  }

  private static let smallFilesBytesPerTask: Int64 = 64 << 20

  let options: Options
  /// Shared by all tasks.
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.network.politeness(requestsAtOnce: options.filesAtOnce)
  }

  public func validate() throws {
    if !options.contents.isEmpty { _ = try ContentLocation(options.contents) }
    guard !options.licenseTypes.isEmpty else {
      throw StageError(
        .options, "licenseTypes", "allows no license type, so nothing would be kept",
        hint: "Name \(LicenseType.names.joined(separator: ", ")).")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .filter:
      let files = try context.files(Self.fetched, and: options.metadata, named: "metadata")
      return try TaskPlan.groupedRows(
        files, bytes: Self.smallFilesBytesPerTask, memoryBytes: 64 << 20 + options.partitions << 21)
    case .blobs: return partitions(of: context.files(Self.rows), memoryBytes: 128 << 20 + options.partitions << 21)
    case .repositories: return partitions(of: context.files(Self.blobs), memoryBytes: 128 << 20)
    case .fetch:
      guard !options.contents.isEmpty else { return [] }
      return try context.files(Self.selection).map {
        try TaskPlan(
          key: String($0.name.prefix(5)), inputs: [.main: [$0]], payload: ["snapshot": options.snapshot],
          memoryBytes: 16 << 20 + options.maximumBytes.bytes * 6)
      }
    }
  }

  /// One task per partition, over what all tasks of the previous phase wrote for it.
  private func partitions(of files: [ArtifactFile], memoryBytes: Int) -> [TaskPlan] {
    (0..<options.partitions).compactMap { partition in
      let key = TaskPlan.padded(partition)
      let files = files.filter { $0.name.hasSuffix("-\(key).jsonl.zst") }
      return files.isEmpty ? nil : TaskPlan(key: key, inputs: [.main: files], memoryBytes: memoryBytes)
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .filter: try CodeFilterTask(options, workspace).run()
    case .blobs: try CodeBlobs(options, workspace).run()
    case .repositories: try CodeRepositories(options, workspace).run()
    case .fetch: try CodeFetchTask(options, workspace, politeness).run()
    }
  }
}
