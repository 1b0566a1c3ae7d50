public import PipelineKit
import ShardKit

/// Reads JSON lines and Parquet of any layout (Dolma, datatrove, plain), with field names as options.
///
/// A line or row that is not a document is dropped and reported. More than `maximumMalformedFraction` of them is an
/// error, because the file is probably of another kind. One task reads several small files. A large one is read by several
/// tasks: by row groups if it is Parquet, else the first phase divides it and counts its lines, if it is plain or has
/// several zstd frames.
public struct DocumentsRead: Stage {
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
    @Option("A larger fraction of malformed lines in a file, or in a part of it, is an error.", in: 0...1)
    public var maximumMalformedFraction = 0.01
    @Option("Small files are read together, up to so many bytes per task.") public
      var bytesPerTask = ByteCount.mebibytes(16)
    @Option(
      "A file of lines that is larger than this and than 'bytesPerTask' is read by several tasks, about so many bytes each, if "
        + "it is plain or has several zstd frames.", in: ByteCount(1)...ByteCount(1 << 40))
    public var rangeBytes = ByteCount.mebibytes(64)
    @Option("A longer line or row is an error.", affectsOutput: false) public
      var maximumLineBytes = ByteCount.mebibytes(256)

    public init() {}
  }

  public enum OtherFields: String, CaseIterable, OptionChoice { case metadata, drop }

  public static let name = "documents.read"
  public static let revision = 4
  public static let summary = "Reads JSON lines or Parquet of documents (Dolma, datatrove or plain) by field names."
  static let fetched = Input<Files>("files", "Files fetched by another stage.", required: false, many: true)
  static let documents = Output<Documents>("documents", "The documents.")
  public static let inputs = [fetched.port]
  static let parts = Output<Intermediate>("parts", "The parts of large files.", hidden: true)
  public static let outputs = [documents.port, SourcePlaces.output.port, parts.port]
  public enum Phase: String, StagePhase { case parts, run }

  public static func options(of phase: Phase) -> Set<String>? {
    phase == .parts ? ["bytesPerTask", "rangeBytes"] : nil
  }

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

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let files = try SavedDataset.files(context.files(Self.fetched, and: options.files, named: "files"))
    let large = try files.filter { try isDivisible($0) }
    try PartLimit.check(large, each: options.rangeBytes.bytes, option: "rangeBytes")
    switch phase {
    case .parts:
      return large.enumerated().map {
        TaskPlan(key: TaskPlan.padded($0), inputs: [.main: [$1]], memoryBytes: 16 << 20)
      }
    case .run:
      let lists = try context.files(Self.parts).map { try DividedFile(jsonFile: $0.path, limit: 1 << 28).parts }
      return try tasks(files, Dictionary(zip(large.map { ExactText($0.path) }, lists)) { $1 })
    }
  }

  private func tasks(_ files: [ArtifactFile], _ parts: [ExactText: [LinePart]]) throws -> [TaskPlan] {
    let plans = try TaskPlan.groupedRows(files, bytes: Int64(options.bytesPerTask.bytes)).flatMap { plan in
      guard plan.files.count == 1, let parts = parts[ExactText(plan.files[0].path)], !parts.isEmpty else {
        return [plan]
      }
      return try parts.map { try plan.with(payload: $0).reading(bytes: $0.bytes) }
    }
    return plans.enumerated().map { number, plan in
      var plan = plan
      plan.key = TaskPlan.padded(number)
      return plan
    }
  }

  /// Whether a file is large enough to be divided, and of lines.
  private func isDivisible(_ file: ArtifactFile) throws -> Bool {
    let least = max(options.rangeBytes.bytes, options.bytesPerTask.bytes)
    guard file.bytes > Int64(least), try !ParquetFile.isOne(file.path) else { return false }
    return try [.none, .zstd].contains(Compression.detect(file.path))
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .parts: try divide(workspace)
    case .run: try read(workspace)
    }
  }

  private func divide(_ workspace: Workspace) throws {
    let parts = try LinePart.parts(of: workspace.file().path, bytes: Int64(options.rangeBytes.bytes)) {
      try workspace.control.check()
    }
    let list = DividedFile(parts: parts)
    try workspace.write(Self.parts, name: workspace.task.key + ".json", Array(list.json.text().utf8))
  }

  private func read(_ workspace: Workspace) throws {
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

/// The parts of a large file; none if it cannot be divided.
private struct DividedFile: JSONRecord {
  var parts: [LinePart]
}

/// Reads one file of a task, or a part of it.
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
    let limit = options.maximumLineBytes.bytes
    let part = workspace.task.payload == .null ? nil : try workspace.payload(LinePart.self)
    let reader =
      try part?.lines(of: file.path, maximumLineBytes: limit)
      ?? LineReader(openSource(file.path), maximumLineBytes: limit)
    while part?.holdsNext(reader) ?? true, let line = try reader.next() {
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
