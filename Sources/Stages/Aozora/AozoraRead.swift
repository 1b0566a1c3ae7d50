public import MarkupKit
public import PipelineKit
import ShardKit

/// Reads Aozora Bunko's works: one work a document, as plain text in UTF-8.
///
/// Works are split over partitions by their ids, so that all files of a work meet in one task and the best of them is
/// kept. Each task passes twice over its files: once over names, once over texts; and twice more where the best file of
/// a work could not be read and there are others, which are tried and then read. Memory is a few works.
public struct AozoraRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "Texts, zips or tars (plain, zst, gz, xz, bz2) of texts, or folders of them; needed where "
        + "none are wired.")
    public var works = InputFiles()
    @Option(
      "Aozora Bunko's list of works, as CSV or zip. With the extended list (55 columns) a work is kept only if every "
        + "row of it says that neither work nor person is in copyright.", holdsRecords: false)
    public var index = InputFiles()
    @Option("What happens to works that the index does not list.") public var notIndexed = NotIndexed.drop
    @Option("Keeps works of these 文字遣い種別 only, such as 新字新仮名; needs an index. Empty keeps all.")
    public var orthographies: [String] = []
    @Option("Drops readings, or keeps them in parentheses behind their base.") public var ruby = AozoraNotation.Ruby
      .drop
    @Option("Writes a character that cannot be told as its description in brackets, as 〓, or not at all.")
    public var unresolvedGaiji = AozoraNotation.UnresolvedGaiji.description
    @Option("A work with a larger part of its bytes in no encoding is dropped.", in: 0...1)
    public var maximumReplacedFraction = 0.01
    @Option("Larger texts are dropped.") public var maximumWorkBytes = ByteCount.mebibytes(64)
    @Option("The documents' source.") public var source = "aozora"
    @Option("How many tasks the works are split over.", in: 1...1024) public var partitions = 4

    public init() {}
  }

  public enum NotIndexed: String, CaseIterable, OptionChoice { case drop, keep }

  public static let name = "aozora.read"
  public static let revision = 3
  public static let summary = "Reads Aozora Bunko's works as plain text, one work a document."
  static let fetched = Input<Files>(
    "works", "Texts or archives that another stage fetched.", required: false, many: true)
  static let documents = Output<Documents>("documents", "One work a document, with title and people as metadata.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    if !options.orthographies.isEmpty && options.index.isEmpty {
      throw StageError(
        .options, "orthographies", "the orthography of a work stands in the index, and no index is given",
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
        "what is wired or named holds no .txt, .zip or .tar of works",
        hint: "Name a folder such as cards/, or an archive of it.")
    }
    let largest = works.reduce(0) { max($0, AozoraContainer.kind($1.name) == .text ? $1.bytes : 8 << 20) }
    return try (0..<options.partitions).compactMap { part in
      let files = works.filter {
        AozoraContainer.kind($0.name) != .text || AozoraFile(path: $0.name).partition(of: options.partitions) == part
      }
      guard !files.isEmpty else { return nil }
      return try TaskPlan(
        key: TaskPlan.padded(part), inputs: [AozoraReadTask.index: index, .main: files],
        payload: Partition(number: part, of: options.partitions),
        memoryBytes: min(Int(clamping: largest), options.maximumWorkBytes.bytes, 1 << 40) * 12 + 64 << 20)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let partition: Partition = try workspace.payload()
    var reading = try AozoraReadTask(options, workspace, partition: partition.number)
    try reading.run()
  }

  /// Which of the works a task reads: their numbers decide.
  private struct Partition: Codable {
    var number: Int
    var of: Int
  }
}
extension AozoraNotation.Ruby: OptionChoice {}
extension AozoraNotation.UnresolvedGaiji: OptionChoice {}
