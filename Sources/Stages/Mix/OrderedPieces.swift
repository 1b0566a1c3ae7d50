import PipelineKit
import ShardKit

/// A run of one file's documents that are in the same part of the result: a zstd frame of JSON lines.
struct Piece: BitwiseCopyable {
  var part: UInt64
  /// Of the frame, in the file of pieces.
  var offset: UInt64
  var bytes: UInt64
  var documents: UInt64
}

/// Writes one file's documents in the order of their positions, a frame per part of the result.
///
/// The lines are kept in a temporary file meanwhile; in memory there are 32 bytes per document.
final class PieceWriter {
  private struct Line {
    var position: UInt64
    var offset: Int
    var bytes: Int
  }

  private let starts: [UInt64]
  private let scratch: String
  private let file: FileSink
  private var lines: [Line] = []
  private var buffer: [UInt8] = []

  /// - Parameters:
  ///   - starts: the position of each part's first document.
  ///   - scratch: the path of a temporary file.
  init(starts: [UInt64], scratch: String) throws(ShardError) {
    self.starts = starts
    self.scratch = scratch
    file = try FileSink(scratch)
  }

  func append(_ document: borrowing Document, at position: UInt64) throws(ShardError) {
    buffer.removeAll(keepingCapacity: true)
    document.append(to: &buffer)
    lines.append(Line(position: position, offset: Int(file.bytes), bytes: buffer.count))
    try file.write(buffer)
  }

  /// - Returns: the pieces, ascending, and after them the positions of all documents in the order written.
  func write(to sink: FileSink) throws -> PieceIndex {
    try file.commit()
    defer { try? FileSystem.remove(scratch) }
    lines.sort { $0.position < $1.position }
    var index = PieceIndex()
    let mapped = try MappedFile(scratch)
    defer { withExtendedLifetime(mapped) {} }
    var next = 0
    while next < lines.count {
      let part = self.part(of: lines[next].position)
      let end = part + 1 < starts.count ? starts[part + 1] : .max
      let first = next, offset = sink.bytes
      let frame = ZstdSink(OpenSink(sink), level: 1)
      while next < lines.count, lines[next].position < end {
        let line = lines[next]
        try frame.write(UnsafeRawBufferPointer(rebasing: mapped.bytes[line.offset..<line.offset + line.bytes]))
        index.positions.append(line.position)
        next += 1
      }
      try frame.commit()
      index.pieces.append(
        Piece(
          part: UInt64(part), offset: UInt64(offset), bytes: UInt64(sink.bytes - offset),
          documents: UInt64(next - first)))
    }
    return index
  }

  private func part(of position: UInt64) -> Int {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= position { low = middle } else { high = middle }
    }
    return low
  }
}

/// Passes bytes on and leaves the file open.
private final class OpenSink: ByteSink {
  private let sink: FileSink

  init(_ sink: FileSink) { self.sink = sink }

  func write(_ bytes: UnsafeRawBufferPointer) throws(ShardError) { try sink.write(bytes) }
  func commit() {}
}

/// Where the pieces of a file are, and the positions of its documents.
struct PieceIndex {
  var pieces: [Piece] = []
  var positions: [UInt64] = []

  /// The number of pieces, the pieces, and the positions.
  var bytes: [UInt8] {
    var out = withUnsafeBytes(of: UInt64(pieces.count)) { Array($0) }
    pieces.withUnsafeBytes { out += Array($0) }
    positions.withUnsafeBytes { out += Array($0) }
    return out
  }
}

/// The documents of one part of the result, from the pieces of all files.
struct GatheredPieces {
  private struct Line {
    var position: UInt64
    var range: Range<Int>
  }

  private var lines: [Line] = []
  private var text: [UInt8] = []

  /// - Throws: `StageError` (`.input`) if the index is not of the file; `ShardError` if one cannot be read.
  mutating func read(_ part: Int, of path: String, index: String) throws {
    let mapped = try MappedFile(index)
    defer { withExtendedLifetime(mapped) {} }
    let words = mapped.bytes.bindMemory(to: UInt64.self)
    // Numbers of a damaged file may be any: none is added up before it is compared.
    guard let first = words.first, let count = Int(exactly: first), count <= words.count / 4 else {
      throw Self.damaged(index)
    }
    let listed = words.count - 1 - 4 * count
    guard listed >= 0 else { throw Self.damaged(index) }
    var before = 0
    for number in 0..<count {
      let at = 1 + 4 * number
      guard let documents = Int(exactly: words[at + 3]), documents <= listed - before else { throw Self.damaged(index) }
      guard words[at] == UInt64(part) else {
        before += documents
        continue
      }
      let first = 1 + 4 * count + before
      guard let offset = Int64(exactly: words[at + 1]), let length = Int64(exactly: words[at + 2]),
        length <= .max - offset
      else { throw Self.damaged(index) }
      let frame = try FileSource(path, offset: offset, length: length)
      try read(frame, positions: words[first..<first + documents], index)
      return
    }
  }

  private mutating func read(
    _ frame: FileSource, positions: Slice<UnsafeBufferPointer<UInt64>>, _ index: String
  ) throws {
    let reader = LineReader(try decompress(frame, .zstd))
    for position in positions {
      guard let line = try reader.next() else { throw Self.damaged(index) }
      let start = text.count
      text.append(contentsOf: line)
      text.append(10)
      lines.append(Line(position: position, range: start..<text.count))
    }
  }

  private static func damaged(_ path: String) -> StageError {
    StageError(
      .input, path, "does not list the documents of its pieces",
      hint: "Run 'pipeline verify', which has the damaged task repeated.")
  }

  /// The documents in the order of their positions.
  mutating func forEach(_ body: (borrowing Document) throws -> Void) throws {
    lines.sort { $0.position < $1.position }
    let reader = DocumentReader(PartsOfText(text, lines.map(\.range)))
    var document = Document()
    while try reader.next(&document) { try body(document) }
  }
}

/// Ranges of a text, one after another.
private final class PartsOfText: ByteSource {
  let name = "the pieces of a file"
  private let text: [UInt8]
  private let ranges: [Range<Int>]
  private var next = 0
  /// Bytes of the next range that were read.
  private var taken = 0

  init(_ text: [UInt8], _ ranges: [Range<Int>]) {
    self.text = text
    self.ranges = ranges
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    var filled = 0
    while filled < buffer.count, next < ranges.count {
      let rest = ranges[next].dropFirst(taken).prefix(buffer.count - filled)
      text.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(from: .init(rebasing: $0[rest]))
      }
      filled += rest.count
      taken += rest.count
      guard taken == ranges[next].count else { break }
      (next, taken) = (next + 1, 0)
    }
    return filled
  }
}
