public import PipelineKit
import ShardKit

/// Reads JSON lines and Parquet of any layout (Dolma, datatrove, plain), with field names as options.
///
/// A line or row that is not a document is dropped and reported. More than `maximumMalformedFraction` of them is an
/// error, because the file is probably of another kind. One task per large file, one for several small ones; the row
/// groups of a large Parquet file are several tasks.
public struct DocumentsRead: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "JSON lines (plain, gz, zst, xz or bz2), Parquet or Arrow files, or folders of them; required unless the input "
        + "is wired.")
    public var files = InputFiles()
    @Option("Field of the text; a dot leads into an object, as in content.body.") public var textField = "text"
    @Option("Field of the id (string or number), as in meta.docId. Without it the id is FILE:LINE.") public
      var idField = "id"
    @Option("Field of the source.") public var sourceField = "source"
    @Option("The object that becomes the metadata.") public var metadataField = "metadata"
    @Option("Moves all other fields into the metadata, or drops them.") public var otherFields = OtherFields.metadata
    @Option("The source of documents that state none.") public var source = "documents"
    @Option(
      "Conditions on columns of Parquet files, such as \"language_score >= 0.8\" (also ==, !=, <, >, <=); rows that do "
        + "not fulfill all are not read. Row groups without such rows are skipped.")
    public var `where`: [String] = []
    @Option("A larger fraction of malformed lines in a file is an error.", in: 0...1)
    public var maximumMalformedFraction = 0.01
    @Option("Small files are read together, up to so many bytes per task.") public
      var bytesPerTask = ByteCount.mebibytes(32)
    @Option("A longer line or row is an error.", affectsOutput: false) public
      var maximumLineBytes = ByteCount.mebibytes(256)

    public init() {}
  }

  public enum OtherFields: String, CaseIterable, OptionChoice { case metadata, drop }

  public static let name = "documents.read"
  public static let revision = 3
  public static let summary = "Reads JSON lines or Parquet of documents (Dolma, datatrove or plain) by field names."
  static let fetched = Input<Files>("files", "Files fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The documents.")
  public static let inputs = [fetched.port]
  public static let outputs = [documents.port, SourcePlaces.output.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    if options.textField.isEmpty { throw StageError(.options, "textField", "the name of the text's field is empty") }
    for condition in options.where where ParquetCondition(condition) == nil {
      throw StageError(
        .options, "where", "'\(condition)' is not a condition",
        hint: "Write a column, a sign and a value with spaces between, as in \"language_score >= 0.8\".")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    try TaskPlan.groupedRows(
      SavedDataset.files(context.files(Self.fetched, and: options.files, named: "files")),
      bytes: Int64(options.bytesPerTask.bytes))
  }

  public func run(_ workspace: Workspace) throws {
    let output = try workspace.documents(to: Self.documents)
    let record = ForeignRecord(options)
    let places = try SourcePlaces(workspace)
    for file in workspace.files(.main) {
      let reading = DocumentFileReading(options, file, workspace, output, record, places)
      if try ParquetFile.isOne(file.path) {
        try reading.runRows()
      } else if options.where.isEmpty {
        try reading.runLines()
      } else {
        throw StageError(
          .options, "where", "'\(file.name)' has no columns: conditions are only for Parquet and Arrow files",
          hint: "Remove \"where\", or read other files with a stage of their own.")
      }
    }
    try places.finish(workspace)
  }
}

/// Reads one file of a task.
private final class DocumentFileReading {
  private let options: DocumentsRead.Options
  private let file: ArtifactFile
  private let workspace: Workspace
  private let output: DocumentOutput
  private let record: ForeignRecord
  private let places: SourcePlaces
  private var document = Document()
  /// Lines or rows.
  private var records = 0
  private var malformed = 0
  private var firstProblem = ""

  init(
    _ options: DocumentsRead.Options, _ file: ArtifactFile, _ workspace: Workspace, _ output: DocumentOutput,
    _ record: ForeignRecord, _ places: SourcePlaces
  ) {
    self.options = options
    self.file = file
    self.workspace = workspace
    self.output = output
    self.record = record
    self.places = places
  }

  func runLines() throws {
    let reader = LineReader(try openSource(file.path), maximumLineBytes: options.maximumLineBytes.bytes)
    while let line = try reader.next() {
      if line.allSatisfy({ $0 == 32 || $0 == 9 }) { continue }
      let problem = record.fill(&document, from: line)
      try take(problem.map { ("malformed-json", $0) }, "line", number: reader.number, bytes: line.count)
    }
    try judge("lines", try malformed > 0 ? FileLook(file.path).name : nil)
  }

  /// Reads the rows of a Parquet or Arrow file, or of the row groups that the task was planned with.
  func runRows() throws {
    let parquet = try ParquetFile(file.path)
    let part = workspace.task.payload == .null ? nil : try workspace.payload(ParquetPart.self)
    let conditions = options.where.compactMap { ParquetCondition($0) }
    guard let groups = parquet.groups else {
      try readRows(of: parquet, groups: nil, after: 0, conditions)
      return try judge("rows", nil)
    }
    var first = part?.firstRow ?? 0
    let wanted = Set(try parquet.groups(where: conditions))
    for group in (part?.from ?? 0)..<(part?.to ?? groups.count) {
      if wanted.contains(group) {
        try readRows(of: parquet, groups: group..<group + 1, after: first, conditions)
      } else {
        workspace.metric("rows-excluded", Double(groups[group].rows))
      }
      first += groups[group].rows
    }
    try judge("rows", nil)
  }

  private func readRows(
    of parquet: ParquetFile, groups: Range<Int>?, after first: Int, _ conditions: [ParquetCondition]
  ) throws {
    let rows = try parquet.rows(
      groups: groups, paths: [record.textPath] + conditions.map(\.path), rest: record.columns(of: parquet),
      rowBytes: options.maximumLineBytes.bytes)
    var (number, excluded) = (first, 0)
    while case let count = try rows.next(), count > 0 {
      for row in 0..<count {
        number += 1
        guard fulfills(conditions, rows, row) else {
          excluded += 1
          continue
        }
        let (text, kind) = rows.value(row, of: 0)
        let object = rows.object(row)
        let problem = record.fill(&document, from: object, text: text, kind)
        try take(problem, "row", number: number, bytes: text.count + object.count)
      }
      try workspace.control.check()
    }
    if excluded > 0 { workspace.metric("rows-excluded", Double(excluded)) }
  }

  private func fulfills(_ conditions: [ParquetCondition], _ rows: ParquetRows, _ row: Int) -> Bool {
    for (i, condition) in conditions.enumerated() {
      let (value, kind) = rows.value(row, of: i + 1)
      guard condition.holds(value, kind) else { return false }
    }
    return true
  }

  private func judge(_ unit: String, _ look: String?) throws {
    guard Double(malformed) > options.maximumMalformedFraction * Double(records) else { return }
    throw StageError(
      .input, file.path,
      "\(malformed) of its \(records) \(unit) are not documents; the first: \(firstProblem)"
        + (look.map { "; the file is \($0)" } ?? ""),
      hint: "Check the file and the field names, or raise \"maximumMalformedFraction\".")
  }

  /// Writes the document that was read, or drops the record.
  private func take(_ problem: (reason: String, detail: String)?, _ unit: String, number: Int, bytes: Int) throws {
    records += 1
    if records % 256 == 0 { try workspace.control.check() }
    if let problem {
      malformed += 1
      if malformed == 1 { firstProblem = "\(unit) \(number): \(problem.detail)" }
      workspace.countInput(bytes: bytes)
      return try workspace.drop(
        id: Array("\(file.name):\(number)".utf8), bytes: bytes, DropReason(problem.reason, detail: problem.detail))
    }
    if document.id.isEmpty { document.id = Array("\(file.name):\(number)".utf8) }
    workspace.countInput(bytes: document.text.count)
    if document.text.isEmpty { return try workspace.drop(document, .empty) }
    if try output.write(document) { try places.add(file.name, unit, number) }
  }
}
