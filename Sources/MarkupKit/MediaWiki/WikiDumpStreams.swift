public import ShardKit

/// The bzip2 streams of a partition, one after another. A damaged one is an error that reading can go on behind.
///
/// libbz2 hands out a block before it knows the block's checksum. Streams of the usual size (100 pages) are therefore
/// decoded whole before any of their bytes is used; larger ones, such as a dump in one stream, are passed on as they come.
public final class Bzip2Streams: ByteSource {
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

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    while number < bounds.count {
      if current == nil { current = try begin(bounds[number].start, bounds[number].end) }
      let count = try current!.read(into: buffer)
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

/// The index of a multistream dump: lines `offset:page id:title`, also compressed. Titles hold colons.
enum WikiDumpIndex {
  /// The offsets of all streams, the one before the first page included, rising.
  static func streams(_ path: String, dump: String, _ bytes: Int64) throws -> [Int64] {
    let lines = LineReader(try openSource(path))
    var streams: [Int64] = [0]
    while let line = try lines.next() {
      var offset: Int64 = 0
      var digits = 0
      for byte in line {
        guard byte &- 0x30 < 10, digits < 18 else { break }
        offset = offset * 10 + Int64(byte &- 0x30)
        digits += 1
      }
      if line.isEmpty { continue }
      guard digits > 0, digits < line.count, line[digits] == UInt8(ascii: ":") else {
        throw ShardError(
          .malformed, path, "line \(lines.number) is no 'offset:id:title'",
          hint: "Name the index that came with the dump.")
      }
      if offset != streams.last { streams.append(offset) }
    }
    try check(streams, path, dump, bytes)
    return streams.filter { $0 < bytes }
  }

  /// Offsets rise, and where the dump reaches, streams start at them.
  private static func check(_ streams: [Int64], _ path: String, _ dump: String, _ bytes: Int64) throws {
    let hint = "Name the index that came with the dump, or none: streams are then found by reading the dump."
    for pair in zip(streams, streams.dropFirst()) where pair.1 <= pair.0 {
      throw ShardError(.malformed, path, "its offsets do not rise: \(pair.0), then \(pair.1)", hint: hint)
    }
    for stream in streams where stream < bytes {
      let magic = try FileSource(dump, offset: stream, length: 3).readAll()
      guard stream + 3 > bytes || magic == [0x42, 0x5A, 0x68] else {
        throw ShardError(
          .malformed, path, "it says that a bzip2 stream starts at byte \(stream) of the dump, but none does",
          hint: hint)
      }
    }
  }
}
