public import ShardKit

/// The bzip2 streams of a partition, one after another. A damaged one is an error that reading can go on behind.
///
/// libbz2 hands out a block before it knows the block's checksum. Streams of the usual size (100 pages) are therefore
/// decoded whole before any of their bytes is used; larger ones, such as a dump in one stream, are passed on as they come.
public final class Bzip2Streams: ByteSource, PartlyDamagedSource {
  /// Compressed bytes up to which a stream is decoded whole.
  static let wholeStreamBytes: Int64 = 4 << 20
  static let longestWholeBytes = 64 << 20

  public let name: String
  private let path: String
  private let bounds: [(start: Int64, end: Int64)]
  private var number = 0
  private var current: (any ByteSource)?
  /// Thrown once what came before it has been read.
  private var pending: ShardError?

  public init(_ path: String, _ partition: WikiDumpPartition) {
    self.path = path
    name = path
    bounds = partition.streams.indices.map {
      (partition.streams[$0], $0 + 1 < partition.streams.count ? partition.streams[$0 + 1] : partition.end)
    }
  }

  /// Decompresses into the buffer; 0 means the end of the last stream.
  /// - Throws: `ShardError`: a stream is damaged (`.malformed`, `.truncated`), or the file cannot be read (`.io`).
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    while number < bounds.count {
      let source = if let current { current } else { try begin(bounds[number].start, bounds[number].end) }
      current = source
      let count = try source.read(into: buffer)
      if count > 0 { return count }
      if let pending { throw pending }
      current = nil
      number += 1
    }
    return 0
  }

  /// Leaves the stream that failed. False where it was the last.
  func skipDamaged() -> Bool {
    current = nil
    pending = nil
    number += 1
    return number < bounds.count
  }

  private func begin(_ start: Int64, _ end: Int64) throws(ShardError) -> any ByteSource {
    let stream = try Bzip2Source(FileSource(path, offset: start, length: end - start))
    guard bounds.count > 1, end - start <= Self.wholeStreamBytes else { return stream }
    var bytes: [UInt8] = []
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { block.deallocate() }
    do throws(ShardError) {
      while bytes.count < Self.longestWholeBytes {
        let count = try stream.read(into: block)
        if count == 0 { return MemorySource(bytes, name: path) }
        bytes.append(contentsOf: block[..<count])
      }
    } catch {
      if error.code != .truncated { throw error }
      pending = error
      return MemorySource(bytes, name: path)
    }
    throw ShardError(
      .malformed, path, "the bzip2 stream at byte \(start) unpacks to more than \(Self.longestWholeBytes) bytes")
  }
}
