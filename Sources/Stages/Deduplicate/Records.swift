import PipelineKit
import ShardKit

extension ByteSink {
  /// A record as it lies in memory.
  func write<Record: BitwiseCopyable>(record: Record) throws(ShardError) {
    try withUnsafeBytes(of: record) { (bytes) throws(ShardError) in try write(bytes) }
  }

  func write<Record: BitwiseCopyable>(records: ArraySlice<Record>) throws(ShardError) {
    try records.withUnsafeBufferPointer { (records) throws(ShardError) in try write(UnsafeRawBufferPointer(records)) }
  }
}

/// Every record of a file, in order.
func forEachRecord<Record: BitwiseCopyable>(
  of file: ArtifactFile, as _: Record.Type, _ body: (Record) throws -> Void
) throws {
  let mapped = try MappedFile(file.path)
  try withExtendedLifetime(mapped) {
    for record in mapped.bytes.bindMemory(to: Record.self) { try body(record) }
  }
}
