public import PipelineKit
import ShardKit

/// Reads plain text files in UTF-8: one document per file, block of lines, or line. Lines end with LF, CR LF or CR. A
/// file that is not text (an archive, a PDF file, UTF-16, …) is dropped as `not-text`.
public struct TextRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Text files, compressed or plain, or folders of them; required unless the input is wired.")
    public var files = InputFiles()
    @Option("One document per file, per block of lines (separated by empty lines), or per line.")
    public var document = Unit.file
    @Option("The source of the documents; also the prefix of their ids.") public var source = "text"
    @Option("Larger documents are dropped.") public var maximumDocumentBytes = ByteCount.mebibytes(64)
    @Option(
      "A plain file of blocks or lines is read in parallel, in ranges of this size.",
      in: ByteCount(1)...ByteCount.gibibytes(64))
    public var rangeBytes = ByteCount.mebibytes(64)

    public init() {}
  }

  public enum Unit: String, CaseIterable, OptionChoice { case file, block, line }

  public static let name = "text.read"
  public static let revision = 2
  public static let summary = "Reads plain text files: one document per file, block or line."
  static let fetched = Input<Files>("files", "Files fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The documents; file and byte offset form the id.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    try PlainTextReading.tasks(
      context.files(Self.fetched, and: options.files, named: "files"), splits: options.document != .file,
      rangeBytes: options.rangeBytes.bytes)
  }

  public func run(_ workspace: Workspace) throws {
    let unit: PlainTextUnit =
      switch options.document {
      case .file: .file
      case .block: .block
      case .line: .line
      }
    try PlainTextReading(
      unit: unit, idPrefix: options.source, source: options.source,
      maximumDocumentBytes: options.maximumDocumentBytes.bytes, takesMarkup: true, workspace: workspace,
      output: workspace.documents(to: Self.documents)
    ).run()
  }
}
