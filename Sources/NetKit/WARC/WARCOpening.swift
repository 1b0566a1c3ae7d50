public import ShardKit

extension WARCReader {
  /// Opens an archive, compressed or not. gzip members are read separately, so that damage only affects one of them.
  /// - Throws: `ShardError` if the file cannot be opened or read; damage is no error.
  public convenience init(path: String) throws(ShardError) {
    let format = try Self.firstBytes(path).flatMap(ArchiveFormat.detect) ?? .warc
    let isGzip = try Compression.detect(path) == .gzip
    self.init(isGzip ? try GzipParts(path: path) : try openSource(path), format)
  }

  /// Whether a file begins with a record. Also true if its first bytes cannot be decompressed, so that reading reports
  /// the error.
  /// - Throws: `ShardError` if the file cannot be opened or read.
  public static func isArchive(_ path: String) throws(ShardError) -> Bool {
    guard let bytes = try firstBytes(path) else { return true }
    if ArchiveFormat.detect(bytes) != nil { return true }
    return bytes.withUnsafeBytes { ArchiveFormat.warc.candidate($0, from: 0) != nil }
  }

  /// The first decompressed bytes; nil if they cannot be decompressed.
  private static func firstBytes(_ path: String) throws(ShardError) -> [UInt8]? {
    let source = try openSource(path)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { block.deallocate() }
    do throws(ShardError) {
      return Array(block[..<(try source.read(into: block))])
    } catch {
      guard error.code == .malformed || error.code == .truncated else { throw error }
      return nil
    }
  }

  /// The stream's only record, if it is complete and nothing but its end follows; nil at the end of the stream.
  func wholeRecord(limit: Int) throws(ShardError) -> WARCRecord? {
    let item = try next(limit: limit)
    if let error = damage.first { throw error }
    guard let item else { return nil }
    guard case .record(let record) = item else {
      throw ShardError(.malformed, name, "contains no complete record")
    }
    let rest = try next(limit: limit)
    if let error = damage.first { throw error }
    guard rest == nil, wrongLengths == 0 else {
      throw ShardError(.malformed, name, "a record's length differs from its stated length")
    }
    return record
  }
}
