public import PipelineKit
import ShardKit

/// Reads CC-100: documents parted by an empty line, one paragraph a line.
///
/// LF, CR LF and CR end lines. A file that is no text, or an HTML page, is dropped as `not-text`. An .xz file is one task; a plain file is split into byte ranges at the borders of documents.
/// Format: https://data.statmt.org/cc-100/
public struct CC100Read: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Files such as ja.txt.xz, compressed or plain, or folders of them; needed where none are wired.")
    public var files = InputFiles()
    @Option("The documents' source, which their ids begin with.") public var source = "cc100"
    @Option("Larger documents are dropped.") public var maximumDocumentBytes = ByteCount.mebibytes(16)
    @Option("A plain file is read in ranges of this size, in parallel.", in: ByteCount(1)...ByteCount.gibibytes(64))
    public var rangeBytes = ByteCount.mebibytes(64)

    public init() {}
  }

  public static let name = "cc100.read"
  public static let revision = 2
  public static let summary = "Reads CC-100 files, documents parted by an empty line."
  static let fetched = Input<Files>("files", "Files that another stage fetched.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The documents, with file and byte offset as id.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    try PlainTextReading.tasks(
      context.files(Self.fetched, and: options.files, named: "files"), splits: true,
      rangeBytes: options.rangeBytes.bytes)
  }

  public func run(_ workspace: Workspace) throws {
    try PlainTextReading(
      unit: .block, idPrefix: options.source, source: options.source,
      maximumDocumentBytes: options.maximumDocumentBytes.bytes, workspace: workspace,
      output: workspace.documents(to: Self.documents)
    ).run()
  }
}
