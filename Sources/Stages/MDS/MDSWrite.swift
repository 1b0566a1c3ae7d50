public import PipelineKit
import ShardKit

/// Writes documents as a data set in the MDS format, which MosaicML Streaming reads.
///
/// Phase `shards`: each task writes the shards of a run of consecutive files. Small files are grouped until they fill
/// one shard, so that a crash loses little work and all processors stay busy.
/// Phase `index`: numbers the shards (as links, not copies) and writes `index.json`.
public struct MDSWrite: Stage {
  public struct Options: StageOptions {
    @Option(
      "Maps column names to the document fields that fill them: id, text, source, added, created, version, metadata, "
        + "or metadata.KEY.")
    public var columns = ["id": "id", "text": "text"]
    @Option(
      "Encodings by column: str (default), json (default for metadata), bytes, int, uint8 to float64, str_int, etc.")
    public var encodings: [String: String] = [:]
    @Option("Maximum size of a shard.", in: ByteCount(1 << 10)...ByteCount((1 << 32) - 1))
    public var shardBytes = ByteCount(MDSSchema.defaultShardBytes)
    @Option("Compression of the shards: none, zstd, zstd:LEVEL, gz or gz:LEVEL.") public var compression = "none"
    @Option("Hashes of each shard in index.json: \(MDSHash.allCases.map(\.rawValue).joined(separator: ", ")).")
    public var hashes = ["xxh64"]

    public init() {}
  }

  public static let name = "mds.write"
  public static let revision = 2
  public static let summary = "Writes documents as MDS shards for MosaicML Streaming."
  static let documents = Input<Documents>("documents", "The documents to write.")
  static let dataSet = Output<MDS>("mds", "The data set: index.json and its shards.")
  static let sealed = Output<MDS>("sealed", "Shards before they are numbered.", hidden: true)
  static let entries = Output<Intermediate>("entries", "The index entry and the ids of each shard.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [dataSet.port, sealed.port, entries.port]
  public enum Phase: String, StagePhase { case shards, index }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws { _ = try row() }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .shards:
      let shardBytes = options.shardBytes.bytes
      let runs = Self.runs(of: context.files(Self.documents), bytes: Int64(shardBytes))
      let memoryBytes = (options.compression == "none" ? 1 : 2) * shardBytes + (32 << 20)
      return runs.enumerated().map {
        TaskPlan(key: TaskPlan.padded($0.offset), inputs: [.main: $0.element], memoryBytes: memoryBytes)
      }
    case .index:
      return [
        TaskPlan(
          key: "index", inputs: ["entries": context.files(Self.entries), "sealed": context.files(Self.sealed)])
      ]
    }
  }

  /// Splits a list of files into runs with about the same amount of text, each at most `bytes` if the files allow it.
  static func runs(of files: [ArtifactFile], bytes: Int64) -> [[ArtifactFile]] {
    let total = files.reduce(0) { $0 + $1.contentBytes }
    let count = max(1, (total + bytes - 1) / bytes)
    var runs: [Int64: [ArtifactFile]] = [:]
    var before: Int64 = 0
    for file in files {
      let middle = Double(before) + Double(file.contentBytes) / 2
      runs[min(count - 1, Int64(middle * Double(count) / Double(max(1, total)))), default: []].append(file)
      before += file.contentBytes
    }
    return runs.sorted { $0.key < $1.key }.map(\.value)
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .shards: try seal(workspace)
    case .index: try MDSIndexing.run(workspace)
    }
  }

  private func seal(_ workspace: Workspace) throws {
    let row = try row()
    let text = workspace.files(.main).reduce(0) { $0 + $1.contentBytes }
    let shards = SealedShards(row.schema, workspace, Self.sealed, Self.entries, expectingBytes: text)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      if let column = row.fill(from: document) {
        try workspace.drop(document, DropReason("no-column-value", detail: column))
        continue
      }
      try shards.append(row.row, id: document.id, textBytes: document.text.count)
      workspace.consume(bytes: document.text.count)
    }
    try shards.finish()
  }

  // MARK: Options

  private func row() throws(StageError) -> DocumentToMDS {
    guard !options.columns.isEmpty else { throw StageError(.options, "columns", "there must be at least one column") }
    for name in options.encodings.keys.sorted() where options.columns[name] == nil {
      throw StageError(.options, "encodings", "there is no column '\(name)'")
    }
    var columns: [MDSColumn] = []
    var fields: [String: DocumentField] = [:]
    for (name, path) in options.columns.sorted(by: { $0.key < $1.key }) {
      guard let field = DocumentField(path) else {
        throw StageError(
          .options, "columns", "the column '\(name)' uses '\(path)', which is not a field of documents",
          hint: "Use \(DocumentField.names.joined(separator: ", ")) or metadata.KEY.")
      }
      fields[name] = field
      columns.append(MDSColumn(name, try encoding(of: name, field)))
    }
    do {
      let schema = try MDSSchema(
        columns: columns, compression: try compression(), hashes: try hashes(), shardBytes: options.shardBytes.bytes)
      return DocumentToMDS(schema, fields: schema.columns.map { fields[$0.name]! })
    } catch let error as StageError {
      throw error
    } catch {
      throw StageError(.options, "columns", "\(error)")
    }
  }

  private func encoding(of name: String, _ field: DocumentField) throws(StageError) -> MDSEncoding {
    let written = options.encodings[name] ?? (field == .metadata ? "json" : "str")
    guard let encoding = MDSEncoding(name: written), DocumentToMDS.canFill(encoding) else {
      throw StageError(
        .options, "encodings", "'\(written)' of the column '\(name)' is not a supported encoding",
        hint: "Use str, bytes, json, int, str_int, str_float, str_decimal or one of uint8 to float64.")
    }
    return encoding
  }

  private func compression() throws(StageError) -> MDSCompression? {
    if options.compression == "none" { return nil }
    guard let compression = MDSCompression(name: options.compression) else {
      throw StageError(
        .options, "compression", "'\(options.compression)' is not supported",
        hint: "Use none, zstd, zstd:1 to zstd:22, gz or gz:0 to gz:9.")
    }
    return compression
  }

  private func hashes() throws(StageError) -> [MDSHash] {
    var out: [MDSHash] = []
    for name in options.hashes {
      guard let hash = MDSHash(rawValue: name) else {
        throw StageError(
          .options, "hashes", "'\(name)' is not supported",
          hint: "Supported: \(MDSHash.allCases.map(\.rawValue).joined(separator: ", ")).")
      }
      out.append(hash)
    }
    return out
  }
}
