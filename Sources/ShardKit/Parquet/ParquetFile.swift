import CParquet

/// A Parquet file, or an Arrow IPC file or stream, open for reading. Not thread-safe.
public final class ParquetFile {
  public struct Column: Equatable, Sendable {
    public var name: String
    /// As Arrow writes it, such as `list<element: string>`.
    public var type: String
  }

  public struct Group: Equatable, Sendable {
    public var rows: Int
    /// Compressed.
    public var bytes: Int64
  }

  public let path: String
  public let columns: [Column]
  /// The row groups; nil for Arrow IPC, which is read as a whole.
  public let groups: [Group]?
  let library: ParquetLibrary
  private let handle: OpaquePointer

  /// The most that the library allocates for one file. A page of a column must fit.
  public static let maximumBytes = 2 << 30

  /// Opens a file and reads its schema.
  /// - Throws: `ShardError`: `.unsupported` without the Parquet library; `.notFound`, `.permission` or `.io`; `.malformed`
  ///   if it is damaged or of another kind.
  public init(_ path: String, maximumBytes: Int = ParquetFile.maximumBytes) throws(ShardError) {
    // Says what is wrong with a path in this program's words.
    _ = try FileSource(path)
    let library = try ParquetLibrary.require(for: path)
    var handle: OpaquePointer?
    guard library.table.pointee.open(path, Int64(maximumBytes), &handle) == 0, let handle else {
      throw Self.damaged(path, library)
    }
    self.path = path
    self.library = library
    self.handle = handle
    let text = Array(String(cString: library.table.pointee.description(handle)!).utf8)
    guard let node = try? JSONValue.parse(text), let description = try? node.decode(Description.self) else {
      library.table.pointee.close(handle)
      throw ShardError(.malformed, path, "its schema cannot be read", hint: Self.hint)
    }
    columns = description.columns.map { Column(name: $0.name, type: $0.type) }
    groups = description.groups?.map { Group(rows: $0.rows, bytes: $0.bytes) }
    var rows = 0, bytes: Int64 = 0
    for group in groups ?? [] {
      guard (0...Self.mostRows).contains(group.rows), group.bytes >= 0 else { throw Self.absurd(path) }
      let (moreRows, isTooMany) = rows.addingReportingOverflow(group.rows)
      let (moreBytes, isTooLarge) = bytes.addingReportingOverflow(group.bytes)
      guard !isTooMany, !isTooLarge, moreRows <= Self.mostRows else { throw Self.absurd(path) }
      (rows, bytes) = (moreRows, moreBytes)
    }
  }

  /// More rows than any file has.
  private static let mostRows = 1 << 48

  private static func absurd(_ path: String) -> ShardError {
    ShardError(.malformed, path, "its footer states an impossible number of rows or bytes", hint: hint)
  }

  deinit { library.table.pointee.close(handle) }

  /// Whether a file's first bytes are those of Parquet or of Arrow IPC.
  /// - Throws: `ShardError` if it cannot be opened or read.
  public static func isOne(_ path: String) throws(ShardError) -> Bool {
    isOne(head: try FileSource(path, length: 6).readAll())
  }

  /// The same by the first six bytes.
  public static func isOne(head: [UInt8]) -> Bool {
    ["PAR1", "PARE", "ARROW1"].contains { head.starts(with: $0.utf8) } || head.starts(with: [0xFF, 0xFF, 0xFF, 0xFF])
  }

  static let hint = "Check the file with pyarrow or DuckDB, or fetch it again."

  static func damaged(_ path: String, _ library: ParquetLibrary) -> ShardError {
    ShardError(.malformed, path, "cannot be read as Parquet or Arrow: \(library.problem)", hint: hint)
  }

  /// Reads rows in order.
  /// - Parameters:
  ///   - groups: the row groups to read; nil: all.
  ///   - paths: columns to give on their own, each by the keys that lead to it.
  ///   - rest: numbers of the columns to give as one JSON object per row.
  ///   - blockBytes: a block ends behind the row with which it has so many bytes.
  ///   - rowBytes: a row with more bytes, once what it refers to is written out, is malformed.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func rows(
    groups: Range<Int>? = nil, paths: [[String]], rest: [Int], blockBytes: Int = 8 << 20, rowBytes: Int = 256 << 20
  ) throws(ShardError) -> ParquetRows {
    let numbers = (groups ?? 0..<(self.groups?.count ?? 0)).map { Int32($0) }
    let names = paths.map { Array($0.joined(separator: "\u{1f}").utf8CString) }
    var rows: OpaquePointer?
    let status = Self.withPointers(names) { paths in
      numbers.withUnsafeBufferPointer { numbers in
        rest.map { Int32($0) }.withUnsafeBufferPointer { rest in
          var request = pp_request(
            groups: numbers.baseAddress, group_count: numbers.count, paths: paths.baseAddress, path_count: paths.count,
            rest: rest.baseAddress, rest_count: rest.count, block_bytes: Int64(blockBytes),
            row_bytes: Int64(rowBytes))
          return library.table.pointee.read(handle, &request, &rows)
        }
      }
    }
    guard status == 0, let rows else { throw Self.damaged(path, library) }
    return ParquetRows(self, rows)
  }

  /// Bounds of a column by row group, as JSON; nil if the file is damaged.
  func statistics(of path: [String]) -> String? {
    library.table.pointee.statistics(handle, path.joined(separator: "\u{1f}")).map { String(cString: $0) }
  }

  fileprivate static func withPointers<R>(
    _ names: [[CChar]], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R
  ) -> R {
    var flat: [CChar] = []
    var starts: [Int] = []
    for name in names {
      starts.append(flat.count)
      flat += name
    }
    return flat.withUnsafeBufferPointer { bytes in
      starts.map { start -> UnsafePointer<CChar>? in bytes.baseAddress! + start }.withUnsafeBufferPointer(body)
    }
  }

  private struct Description: Decodable {
    struct Column: Decodable {
      var name: String
      var type: String
    }
    struct Group: Decodable {
      var rows: Int
      var bytes: Int64
    }
    var columns: [Column]
    var groups: [Group]?
  }
}

/// The rows of a `ParquetFile`, in blocks.
public final class ParquetRows {
  /// Keeps the file open; nil for a stream in memory.
  private let file: ParquetFile?
  private let library: ParquetLibrary
  private let handle: OpaquePointer
  private var block = pp_block()

  init(_ file: ParquetFile, _ handle: OpaquePointer) {
    self.file = file
    library = file.library
    self.handle = handle
  }

  /// What errors of a stream in memory are about.
  public static let streamName = "the Arrow stream"

  /// The rows of an Arrow IPC stream in memory.
  /// - Parameters:
  ///   - bytes: have to stay for as long as the rows.
  ///   - columns: those to give; one that is not among them is an error, and one that is absent is null.
  ///   - maximumBytes: of what the library allocates, and of a row.
  /// - Throws: `ShardError` about `streamName` (`.malformed`) if it is damaged.
  public init(stream bytes: UnsafeRawBufferPointer, columns: [String], maximumBytes: Int) throws(ShardError) {
    let library = try ParquetLibrary.require(for: Self.streamName)
    var rows: OpaquePointer?
    let status = ParquetFile.withPointers(columns.map { Array($0.utf8CString) }) { paths in
      var request = pp_request(
        groups: nil, group_count: 0, paths: paths.baseAddress, path_count: paths.count, rest: nil, rest_count: 0,
        block_bytes: 8 << 20, row_bytes: Int64(maximumBytes))
      return library.table.pointee.read_stream(
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), Int64(bytes.count), Int64(maximumBytes), &request, &rows
      )
    }
    guard status == 0, let rows else { throw Self.damaged(nil, library) }
    file = nil
    self.library = library
    handle = rows
  }

  deinit { library.table.pointee.end(handle) }

  private static func damaged(_ file: ParquetFile?, _ library: ParquetLibrary) -> ShardError {
    file.map { ParquetFile.damaged($0.path, library) } ?? ShardError(.malformed, streamName, library.problem)
  }

  public enum Kind: Sendable {
    case null, string, number, bool
    /// As JSON: a list, an object, a moment, a number that is not finite.
    case other
  }

  /// Reads the next block; returns the number of its rows, 0 at the end.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func next() throws(ShardError) -> Int {
    guard library.table.pointee.next(handle, &block) == 0 else { throw Self.damaged(file, library) }
    return Int(block.rows)
  }

  /// The value of a row of the block in a column of `paths`. Strings are as in the file, maybe not UTF-8.
  public func value(_ row: Int, of column: Int) -> (bytes: UnsafeRawBufferPointer, kind: Kind) {
    let values = block.columns[column]
    let kind: Kind =
      switch Int(values.kinds[row]) {
      case 0: .null
      case 1: .string
      case 2: .number
      case 3: .bool
      default: .other
      }
    return (Self.bytes(values, row), kind)
  }

  /// The other columns of a row of the block, as a JSON object; padded as `JSONObjectReader` requires.
  public func object(_ row: Int) -> UnsafeRawBufferPointer { Self.bytes(block.rest, row) }

  private static func bytes(_ values: pp_values, _ row: Int) -> UnsafeRawBufferPointer {
    let start = Int(values.offsets[row])
    let count = Int(values.offsets[row + 1]) - start
    return UnsafeRawBufferPointer(start: count == 0 ? nil : values.bytes + start, count: count)
  }
}
