public import MarkupKit
public import PipelineKit
import ShardKit

/// Reads Aozora Bunko's works as plain text in UTF-8, one document per work.
///
/// Works are split over partitions by id, so that one task sees all files of a work and keeps the best one. Each task
/// makes two passes over its files: one over names, one over texts. If the best file of a work cannot be read and there
/// are others, two more passes try and read those. Memory: a few works.
public struct AozoraRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "Texts, zips or tars (plain, zst, gz, xz, bz2) of texts, or folders of them; required unless "
        + "the input is wired.")
    public var works = InputFiles()
    @Option(
      "Aozora Bunko's list of works, as CSV or zip. With the extended list (55 columns), a work is kept only if "
        + "all of its rows say that neither the work nor the person is in copyright.", holdsRecords: false)
    public var index = InputFiles()
    @Option("What to do with works that the index does not list.") public var notIndexed = NotIndexed.drop
    @Option("Keeps only works with these 文字遣い種別, such as 新字新仮名; needs an index. Empty: all.")
    public var orthographies: [String] = []
    @OptionGroup public var text: AozoraTextOptions
    @Option("Number of tasks that read the works.", in: 1...1024) public var partitions = 4

    public init() {}
  }

  public enum NotIndexed: String, CaseIterable, OptionChoice { case drop, keep }

  public static let name = "aozora.read"
  public static let revision = 3
  public static let summary = "Reads Aozora Bunko's works as plain text, one document per work."
  static let fetched = Input<Files>(
    "works", "Texts or archives fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "One document per work, with title and people as metadata.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    if !options.orthographies.isEmpty && options.index.isEmpty {
      throw StageError(
        .options, "orthographies", "requires an index, which states the orthography of each work",
        hint: "Set \"index\" to list_person_all_extended_utf8.zip.")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let index = try context.files(options.index)
    let works = try context.files(Self.fetched, and: options.works, named: "works").filter {
      AozoraContainer.kind($0.name) != nil
    }
    guard !works.isEmpty else {
      throw StageError(
        .input, options.works.isEmpty ? "works" : options.works.paths.joined(separator: ", "),
        "the given or wired files contain no .txt, .zip or .tar of works",
        hint: "Name a folder such as cards/, or an archive of it.")
    }
    let largest = works.reduce(0) { max($0, AozoraContainer.kind($1.name) == .text ? $1.bytes : 8 << 20) }
    return try (0..<options.partitions).compactMap { part in
      let files = works.filter {
        AozoraContainer.kind($0.name) != .text || AozoraFile(path: $0.name).partition(of: options.partitions) == part
      }
      guard !files.isEmpty else { return nil }
      // Every task goes through the archives and takes its share.
      let bytes = files.reduce(0) {
        $0 + (AozoraContainer.kind($1.name) == .text ? $1.bytes : $1.bytes / Int64(options.partitions))
      }
      return try TaskPlan(
        key: TaskPlan.padded(part), inputs: [AozoraReadTask.index: index, .main: files],
        payload: Partition(number: part, of: options.partitions),
        memoryBytes: min(Int(clamping: largest), options.text.maximumWorkBytes.bytes, 1 << 40) * 12 + 64 << 20
      ).reading(bytes: bytes)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let partition: Partition = try workspace.payload()
    var reading = try AozoraReadTask(options, workspace, partition: partition.number)
    try reading.run()
  }

  /// Which works a task reads, by their numbers.
  private struct Partition: Codable {
    var number: Int
    var of: Int
  }
}
extension AozoraNotation.Ruby: OptionChoice {}
extension AozoraNotation.UnresolvedGaiji: OptionChoice {}

/// How a work becomes a document.
public struct AozoraTextOptions: StageOptions {
  @Option("Drops ruby readings, or keeps them in parentheses after their base.") public var ruby = AozoraNotation.Ruby
    .drop
  @Option("Writes an unresolvable character as its description in brackets, as 〓, or not at all.")
  public var unresolvedGaiji = AozoraNotation.UnresolvedGaiji.description
  @Option("Works with a larger fraction of undecodable bytes are dropped.", in: 0...1)
  public var maximumReplacedFraction = 0.01
  @Option("Larger texts are dropped.") public var maximumWorkBytes = ByteCount.mebibytes(64)
  @Option("The source of the documents.") public var source = "aozora"

  public init() {}
}
