import NetKit
public import PipelineKit
import ShardKit

/// Selects source files of The Stack v2 by their metadata, and fetches them where told from where.
///
/// The metadata names hundreds of millions of files and holds none of their contents. `filter` judges each row by itself
/// and deals the kept ones into partitions by content; `blobs` keeps one row of each content; `repositories` keeps so
/// many of each repository; `fetch` gets the contents. Every row is counted once, in the phase that decides its fate.
/// Memory is a sorter's buffer and a bit a row of one partition.
/// Columns: https://huggingface.co/datasets/bigcode/the-stack-v2
public struct CodeSelect: Stage {
  public struct Options: StageOptions {
    @Option("The rows, as JSON lines or CSV with a header, plain or compressed; needed where none are wired.")
    public var metadata = InputFiles()
    @Option("Keeps files of these languages only, such as Python. Empty keeps all.") public var languages: [String] = []
    @Option("Keeps files with these extensions only, such as py. Empty keeps all.") public var extensions: [String] = []
    @Option("Keeps files of these license types only.") public var licenseTypes: [LicenseType] = [.permissive]
    @Option(
      "SPDX identifiers: every license that was detected for a file must be among them. Empty allows what the types "
        + "allow.")
    public var licenses: [String] = []
    @Option("Files that were copied from other projects.") public var vendored = Choice.drop
    @Option("Files that programs wrote.") public var generated = Choice.drop
    @Option("Smaller files are dropped.", in: 0...1_000_000_000) public var minimumBytes = 0
    @Option("Larger files are dropped.") public var maximumBytes = ByteCount.mebibytes(1)
    @Option("Keeps so many files of a repository, chosen by a hash; 0 keeps all.", in: 0...1_000_000_000)
    public var maximumPerRepository = 0
    @Option("Further rows of the same content.") public var duplicates = Choice.drop
    @Option("A file with a larger part of malformed rows is an error.", in: 0...1)
    public var maximumMalformedFraction = 0.01
    @Option("How many tasks the rows are split over.", in: 1...256) public var partitions = 16
    @Option(
      "Where the contents lie: a URL or an absolute path with {blob_id} in it, such as "
        + "https://softwareheritage.s3.amazonaws.com/content/{blob_id}. Empty only selects.")
    public var contents = ""
    @Option("Another word here fetches everything again.", formerly: "asOf") public var snapshot = ""
    @Option("The stage fails when a larger part of a partition's contents cannot be had.", in: 0...1)
    public var maximumMissingFraction = 0.05
    @Option("The documents' source.") public var source = "code"
    @Option("How many contents are fetched at once.", in: 1...64, affectsOutput: false) public var filesAtOnce = 4
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
  static let fetched = Input<Files>("metadata", "Metadata that another stage fetched.", required: false, many: true)
  static let rows = Output<Counts>("rows", "Rows by content.", hidden: true)
  static let blobs = Output<Counts>("blobs", "Rows by repository, one a content.", hidden: true)
  static let selection = Output<Files>("selection", "The selected rows as JSON lines.")
  static let documents = Output<Documents>("documents", "One file a document, where contents are fetched.")
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
        .options, "licenseTypes", "no license type is allowed, so that nothing can be kept",
        hint: "Name \(LicenseType.names.joined(separator: ", ")).")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .filter:
      let files = try context.files(Self.fetched, and: options.metadata, named: "metadata")
      return TaskPlan.grouped(
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

  /// One task a partition, over what all tasks of the phase before dealt to it.
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
