import Glibc

/// A part of a file of lines that is read apart from the others: the lines that begin behind its first line end, up to
/// the one that begins behind its last. The first part also has the file's first line.
///
/// So each line is in one part, wherever parts begin: in a plain file anywhere, in a zstd file between its frames.
public struct LinePart: Codable, Equatable, Sendable {
  /// Where it begins in the file.
  public var offset: Int64
  /// Its decompressed bytes.
  public var bytes: Int64
  /// Line ends in the parts before it.
  public var linesBefore: Int

  /// Divides a file into parts of about so many bytes of it; reads all of it to count lines.
  ///
  /// - Parameter check: called now and then; what it throws stops the reading.
  /// - Returns: none if the file cannot be read in two parts or more: it is small, one zstd frame, or packed otherwise; at most
  ///   `most(ofBytes:each:)`.
  /// - Throws: `ShardError` if the file cannot be read; what `check` throws.
  public static func parts(of path: String, bytes: Int64, check: () throws -> Void) throws -> [LinePart] {
    let bounds: [Int64] =
      switch try Compression.detect(path) {
      case .none: places(ofBytes: FileSystem.status(path)?.bytes ?? 0, each: bytes)
      case .zstd: try frames(path, each: bytes, check)
      case .gzip, .bzip2, .xz, .lz4: []
      }
    guard bounds.count > 2 else { return [] }
    var parts: [LinePart] = []
    var lines = 0
    for (start, end) in zip(bounds, bounds.dropFirst()) {
      let found = try count(try source(path, from: start, to: end), check)
      parts.append(LinePart(offset: start, bytes: found.bytes, linesBefore: lines))
      lines += found.lines
    }
    return parts
  }

  /// The lines of the part, with their numbers in the file. `next()` gives those of the parts behind it too: a line is in
  /// this one if `holdsNext` is true before.
  /// - Throws: `ShardError` if the file cannot be read, or the line that the part begins in is too long.
  public func lines(of path: String, maximumLineBytes: Int) throws(ShardError) -> LineReader {
    let lines = LineReader(
      try Self.source(path, from: offset, to: .max), maximumLineBytes: maximumLineBytes, linesBefore: linesBefore)
    // What is left of a line of the part before.
    if offset > 0 { _ = try lines.next() }
    return lines
  }

  public func holdsNext(_ lines: LineReader) -> Bool { lines.position <= bytes }

  private static func source(_ path: String, from start: Int64, to end: Int64) throws(ShardError) -> any ByteSource {
    let file = try FileSource(path, offset: start, length: end == .max ? .max : end - start)
    return try Compression.detect(path) == .zstd ? ZstdSource(file, readsDictionary: false) : file
  }

  /// How many parts of so many bytes a file has at most.
  public static func most(ofBytes all: Int64, each bytes: Int64) -> Int64 { all / bytes + min(1, all % bytes) }

  /// Where parts of equal size begin, and the end.
  private static func places(ofBytes all: Int64, each bytes: Int64) -> [Int64] {
    let count = most(ofBytes: all, each: bytes)
    return count < 2 ? [] : (0...count).map { all / count * $0 + min($0, all % count) }
  }

  /// Frames at which parts begin, and the end; none of a file whose frames need a dictionary or are damaged.
  private static func frames(_ path: String, each bytes: Int64, _ check: () throws -> Void) throws -> [Int64] {
    let file = try MappedFile(path)
    defer { withExtendedLifetime(file) {} }
    let all = file.bytes
    guard all.count >= 4, all.loadUnaligned(as: UInt32.self).littleEndian != ZstdSource.dictionaryFrame else {
      return []
    }
    var frames = ZstdFrames(all)
    var places: [Int64] = [0]
    var at = 0
    while at < all.count {
      guard let end = try frames.end(from: at, check) else { return [] }
      at = end
      if Int64(at) - places.last! >= bytes, at < all.count { places.append(Int64(at)) }
    }
    return places + [Int64(all.count)]
  }

  private static func count(
    _ source: any ByteSource, _ check: () throws -> Void
  ) throws -> (bytes: Int64, lines: Int) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    var bytes: Int64 = 0
    var lines = 0
    while case let read = try source.read(into: block), read > 0 {
      try check()
      bytes += Int64(read)
      var at = block.baseAddress!
      let end = at + read
      while let hit = memchr(at, 10, end - at) {
        lines += 1
        at = hit + 1
      }
    }
    return (bytes, lines)
  }
}
