public import PipelineKit
import ShardKit

/// Writes documents as Parquet files, which `datasets.load_dataset`, DuckDB and the Hub's viewer read.
///
/// Phase `fields` looks at all metadata, so that every file has the same columns and none is found late. Phase `write`
/// writes one file for a run of consecutive input files.
public struct ParquetWrite: Stage {
  public struct Options: StageOptions {
    @Option(
      "How metadata is written: a column per field, one structure with a field each, one column of JSON text, or not "
        + "at all.")
    public var metadata = MetadataForm.columns
    @Option("The files' names begin with it: the split that readers see.") public var split = "train"
    @Option(
      "About so much text per file; a larger input file is one file.", in: ByteCount(1 << 10)...ByteCount(1 << 40))
    public var fileBytes = ByteCount.mebibytes(512)
    @Option("About so much per row group, before compression.", in: ByteCount(1 << 10)...ByteCount(1 << 30))
    public var rowGroupBytes = ByteCount.mebibytes(64)
    @Option("Level of zstd.", in: 1...22) public var compressionLevel = 3
    @Option(
      "Pages begin where the content says: an edited data set shares most of its bytes with the old one on the Hub.")
    public var contentDefinedChunks = true

    public init() {}
  }

  public enum MetadataForm: String, CaseIterable, OptionChoice { case columns, structure, json, drop }

  public static let name = "parquet.write"
  public static let revision = 1
  public static let summary = "Writes documents as Parquet files for datasets, DuckDB and the Hugging Face Hub."
  static let documents = Input<Documents>("documents", "The documents to write.")
  static let files = Output<Files>("files", "The Parquet files.")
  static let fields = Output<Intermediate>("fields", "What was found in the metadata.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [files.port, fields.port]
  public enum Phase: String, StagePhase { case fields, write }

  public static func options(of phase: Phase) -> Set<String>? { phase == .fields ? ["metadata"] : nil }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    let isName = options.split.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F
    }
    guard isName, !options.split.isEmpty, options.split.utf8.count <= 64 else {
      throw StageError(
        .options, "split", "'\(options.split)' is not the name of a split",
        hint: "Use letters, digits and _, as in train, validation and test.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let documents = context.files(Self.documents)
    switch phase {
    case .fields: return TaskPlan.grouped(documents, bytes: 256 << 20)
    case .write:
      let columns = try DocumentColumns(DocumentSurvey.merged(context.files(Self.fields)), options.metadata)
      let memoryBytes = 2 * options.rowGroupBytes.bytes + 128 << 20
      return try MDSWrite.runs(of: documents, bytes: Int64(options.fileBytes.bytes)).enumerated().map {
        try TaskPlan(
          key: "\(options.split)-\(TaskPlan.padded($0.offset))", inputs: [.main: $0.element],
          payload: columns.fields.map(\.json), memoryBytes: memoryBytes)
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .fields: try survey(workspace)
    case .write: try write(workspace)
    }
  }

  private func survey(_ workspace: Workspace) throws {
    let survey = DocumentSurvey()
    let stream = workspace.documents(counted: false)
    var document = Document()
    while try stream.next(&document) { survey.add(document, hasFields: options.metadata.hasFields) }
    try workspace.write(Self.fields, name: workspace.task.key + ".json", Array(survey.json.text().utf8))
  }

  private func write(_ workspace: Workspace) throws {
    let columns = try DocumentColumns(fields: workspace.payload([JSONValue].self), options.metadata)
    let name = workspace.task.key + ".parquet"
    let file = try workspace.file(Self.files, name)
    let writer = try ParquetWriter(
      file, columns.fields,
      ParquetWriter.Settings(
        compressionLevel: options.compressionLevel, rowGroupBytes: options.rowGroupBytes.bytes,
        hasContentDefinedChunks: options.contentDefinedChunks), subject: name)
    let stream = workspace.documents()
    var document = Document()
    var (ids, textBytes): ([UInt64], Int64) = ([], 0)
    while try stream.next(&document) {
      try writer.append { columns.fill($0, document) }
      ids.append(recordHash(document.id))
      textBytes += Int64(document.text.count)
      workspace.consume(bytes: document.text.count)
    }
    try writer.finish()
    try workspace.publish(Self.files, file, name: name, documents: ids.count, textBytes: textBytes, ids: ids)
  }
}

extension ParquetWrite.MetadataForm {
  /// Whether the fields of metadata become fields of the schema.
  var hasFields: Bool { self == .columns || self == .structure }
}

/// Which optional fields documents have, and the types of their metadata.
final class DocumentSurvey {
  private(set) var metadata = ParquetSurvey()
  /// Of `DocumentColumns.optional`.
  private(set) var present: Set<String> = []

  init() {}

  func add(_ document: borrowing Document, hasFields: Bool) {
    if !document.added.isEmpty { present.insert("added") }
    if !document.created.isEmpty { present.insert("created") }
    if !document.version.isEmpty { present.insert("version") }
    guard !document.metadata.isEmpty else { return }
    present.insert("metadata")
    if hasFields { document.metadata.withUnsafeBytes { metadata.add($0) } }
  }

  var json: JSONValue { ["present": .strings(present.sorted()), "metadata": metadata.json] }

  /// What the tasks of `fields` found, in the order of their documents.
  static func merged(_ files: [ArtifactFile]) throws -> DocumentSurvey {
    let all = DocumentSurvey()
    for file in files {
      let json = try JSONValue.parse(FileSystem.read(file.path)).value
      all.present.formUnion(json["present"]?.array?.compactMap(\.string) ?? [])
      all.metadata.merge(try ParquetSurvey(json: json["metadata"] ?? .null))
    }
    return all
  }
}

/// The columns of a table of documents.
struct DocumentColumns {
  let fields: [ParquetField]
  private let form: ParquetWrite.MetadataForm
  private let optional: [String]
  /// By metadata key, for a column per field.
  private let places: [[UInt8]: Int]

  private static let required = [
    ParquetField("id", .text), ParquetField("text", .text), ParquetField("source", .text, isRepetitive: true),
  ]
  private static let optional = ["added", "created", "version"]

  init(_ survey: DocumentSurvey, _ form: ParquetWrite.MetadataForm) throws {
    var fields = Self.required
    fields += Self.optional.filter(survey.present.contains).map { ParquetField($0, .text, isRepetitive: true) }
    if survey.present.contains("metadata") { fields += try Self.metadata(survey.metadata, form) }
    self.init(fields, form)
  }

  init(fields: [JSONValue], _ form: ParquetWrite.MetadataForm) throws {
    self.init(try fields.map { try ParquetField(json: $0) }, form)
  }

  private init(_ fields: [ParquetField], _ form: ParquetWrite.MetadataForm) {
    self.fields = fields
    self.form = form
    optional = fields.map(\.name).filter(Self.optional.contains)
    let own = Self.required.count + optional.count
    var places: [[UInt8]: Int] = [:]
    if form == .columns { for place in own..<fields.count { places[Array(Self.key(fields[place].name).utf8)] = place } }
    self.places = places
  }

  /// Metadata of these names, and what such a name would be taken for, get a prefix.
  private static let reserved = required.map(\.name) + optional + ["metadata"]
  private static let prefix = "metadata_"

  private static func column(_ key: String) -> String {
    reserved.contains { key.isExactly($0) } || key.utf8.starts(with: prefix.utf8) ? prefix + key : key
  }

  private static func key(_ column: String) -> String {
    column.utf8.starts(with: prefix.utf8) ? String(column.dropFirst(prefix.count)) : column
  }

  private static func metadata(_ survey: ParquetSurvey, _ form: ParquetWrite.MetadataForm) throws -> [ParquetField] {
    switch form {
    case .drop: return []
    case .json: return [ParquetField("metadata", .text, isRepetitive: true)]
    case .structure, .columns:
      guard !survey.hasTooManyMembers else {
        throw StageError(
          .input, "metadata", "the documents have more than \(ParquetSurvey.maximumMembers) different metadata fields",
          hint: "Set \"metadata\": \"json\", which writes them as one column of text.")
      }
      guard form == .columns else {
        return survey.fields.isEmpty ? [] : [ParquetField("metadata", survey.type, isRepetitive: true)]
      }
      return survey.fields.map { ParquetField(column($0.name), $0.type, isRepetitive: true) }
    }
  }

  func fill(_ row: ParquetWriter.Row, _ document: borrowing Document) {
    row.set(0, text: document.id)
    row.set(1, text: document.text)
    row.set(2, text: document.source)
    for (i, name) in optional.enumerated() {
      let value =
        switch name {
        case "added": document.added
        case "created": document.created
        default: document.version
        }
      if value.isEmpty { row.setNull(3 + i) } else { row.set(3 + i, text: value) }
    }
    let place = 3 + optional.count
    guard place < fields.count else { return }
    switch form {
    case .columns: document.metadata.withUnsafeBytes { row.set(membersOf: $0, places) }
    case .structure: document.metadata.withUnsafeBytes { row.set(place, json: $0) }
    case .json: if document.metadata.isEmpty { row.setNull(place) } else { row.set(place, text: document.metadata) }
    case .drop: break
    }
  }
}
