import Glibc
import ShardKit

/// Cuts dumps into partitions.
public struct WikiDumpSplitter {
  /// Bytes of XML that a partition aims at; compressed dumps count four for one.
  var partitionBytes: Int64

  public init(partitionBytes: Int64) { self.partitionBytes = partitionBytes }

  /// Bytes of compressed dump for each byte of XML, roughly.
  static let bzip2Ratio: Int64 = 4

  /// The partitions of a dump, cut with its multistream index if there is one.
  /// - Throws: `ShardError` if a file cannot be read, or the index does not fit the dump (`.malformed`).
  public func split(_ path: String, index: String?) throws -> [WikiDumpPartition] {
    let bytes = FileSystem.status(path)?.bytes ?? 0
    switch try Compression.detect(path) {
    case .none: return try plain(path, bytes)
    case .bzip2:
      let streams = try index.map { try WikiDumpIndex.streams($0, dump: path, bytes) } ?? scan(path)
      let areLarge = bytes > 2 * blockBytes * Int64(streams.count)
      return areLarge ? try blocks(path, bytes) : try grouped(streams, path, bytes)
    case .zstd, .gzip, .xz, .lz4: return [WikiDumpPartition(form: .whole, start: 0, end: bytes, isLast: true)]
    }
  }

  private func plain(_ path: String, _ bytes: Int64) throws -> [WikiDumpPartition] {
    var cuts: [Int64] = [0]
    var next = partitionBytes
    while next < bytes {
      guard let cut = try find(Array("<page>".utf8), in: path, from: next) else { break }
      cuts.append(cut)
      next = max(cut, next) + partitionBytes
    }
    return cuts.indices.map {
      let isLast = $0 == cuts.count - 1
      return WikiDumpPartition(form: .plain, start: cuts[$0], end: isLast ? bytes : cuts[$0 + 1], isLast: isLast)
    }
  }

  /// The first place of a pattern at or after an offset.
  private func find(_ pattern: [UInt8], in path: String, from offset: Int64) throws -> Int64? {
    var found: Int64?
    try Self.scan(path, from: offset, for: pattern, matching: { $0 == $1 }) { position in
      found = position
      return false
    }
    return found
  }

  /// Where the bzip2 streams of a file start: `BZh`, a level, and the magic number of a block, at a byte boundary.
  /// Eighty bits that compressed data matches by chance once in 10²⁴ bytes.
  private func scan(_ path: String) throws -> [Int64] {
    var streams: [Int64] = []
    let pattern: [UInt8] = [0x42, 0x5A, 0x68, 0, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
    try Self.scan(path, from: 0, for: pattern, matching: { $1 == 0 ? (0x31...0x39).contains($0) : $0 == $1 }) {
      streams.append($0)
      return true
    }
    return streams.first == 0 ? streams : [0] + streams
  }

  /// Calls `visit` with each place of a pattern until it says false. One pass in blocks that overlap.
  private static func scan(
    _ path: String, from offset: Int64, for pattern: [UInt8], matching: (UInt8, UInt8) -> Bool,
    visit: (Int64) -> Bool
  ) throws {
    let source = try FileSource(path, offset: offset)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    var kept = 0, position = offset
    while true {
      let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: block[kept...]))
      if count == 0 { return }
      let filled = kept + count
      var index = 0
      while index + pattern.count <= filled,
        let hit = memchr(block.baseAddress! + index, Int32(pattern[0]), filled - pattern.count + 1 - index)
      {
        index = hit - block.baseAddress!
        if pattern.indices.allSatisfy({ matching(block[index + $0], pattern[$0]) }), !visit(position + Int64(index)) {
          return
        }
        index += 1
      }
      kept = min(filled, pattern.count - 1)
      memmove(block.baseAddress!, block.baseAddress! + filled - kept, kept)
      position += Int64(filled - kept)
    }
  }

  /// Compressed bytes of a run of blocks. Each task reads one block more than its own, so that its share is not too small.
  private var blockBytes: Int64 { max(1, 2 * partitionBytes / Self.bzip2Ratio) }

  private func blocks(_ path: String, _ bytes: Int64) throws -> [WikiDumpPartition] {
    var cuts: [Int64] = [0]
    for place in try Bzip2Blocks.places(path) where place - cuts.last! >= 8 * blockBytes { cuts.append(place) }
    return cuts.indices.map {
      let isLast = $0 == cuts.count - 1
      return WikiDumpPartition(form: .blocks, start: cuts[$0], end: isLast ? 8 * bytes : cuts[$0 + 1], isLast: isLast)
    }
  }

  /// Joins streams up to the size wanted. Cuts only where streams start with a page, as those of multistream dumps do
  /// and those of `pbzip2` do not; the first two cuts are looked at.
  private func grouped(_ streams: [Int64], _ path: String, _ bytes: Int64) throws -> [WikiDumpPartition] {
    let target = max(1, partitionBytes / Self.bzip2Ratio)
    var partitions: [WikiDumpPartition] = []
    var canCut = true
    for (number, stream) in streams.enumerated() {
      let end = number + 1 < streams.count ? streams[number + 1] : bytes
      var isCut = partitions.isEmpty
      if canCut, let last = partitions.last, last.end - last.start >= target {
        isCut = try partitions.count > 2 || startsWithPage(path, stream, end)
        canCut = isCut
      }
      if isCut {
        partitions.append(WikiDumpPartition(form: .streams, start: stream, end: end, streams: [stream], isLast: false))
      } else {
        partitions[partitions.count - 1].streams.append(stream)
        partitions[partitions.count - 1].end = end
      }
    }
    if !partitions.isEmpty { partitions[partitions.count - 1].isLast = true }
    return partitions
  }

  private func startsWithPage(_ path: String, _ start: Int64, _ end: Int64) throws -> Bool {
    let source = try Bzip2Source(FileSource(path, offset: start, length: end - start))
    var head = [UInt8](repeating: 0, count: 64)
    guard let count = try? head.withUnsafeMutableBytes({ try source.read(into: $0) }) else { return false }
    let text = head[..<count].drop { $0 <= 0x20 }
    return text.starts(with: Array("<page>".utf8)) || text.starts(with: Array("</mediawiki>".utf8))
  }
}
