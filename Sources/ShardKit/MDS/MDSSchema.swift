/// A column of an MDS data set.
public struct MDSColumn: Equatable, Sendable {
  public let name: String
  public let encoding: MDSEncoding

  public init(_ name: String, _ encoding: MDSEncoding) {
    self.name = name
    self.encoding = encoding
  }
}

/// The settings shared by all shards of an MDS data set: columns, compression, hashes and size limit.
///
/// Format: MosaicML Streaming, MDS version 2. Columns and hashes are kept sorted by name, as the format requires.
public struct MDSSchema: Equatable, Sendable {
  public let columns: [MDSColumn]
  public let compression: MDSCompression?
  public let hashes: [MDSHash]
  /// A shard is sealed before it would exceed this; a single larger sample gets a shard of its own.
  public let shardBytes: Int
  /// The settings as written in each shard's header.
  private(set) var config: [UInt8] = []
  /// Columns with values that store their size.
  let variableColumns: Int

  public static let defaultShardBytes = 1 << 26

  /// Checks the settings.
  /// - Throws: `ShardError` (`.unsupported`) for no or equal columns, a read-only encoding or an impossible shard size.
  public init(
    columns: [MDSColumn], compression: MDSCompression? = nil, hashes: [MDSHash] = [.xxh64],
    shardBytes: Int = MDSSchema.defaultShardBytes
  ) throws(ShardError) {
    let sorted = columns.sorted { $0.name.unicodeScalars.lexicographicallyPrecedes($1.name.unicodeScalars) }
    guard !sorted.isEmpty else { throw ShardError(.unsupported, "MDS", "a data set needs at least one column") }
    for (a, b) in zip(sorted, sorted.dropFirst()) where a.name.isExactly(b.name) {
      throw ShardError(.unsupported, "MDS", "two columns are named '\(a.name)'")
    }
    for column in sorted {
      guard case .opaque(let name) = column.encoding else { continue }
      throw ShardError(
        .unsupported, "MDS column '\(column.name)'", "the encoding '\(name)' can be read but not written",
        hint: "Write it as 'bytes'.")
    }
    guard (1..<(1 << 32)).contains(shardBytes) else {
      throw ShardError(
        .unsupported, "MDS", "shards of \(shardBytes) bytes are not possible: offsets have 32 bits")
    }
    self.columns = sorted
    self.compression = compression
    self.hashes = Set(hashes).sorted { $0.rawValue < $1.rawValue }
    self.shardBytes = shardBytes
    variableColumns = sorted.count { $0.encoding.fixedBytes == nil }
    config = Array(JSONValue.object(configMembers).pythonText().utf8)
  }

  /// The index of a column, which is its position in every row.
  public func index(of name: String) -> Int? { columns.firstIndex { $0.name.isExactly(name) } }

  private var configMembers: [JSONMember] {
    [
      JSONMember("version", 2), JSONMember("format", "mds"),
      JSONMember("compression", compression.map { .string($0.name) } ?? .null),
      JSONMember("hashes", .strings(hashes.map(\.rawValue))), JSONMember("size_limit", .integer(shardBytes)),
      JSONMember("column_names", .strings(columns.map(\.name))),
      JSONMember("column_encodings", .strings(columns.map(\.encoding.name))),
      JSONMember("column_sizes", .list(columns.map { $0.encoding.fixedBytes.map { .integer($0) } ?? .null })),
    ]
  }
}
