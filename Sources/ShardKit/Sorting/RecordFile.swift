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

/// Every record of a file, in order.
/// - Throws: what `MappedFile` or `body` throws.
public func forEachRecord<Record: BitwiseCopyable>(
  of path: String, as _: Record.Type, _ body: (Record) throws -> Void
) throws {
  let mapped = try MappedFile(path)
  try withExtendedLifetime(mapped) {
    for record in mapped.bytes.bindMemory(to: Record.self) { try body(record) }
  }
}
