import CParquet
import Glibc

/// Rows with columns of text, which become an Arrow IPC stream of one record batch.
public final class ArrowBatch {
  private let library: ParquetLibrary
  private let subject: String
  private let fields: UnsafeMutablePointer<pp_field>
  private let columns: [ParquetColumn]

  /// - Parameters:
  ///   - names: of the columns, without NUL.
  ///   - subject: what it is for, for messages.
  /// - Throws: `ShardError` (`.unsupported`) without the Parquet library.
  public init(_ names: [String], for subject: String) throws(ShardError) {
    library = try ParquetLibrary.require(for: subject)
    self.subject = subject
    fields = .allocate(capacity: max(1, names.count))
    columns = names.map { _ in ParquetColumn(.text) }
    for (number, name) in names.enumerated() {
      (fields + number).initialize(
        to: pp_field(
          name: strdup(name), type: Int32(bitPattern: PP_LONG_TEXT.rawValue), dictionary: false, fields: nil,
          field_count: 0))
    }
  }

  deinit {
    for number in columns.indices { free(UnsafeMutablePointer(mutating: fields[number].name)) }
    fields.deallocate()
  }

  /// Appends a value to a column; nil: there is none. It has to be UTF-8.
  public func append(_ text: [UInt8]?, to column: Int) {
    guard let text else { return columns[column].appendNull() }
    text.withUnsafeBytes { columns[column].append(text: $0) }
  }

  /// The rows as a stream; every column must have as many values as the others.
  /// - Throws: `ShardError` (`.io`) if the library fails.
  public func stream() throws(ShardError) -> [UInt8] {
    let output = ArrowOutput()
    output.bytes.reserveCapacity(columns.reduce(4096) { $0 + $1.size + 9 * $1.count })
    let arrays = columns.map(\.array)
    let status = library.table.pointee.write_stream(
      fields, columns.count, arrays, Int64(columns.first?.count ?? 0), ArrowOutput.take,
      Unmanaged.passUnretained(output).toOpaque())
    guard status == 0 else { throw ShardError(.io, subject, "cannot be written as Arrow: \(library.problem)") }
    return output.bytes
  }
}

private final class ArrowOutput {
  var bytes: [UInt8] = []

  static let take: pp_sink = { context, bytes, count in
    let output = Unmanaged<ArrowOutput>.fromOpaque(context!).takeUnretainedValue()
    output.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: Int(count)))
    return true
  }
}
