/// The rows of a Parquet or Arrow file as JSON lines or CSV: for readers of records that know no tables.
public final class ParquetLines: ByteSource {
  public var name: String { file.path }
  private let file: ParquetFile
  private let rows: ParquetRows
  private let form: Form
  /// Of CSV.
  private let columns: Int
  private var count = 0
  private var row = 0
  /// The rest of a line that did not fit.
  private var rest: ArraySlice<UInt8> = []

  public enum Form: Sendable {
    /// An object per row.
    case json
    /// A header, then the values of each row: text as it is, everything else as JSON, null as nothing.
    case csv
  }

  /// - Parameters:
  ///   - columns: the top-level columns to read; nil: all. Those that the file lacks are left out.
  ///   - groups: the row groups to read; nil: all.
  /// - Throws: as `ParquetFile.init` does.
  public init(
    _ path: String, as form: Form = .json, columns: Set<String>? = nil, groups: Range<Int>? = nil
  ) throws(ShardError) {
    let file = try ParquetFile(path)
    self.file = file
    self.form = form
    let wanted = columns.map { names in Set(names.map { ExactText($0) }) }
    let numbers = file.columns.indices.filter { wanted?.contains(ExactText(file.columns[$0].name)) ?? true }
    let names = numbers.map { file.columns[$0].name }
    self.columns = names.count
    let isCSV = form == .csv
    rows = try file.rows(groups: groups, paths: isCSV ? names.map { [$0] } : [], rest: isCSV ? [] : numbers)
    if form == .csv { rest = Self.csv(names.map { Array($0.utf8) })[...] }
  }

  /// Writes whole lines as far as they fit; 0 means the end.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    var used = take(rest.prefix(buffer.count), into: buffer, at: 0)
    rest = rest.dropFirst(used)
    while used < buffer.count, rest.isEmpty, try advance() {
      rest = line(row)[...]
      row += 1
      let part = take(rest.prefix(buffer.count - used), into: buffer, at: used)
      rest = rest.dropFirst(part)
      used += part
    }
    return used
  }

  private func line(_ row: Int) -> [UInt8] {
    switch form {
    case .json: rows.object(row) + [10]
    case .csv: Self.csv((0..<columns).map { Array(rows.value(row, of: $0).bytes) })
    }
  }

  private static func csv(_ values: [[UInt8]]) -> [UInt8] {
    var out: [UInt8] = []
    for value in values {
      out.append(UInt8(ascii: out.isEmpty ? "\"" : ","))
      if out.count > 1 { out.append(UInt8(ascii: "\"")) }
      for byte in value { out += byte == UInt8(ascii: "\"") ? [byte, byte] : [byte] }
      out.append(UInt8(ascii: "\""))
    }
    return out + [10]
  }

  private func take(_ bytes: ArraySlice<UInt8>, into buffer: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
    bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[start...]).copyMemory(from: $0) }
    return bytes.count
  }

  private func advance() throws(ShardError) -> Bool {
    if row < count { return true }
    row = 0
    count = try rows.next()
    return count > 0
  }
}

/// Opens a file of JSON lines, compressed or not, or of rows: its first bytes tell.
/// - Parameter columns: of a table, the columns to read; nil: all.
/// - Throws: as `openSource` and `ParquetFile.init` do.
public func openLines(_ path: String, columns: Set<String>? = nil) throws(ShardError) -> any ByteSource {
  try ParquetFile.isOne(path) ? ParquetLines(path, columns: columns) : openSource(path)
}
