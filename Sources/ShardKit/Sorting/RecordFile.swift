extension ByteSink {
  /// A record with its in-memory layout.
  /// - Throws: what the sink throws.
  @inlinable
  public func write<Record: BitwiseCopyable>(record: Record) throws(ShardError) {
    try withUnsafeBytes(of: record) { (bytes) throws(ShardError) in try write(bytes) }
  }

  /// Records with their in-memory layout.
  /// - Throws: what the sink throws.
  @inlinable
  public func write<Record: BitwiseCopyable>(records: ArraySlice<Record>) throws(ShardError) {
    try records.withUnsafeBufferPointer { (records) throws(ShardError) in try write(UnsafeRawBufferPointer(records)) }
  }
}

/// Every record of a file, in order, without keeping the file in memory.
/// - Throws: what `MappedFile` or `body` throws.
public func forEachRecord<Record: BitwiseCopyable>(
  of path: String, as _: Record.Type, _ body: (Record) throws -> Void
) throws {
  let mapped = try MappedFile(path)
  let records = mapped.bytes.bindMemory(to: Record.self)
  try mapped.forEachRecord(of: records[...], body)
}

extension MappedFile {
  /// Some of its records, in order, without keeping their pages in memory.
  /// - Throws: what `body` throws.
  public func forEachRecord<Record: BitwiseCopyable>(
    of records: Slice<UnsafeBufferPointer<Record>>, _ body: (Record) throws -> Void
  ) rethrows {
    try withExtendedLifetime(self) {
      let block = (4 << 20) / MemoryLayout<Record>.stride
      for start in stride(from: records.startIndex, to: records.endIndex, by: block) {
        for record in records[start..<min(start + block, records.endIndex)] { try body(record) }
        release()
      }
    }
  }
}
