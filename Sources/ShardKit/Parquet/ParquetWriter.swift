import CParquet
import Glibc

/// Writes rows to a Parquet file: zstd, a page index, row groups of about equal size.
///
/// The same rows give the same bytes with the same version of Arrow.
public final class ParquetWriter {
  public struct Settings: Equatable, Sendable {
    public var compressionLevel: Int
    /// A row group ends behind the row that fills it, by bytes before compression.
    public var rowGroupBytes: Int
    /// Pages begin where the content says, so that an edited file has most of its pages in common with the old one.
    public var hasContentDefinedChunks: Bool

    public init(compressionLevel: Int = 3, rowGroupBytes: Int = 64 << 20, hasContentDefinedChunks: Bool = true) {
      self.compressionLevel = compressionLevel
      self.rowGroupBytes = rowGroupBytes
      self.hasContentDefinedChunks = hasContentDefinedChunks
    }
  }

  private let library: ParquetLibrary
  private let subject: String
  private let settings: Settings
  private let output: Output
  private var handle: OpaquePointer?
  private let columns: [ParquetColumn]
  /// Bytes of the row group so far, without the block.
  private var groupBytes = 0
  public private(set) var rows = 0

  /// Rows are handed on in blocks of about this size.
  private static let blockBytes = 4 << 20
  /// The rows of a block are looked at this often.
  private static let rowsPerLook = 64

  /// - Parameter subject: the file's name, for messages.
  /// - Throws: `ShardError` (`.unsupported`) without the Parquet library; what the sink throws.
  public init(_ sink: any ByteSink, _ fields: [ParquetField], _ settings: Settings, subject: String) throws(ShardError)
  {
    library = try ParquetLibrary.require(for: subject)
    self.subject = subject
    self.settings = settings
    output = Output(sink)
    columns = fields.map { ParquetColumn($0.type) }
    let schema = CFields(fields)
    let options = pp_write_options(
      level: Int32(settings.compressionLevel), content_defined_chunks: settings.hasContentDefinedChunks)
    let status = library.table.pointee.create(
      schema.start, fields.count, options, Output.take, Unmanaged.passUnretained(output).toOpaque(), &handle)
    try check(status)
  }

  deinit {
    // What a file that is given up still writes goes nowhere.
    output.isClosed = true
    if let handle { library.table.pointee.free_writer(handle) }
  }

  /// Appends a row; every column must get one value.
  /// - Throws: what the sink throws; `ShardError` (`.io`) if the library fails.
  public func append(_ fill: (Row) -> Void) throws(ShardError) {
    fill(Row(columns: columns))
    rows += 1
    guard rows % Self.rowsPerLook == 0 || columns.contains(where: { $0.size > Self.blockBytes }) else { return }
    let size = columns.reduce(0) { $0 + $1.size }
    let isGroupFull = groupBytes + size >= settings.rowGroupBytes
    guard size >= Self.blockBytes || isGroupFull else { return }
    try flush()
    groupBytes += size
    if isGroupFull {
      endsGroup = true
      groupBytes = 0
    }
  }

  /// The next block begins a row group; there is none without rows.
  private var endsGroup = false

  /// The columns of a row that is being appended.
  public struct Row {
    fileprivate let columns: [ParquetColumn]

    /// A text as it is.
    public func set(_ column: Int, text: [UInt8]) { text.withUnsafeBytes { columns[column].append(text: $0) } }
    /// A JSON value as written.
    public func set(_ column: Int, json: UnsafeRawBufferPointer) { columns[column].append(json) }
    public func setNull(_ column: Int) { columns[column].appendNull() }
    /// The members of an object, by the columns that they belong to; the others of these columns become null. The first
    /// column must have been set.
    public func set(membersOf object: UnsafeRawBufferPointer, _ places: [[UInt8]: Int]) {
      ParquetColumn.append(object: object, to: columns, places, rows: columns[0].count)
    }
  }

  private func flush() throws(ShardError) {
    let count = columns.first?.count ?? 0
    guard count > 0 else { return }
    if endsGroup { try check(library.table.pointee.new_group(handle)) }
    endsGroup = false
    let arrays = columns.map(\.array)
    try check(library.table.pointee.write(handle, arrays, Int64(count)))
    for column in columns { column.removeAll() }
  }

  /// Writes what is left and the footer; the sink still has to be committed.
  /// - Throws: what the sink throws; `ShardError` (`.io`) if the library fails.
  public func finish() throws(ShardError) {
    try flush()
    try check(library.table.pointee.finish(handle))
  }

  private func check(_ status: Int32) throws(ShardError) {
    guard status != 0 else { return }
    if let failure = output.failure { throw failure }
    throw ShardError(.io, subject, "the Parquet library cannot write it: \(library.problem)")
  }
}

/// Where a writer's bytes go.
private final class Output {
  let sink: any ByteSink
  var failure: ShardError?
  var isClosed = false

  init(_ sink: any ByteSink) { self.sink = sink }

  static let take: pp_sink = { context, bytes, count in
    Unmanaged<Output>.fromOpaque(context!).takeUnretainedValue().write(
      UnsafeRawBufferPointer(start: bytes, count: Int(count)))
  }

  private func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard failure == nil, !isClosed else { return false }
    do { try sink.write(bytes) } catch { failure = error }
    return failure == nil
  }
}

/// Fields in the form in which they cross into the library.
private final class CFields {
  let start: UnsafeMutablePointer<pp_field>
  private let count: Int
  private var below: [CFields] = []

  init(_ fields: [ParquetField]) {
    count = fields.count
    start = .allocate(capacity: max(1, count))
    for (i, field) in fields.enumerated() {
      let (type, children): (pp_type, [ParquetField]) =
        switch field.type {
        case .text: (PP_TEXT, [])
        case .integer: (PP_INTEGER, [])
        case .double: (PP_DOUBLE, [])
        case .truth: (PP_TRUTH, [])
        case .list(let element): (PP_LIST, [ParquetField("element", element, isRepetitive: field.isRepetitive)])
        case .structure(let members):
          (PP_STRUCT, members.map { ParquetField($0.name, $0.type, isRepetitive: field.isRepetitive) })
        }
      let own = CFields(children)
      below.append(own)
      start[i] = pp_field(
        name: strdup(field.name.replacing("\0", with: "\u{2400}")), type: Int32(bitPattern: type.rawValue),
        dictionary: field.isRepetitive,
        fields: UnsafePointer(own.start), field_count: children.count)
    }
  }

  deinit {
    for i in 0..<count { free(UnsafeMutablePointer(mutating: start[i].name)) }
    start.deallocate()
  }
}
