/// An MDS data set in a folder.
///
///     let reader = try MDSReader(directory: "shards")
///     for number in reader.index.shards.indices {
///       let shard = try reader.shard(number)
///       for sample in 0..<shard.samples { use(try shard.value(0, of: sample)) }
///     }
public final class MDSReader {
  public let directory: String
  public let index: MDSIndex

  /// Reads `index.json`; shards are opened by `shard`.
  /// - Throws: `ShardError`: there is no `index.json`, or it is not an index of MDS, version 2.
  public init(directory: String) throws(ShardError) {
    self.directory = directory
    index = try MDSIndex(path: directory + "/index.json")
  }

  /// Opens a shard. Uncompressed ones are mapped, compressed ones decompressed into memory.
  /// - Parameters:
  ///   - number: a place in `index.shards`.
  ///   - verify: compares every known hash, of the stored file and of what it decompresses to. Sizes are always
  ///     compared.
  /// - Throws: `ShardError`: the file is missing, differs from the index, or is compressed in a way that is not
  ///   supported.
  public func shard(_ number: Int, verify: Bool = true) throws(ShardError) -> MDSShardReader {
    let shard = index.shards[number]
    return try MDSShardReader(path: "\(directory)/\(shard.stored.basename)", shard, verify: verify)
  }
}

/// The samples of one MDS shard, readable in any order, from any thread. Slices are valid as long as the reader.
public final class MDSShardReader: @unchecked Sendable {
  public let path: String
  public let columns: [MDSColumn]
  public let samples: Int
  private let file: MappedFile
  /// The decompressed content of a compressed file; empty for an uncompressed one.
  private let decompressed: [UInt8]
  private let bytes: UnsafeRawBufferPointer
  private let variableColumns: Int

  /// - Parameter shard: the index entry, which the file must match.
  /// - Throws: as `MDSReader.shard(_:verify:)` does.
  public init(path: String, _ shard: MDSShard, verify: Bool = true) throws(ShardError) {
    self.path = path
    file = try MappedFile(path)
    try Self.check(file.bytes, shard.stored, path, hashes: verify)
    decompressed = shard.zip == nil ? [] : try Self.decompress(path, shard)
    // An array's storage does not move unless it is written to, and `decompressed` is constant.
    bytes = shard.zip == nil ? file.bytes : decompressed.withUnsafeBytes { $0 }
    if shard.zip != nil { try Self.check(bytes, shard.raw, path, hashes: verify) }
    columns = shard.columns
    samples = shard.samples
    variableColumns = shard.columns.count { $0.encoding.fixedBytes == nil }
    try checkHeader()
  }

  private static func check(
    _ bytes: UnsafeRawBufferPointer, _ file: MDSFile, _ path: String, hashes: Bool
  ) throws(ShardError) {
    guard bytes.count == file.bytes else {
      throw ShardError(
        bytes.count < file.bytes ? .truncated : .malformed, path,
        "the shard has \(bytes.count) bytes, but index.json says \(file.bytes)",
        hint: "Copy or write the data set again.")
    }
    guard hashes else { return }
    for (name, expected) in file.hashes.sorted(by: { $0.key < $1.key }) {
      guard let hash = MDSHash(rawValue: name), hash.hex(bytes) != expected else { continue }
      throw ShardError(
        .malformed, path, "the shard's \(name) does not match index.json",
        hint: "Copy or write the data set again.")
    }
  }

  private static func decompress(_ path: String, _ shard: MDSShard) throws(ShardError) -> [UInt8] {
    let algorithm = String((shard.compression ?? "").prefix { $0 != ":" })
    guard let known = ["zstd": Compression.zstd, "gz": .gzip, "bz2": .bzip2][algorithm] else {
      throw ShardError(
        .unsupported, path, "shards compressed with '\(algorithm)' cannot be read", hint: "Use zstd, gz or bz2."
      )
    }
    let source = try ShardKit.decompress(FileSource(path), known)
    return try source.readAll(limit: shard.raw.bytes, reserving: min(shard.raw.bytes, 1 << 30))
  }

  /// The count and the offsets must stay inside the shard and in order, so that no sample can reach outside it.
  private func checkHeader() throws(ShardError) {
    guard bytes.count >= 8, u32(0) == samples, 8 + 4 * samples <= bytes.count else {
      throw ShardError(
        .malformed, path, "the shard's header does not match the \(samples) samples in index.json")
    }
    var last = 8 + 4 * samples
    for i in 0...samples {
      let offset = u32(4 + 4 * i)
      guard offset >= last, offset <= bytes.count else {
        throw ShardError(
          .malformed, path, "the offset of sample \(i) is outside the shard or out of order")
      }
      last = offset
    }
  }

  private func u32(_ offset: Int) -> Int {
    Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }

  /// Calls `body` with each column's value of a sample, in `columns` order.
  /// - Throws: `ShardError` when the sample is shorter than it says, and what `body` throws.
  public func sample(
    _ number: Int, _ body: (_ column: Int, _ value: UnsafeRawBufferPointer) throws(ShardError) -> Void
  ) throws(ShardError) {
    precondition(number < samples)
    let start = u32(4 + 4 * number)
    let end = u32(8 + 4 * number)
    var head = start
    var at = start + 4 * variableColumns
    for (i, column) in columns.enumerated() {
      var size = column.encoding.fixedBytes ?? 0
      if column.encoding.fixedBytes == nil, head + 4 <= end {
        size = u32(head)
        head += 4
      }
      guard at + size <= end else {
        throw ShardError(.malformed, path, "sample \(number) is shorter than the sizes of its columns")
      }
      try body(i, UnsafeRawBufferPointer(rebasing: bytes[at..<at + size]))
      at += size
    }
  }

  /// One column of a sample.
  /// - Throws: as `sample(_:_:)` does.
  public func value(_ column: Int, of number: Int) throws(ShardError) -> UnsafeRawBufferPointer {
    var found = UnsafeRawBufferPointer(start: nil, count: 0)
    try sample(number) { if $0 == column { found = $1 } }
    return found
  }

  /// One array of a sample: its type, shape and little-endian elements.
  /// - Throws: `ShardError` when the column holds no array, or a damaged one.
  public func array(_ column: Int, of number: Int) throws(ShardError) -> MDSArray {
    let value = try value(column, of: number)
    guard case .array(let type, let shape) = columns[column].encoding,
      let array = MDSArray(value, type, shape)
    else {
      throw ShardError(
        .malformed, path, "sample \(number) has no array in the column '\(columns[column].name)'")
    }
    return array
  }
}

/// An array as stored in a shard.
public struct MDSArray {
  public let type: MDSScalar
  public let shape: [Int]
  /// Little-endian, not aligned.
  public let bytes: UnsafeRawBufferPointer

  init?(_ value: UnsafeRawBufferPointer, _ fixedType: MDSScalar?, _ fixedShape: [Int]?) {
    var rest = value[...]
    var type = fixedType
    if type == nil, let code = rest.popFirst() { type = MDSScalar(code: code) }
    var shape = fixedShape
    if shape == nil, let head = rest.popFirst() {
      let width = 1 << Int(head & 3)
      var axes: [Int] = []
      for _ in 0..<(head >> 2) {
        guard rest.count >= width else { return nil }
        let axis = rest.prefix(width).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard axis > 0, axis < 1 << 32 else { return nil }
        axes.append(Int(axis))
        rest = rest.dropFirst(width)
      }
      shape = axes
    }
    guard let type, let shape, !shape.isEmpty else { return nil }
    var size = type.bytes
    for axis in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: axis)
      guard !overflow else { return nil }
      size = product
    }
    guard size == rest.count else { return nil }
    self.type = type
    self.shape = shape
    bytes = UnsafeRawBufferPointer(rebasing: rest)
  }

  /// The elements as Swift values; the type must be the array's.
  public func elements<T: MDSElement>(_: T.Type) -> [T] {
    precondition(T.mdsScalar == type)
    return (0..<bytes.count / MemoryLayout<T>.size).map {
      bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
    }
  }
}
