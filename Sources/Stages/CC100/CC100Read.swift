public import PipelineKit
import ShardKit

/// Reads CC-100: documents separated by an empty line, one paragraph per line.
///
/// Lines end with LF, CR LF or CR. A file that is not text, or is an HTML page, is dropped as `not-text`. An .xz file
/// is one task; a plain file is split into byte ranges at document boundaries.
/// Format: https://data.statmt.org/cc-100/
public struct CC100Read: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Files such as ja.txt.xz, compressed or plain, or folders of them; required unless the input is wired.")
    public var files = InputFiles()
    @Option("The source of the documents; also the prefix of their ids.") public var source = "cc100"
    @Option("Larger documents are dropped.") public var maximumDocumentBytes = ByteCount.mebibytes(16)
    @Option("A plain file is read in parallel, in ranges of this size.", in: ByteCount(1)...ByteCount.gibibytes(64))
    public var rangeBytes = ByteCount.mebibytes(64)

    public init() {}
  }

  public static let name = "cc100.read"
  public static let revision = 2
  public static let summary = "Reads CC-100 files: documents separated by empty lines."
  static let fetched = Input<Files>("files", "Files fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The documents; file and byte offset form the id.")
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
