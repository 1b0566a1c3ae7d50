public import PipelineKit
import ShardKit

/// Reads the minutes of the National Diet from saved responses of the API, one document per meeting or per speech.
///
/// Pages may overlap and a meeting may span several of them, so there are two phases: `split` distributes the speeches
/// of each page into buckets by meeting; `join` sorts a bucket, keeps the newest copy of each speech and writes the
/// documents. Memory: one page, then one bucket.
/// API: https://kokkai.ndl.go.jp/api.html
public struct DietRead: Stage {
  public struct Options: StageOptions {
    @Option(
      "Responses of /api/speech or /api/meeting in XML or JSON, plain or compressed, or folders of them; "
        + "required unless the input is wired.")
    public var pages = InputFiles()
    @Option("One document per meeting, its speeches separated by an empty line, or one per speech.")
    public var document = Grouping.meeting
    @Option("Keeps or drops the record's head (会議録情報: date, members present, agenda).") public var header = Header.keep
    @Option("Fails on an unreadable page, or drops and reports it.")
    public var malformedPages = MalformedPages.fail
    @Option("The source of the documents.") public var source = "diet"

    public init() {}
  }

  public enum Grouping: String, CaseIterable, OptionChoice { case meeting, speech }
  public enum Header: String, CaseIterable, OptionChoice { case keep, drop }
  public enum MalformedPages: String, CaseIterable, OptionChoice { case fail, drop }

  public static let name = "diet.read"
  public static let revision = 2
  public static let summary = "Reads the National Diet's minutes, one document per meeting or speech."
  static let fetched = Input<Files>("pages", "Pages fetched by another stage.", required: false, many: true)
  static let speeches = Output<Documents>("speeches", "Speeches by meeting.", hidden: true)
  static let documents = Output<Documents>("documents", "One document per meeting or speech.")
  public static let inputs = [fetched.port]
  public static let outputs = [speeches.port, documents.port]
  public enum Phase: String, StagePhase { case split, join }

  /// The id of a document.
  /// - Parameter id: a meeting's or a speech's.
  static func documentID(_ id: [UInt8]) -> [UInt8] { Array("diet:".utf8) + id }

  private static let pagesBytesPerTask: Int64 = 16 << 20
  private static let bytesPerBucket: Int64 = 32 << 20

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let pages = try context.files(Self.fetched, and: options.pages, named: "pages")
    switch phase {
    case .split: return try splitTasks(pages)
    case .join: return joinTasks(pages, speeches: context.files(Self.speeches))
    }
  }

  private func buckets(_ pages: [ArtifactFile]) -> Int {
    Int(min(4096, max(1, pages.reduce(0) { $0 + $1.bytes } / Self.bytesPerBucket + 1)))
  }

  func splitTasks(_ pages: [ArtifactFile]) throws -> [TaskPlan] {
    let largest = min(1 << 40, Int(clamping: pages.reduce(0) { max($0, $1.bytes) }))
    return try TaskPlan.grouped(pages, bytes: Self.pagesBytesPerTask, memoryBytes: largest * 4 + 32 << 20).map {
      try $0.with(payload: DietBucketTask.Payload(buckets: buckets(pages)))
    }
  }

  /// One task per bucket that has speeches.
  func joinTasks(_ pages: [ArtifactFile], speeches: [ArtifactFile]) -> [TaskPlan] {
    (0..<buckets(pages)).compactMap { bucket in
      let key = TaskPlan.padded(bucket)
      let files = speeches.filter { $0.name.hasSuffix("-\(key).jsonl.zst") }
      let bytes = files.reduce(0) { $0 + $1.textBytes }
      guard !files.isEmpty else { return nil }
      return TaskPlan(key: key, inputs: [.main: files], memoryBytes: Int(clamping: bytes * 3) + 32 << 20)
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .split:
      var splitting = try DietBucketTask(options, workspace)
      try splitting.run()
    case .join: try DietJoinTask(options, workspace).run()
    }
  }
}
