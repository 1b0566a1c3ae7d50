public import PipelineKit
import ShardKit

/// Reads JSON lines of any layout (Dolma, datatrove, plain), with field names as options.
///
/// A line that is not a document is dropped and reported. More than `maximumMalformedFraction` of such lines is an
/// error, because the file is probably of another kind. One task per large file, one for several small ones.
public struct DocumentsRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("JSON lines, plain, gz, zst, xz or bz2, or folders of them; required unless the input is wired.")
    public var files = InputFiles()
    @Option("Field of the text; a dot leads into an object, as in content.body.") public var textField = "text"
    @Option("Field of the id (string or number), as in meta.docId. Without it the id is FILE:LINE.") public
      var idField = "id"
    @Option("Field of the source.") public var sourceField = "source"
    @Option("The object that becomes the metadata.") public var metadataField = "metadata"
    @Option("Moves all other fields into the metadata, or drops them.") public var otherFields = OtherFields.metadata
    @Option("The source of documents that state none.") public var source = "documents"
    @Option("A larger fraction of malformed lines in a file is an error.", in: 0...1)
    public var maximumMalformedFraction = 0.01
    @Option("Small files are read together, up to so many bytes per task.") public
      var bytesPerTask = ByteCount.mebibytes(32)
    @Option("A longer line is an error.", affectsOutput: false) public var maximumLineBytes = ByteCount.mebibytes(256)

    public init() {}
  }

  public enum OtherFields: String, CaseIterable, OptionChoice { case metadata, drop }

  public static let name = "documents.read"
  public static let revision = 3
  public static let summary = "Reads JSON lines of documents (Dolma, datatrove or plain), with field names as options."
  static let fetched = Input<Files>("files", "Files fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The documents.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    if options.textField.isEmpty { throw StageError(.options, "textField", "the name of the text's field is empty") }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    TaskPlan.grouped(
      try context.files(Self.fetched, and: options.files, named: "files"), bytes: Int64(options.bytesPerTask.bytes))
  }

  public func run(_ workspace: Workspace) throws {
    let output = try workspace.documents(to: Self.documents)
    let record = ForeignRecord(options)
    for file in workspace.files(.main) {
      try DocumentFileReading(options, file, workspace, output, record).run()
    }
  }
}

/// Reads one file of a task.
private final class DocumentFileReading {
  private let options: DocumentsRead.Options
  private let file: ArtifactFile
  private let workspace: Workspace
  private let output: DocumentOutput
  private let record: ForeignRecord
  private var document = Document()
  private var lines = 0
  private var malformed = 0
  private var firstProblem = ""

  init(
    _ options: DocumentsRead.Options, _ file: ArtifactFile, _ workspace: Workspace, _ output: DocumentOutput,
    _ record: ForeignRecord
  ) {
    self.options = options
    self.file = file
    self.workspace = workspace
    self.output = output
    self.record = record
  }

  func run() throws {
    let reader = LineReader(try openSource(file.path), maximumLineBytes: options.maximumLineBytes.bytes)
    while let line = try reader.next() {
      if line.allSatisfy({ $0 == 32 || $0 == 9 }) { continue }
      lines += 1
      if lines % 256 == 0 { try workspace.control.check() }
      try read(line, number: reader.number)
    }
    guard Double(malformed) > options.maximumMalformedFraction * Double(lines) else { return }
    let name = try FileLook(file.path).name
    throw StageError(
      .input, file.path,
      "\(malformed) of its \(lines) lines are not documents; the first: \(firstProblem)"
        + (name.map { "; the file is \($0)" } ?? ""),
      hint: "Check the file and the field names, or raise \"maximumMalformedFraction\".")
  }

  private func read(_ line: UnsafeRawBufferPointer, number: Int) throws {
    if let problem = record.fill(&document, from: line) {
      malformed += 1
      if malformed == 1 { firstProblem = "line \(number): \(problem)" }
      workspace.countInput(bytes: line.count)
      return try workspace.drop(
        id: Array("\(file.name):\(number)".utf8), bytes: line.count, DropReason("malformed-json", detail: problem))
    }
    if document.id.isEmpty { document.id = Array("\(file.name):\(number)".utf8) }
    workspace.countInput(bytes: document.text.count)
    if document.text.isEmpty { return try workspace.drop(document, .empty) }
    try output.write(document)
  }
}
