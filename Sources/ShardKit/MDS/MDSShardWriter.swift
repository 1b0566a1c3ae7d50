/// Collects samples and writes them as a series of MDS shards.
///
///     var row = MDSRow(schema)
///     for … {
///       row.removeAll()
///       row.append(id); row.append(text)            // columns in the schema's order
///       if !writer.fits(row) { shards.append(try writer.seal(into: file, basename: name)) }
///       try writer.append(row)
///     }
///     if writer.samples > 0 { … seal the last one }
///
/// Layout, little-endian: u32 n; u32[n + 1] absolute offsets; the settings as JSON; the samples. Since the offsets come
/// first, a shard is held in memory until it is sealed: `shardBytes`, and at most as much again while it is compressed.
/// Unlike the format's first implementation, this never writes an empty shard before a sample over the limit.
public final class MDSShardWriter {
  public let schema: MDSSchema
  private var body: ShardBuffer
  /// The end of each sample in `body`.
  private var ends: [UInt32] = []

  public init(_ schema: MDSSchema) {
    self.schema = schema
    let capacity = min(schema.shardBytes, MDSSchema.defaultShardBytes)
    // Room for the offsets of samples down to 1 KiB.
    body = ShardBuffer(capacity: capacity, room: 8 + schema.config.count + capacity / 256)
  }

  /// Frees the memory that is kept for the next shards: there are none for now.
  public static func releaseMemory() { ShardBuffer.releaseIdle() }

  /// Samples of the open shard.
  public var samples: Int { ends.count }

  /// The size of the open shard in bytes.
  public var bytes: Int { 8 + schema.config.count + 4 * ends.count + body.count }

  /// Whether the row fits in the open shard; an empty shard accepts any row.
  public func fits(_ row: borrowing MDSRow) -> Bool {
    samples == 0 || bytes + 4 + row.bytes.count <= schema.shardBytes
  }

  /// Adds a sample to the open shard; ask `fits` before.
  /// - Throws: `ShardError`: the row has too few or too many values (`.malformed`), or the shard would pass what 32-bit
  ///   offsets reach (`.tooLarge`).
  public func append(_ row: borrowing MDSRow) throws(ShardError) {
    let sample = try row.finished()
    guard bytes + 4 + sample.count < 1 << 32 else {
      throw ShardError(.tooLarge, "MDS", "a sample of \(sample.count) bytes does not fit 32-bit offsets")
    }
    sample.withUnsafeBytes { body.append($0) }
    ends.append(UInt32(body.count))
  }

  /// Writes the open shard into `file`, which the caller commits, and starts a new one.
  /// - Parameter basename: the uncompressed shard's name; the compressed file's name adds the compression's extension.
  /// - Returns: the shard's entry for `index.json`.
  /// - Throws: what the file throws, or `ShardError` when the shard cannot be compressed.
  public func seal(into file: any ByteSink, basename: String) throws(ShardError) -> MDSShard {
    let header = header()
    let samples = samples
    ends.removeAll(keepingCapacity: true)
    return try body.take(header: header) { (raw) throws(ShardError) in
      var shard = MDSShard(
        columns: schema.columns, compression: schema.compression?.name, hashes: schema.hashes.map(\.rawValue),
        sizeLimit: schema.shardBytes, samples: samples, raw: describe(raw, basename), zip: nil)
      guard let compression = schema.compression else {
        try file.write(raw)
        return shard
      }
      try compression.compress(raw) { (compressed) throws(ShardError) in
        shard.zip = describe(compressed, "\(basename).\(compression.fileExtension)")
        try file.write(compressed)
      }
      return shard
    }
  }

  private func header() -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(8 + 4 * ends.count + schema.config.count)
    let start = UInt32(8 + 4 * ends.count + schema.config.count)
    func put(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) } }
    put(UInt32(ends.count))
    put(start)
    for end in ends { put(start + end) }
    out.append(contentsOf: schema.config)
    return out
  }

  private func describe(_ bytes: UnsafeRawBufferPointer, _ basename: String) -> MDSFile {
    var hashes: [String: String] = [:]
    for hash in schema.hashes { hashes[hash.rawValue] = hash.hex(bytes) }
    return MDSFile(basename: basename, bytes: bytes.count, hashes: hashes)
  }
}
