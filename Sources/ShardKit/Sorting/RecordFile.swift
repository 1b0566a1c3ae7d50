extension ByteSink {
  /// A record with its in-memory layout.
  @inlinable
  public func write<Record: BitwiseCopyable>(record: Record) throws(ShardError) {
    try withUnsafeBytes(of: record) { (bytes) throws(ShardError) in try write(bytes) }
  }

  @inlinable
  public func write<Record: BitwiseCopyable>(records: ArraySlice<Record>) throws(ShardError) {
    try records.withUnsafeBufferPointer { (records) throws(ShardError) in try write(UnsafeRawBufferPointer(records)) }
  }
}

/// Every record of a file, in order.
public func forEachRecord<Record: BitwiseCopyable>(
  of path: String, as _: Record.Type, _ body: (Record) throws -> Void
) throws {
  let mapped = try MappedFile(path)
  try withExtendedLifetime(mapped) {
    for record in mapped.bytes.bindMemory(to: Record.self) { try body(record) }
  }
}
