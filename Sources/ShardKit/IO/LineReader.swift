import CSimdJSON
import Glibc

/// Lines of a stream, without their line ends (`
/// ` or `\r
/// `, and optionally a lone `\r`); the last line end may be missing, and a byte order mark at the start is skipped.
///
/// A line is a slice of the reader's own buffer and is valid until the next call. `PL_JSON_PADDING` bytes after it are
/// readable, as simdjson requires.
public final class LineReader {
  public let source: any ByteSource
  public let maximumLineBytes: Int
  private let ends: LineEnds
  /// The number of the last returned line, from 1.
  public private(set) var number = 0
  /// Bytes consumed so far, including line ends.
  public private(set) var position: Int64 = 0
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var ended = false

  /// - Parameter linesBefore: lines of the file before the source, for numbers.
  public init(
    _ source: any ByteSource, maximumLineBytes: Int = 256 << 20, ends: LineEnds = .feed, linesBefore: Int = 0
  ) {
    number = linesBefore
    self.source = source
    self.ends = ends
    self.maximumLineBytes = maximumLineBytes
    buffer = .allocate(byteCount: 1 << 20, alignment: 64)
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { buffer.deallocate() }

  /// The next line; nil at the end.
  /// - Throws: `ShardError` (`.tooLarge`) for a line over `maximumLineBytes`; what the source throws.
  public func next() throws(ShardError) -> UnsafeRawBufferPointer? {
    var searched = start
    while true {
      if let found = lineEnd(from: searched) { return try line(upTo: found.end, next: found.next) }
      // A CR at the end may be half of a CRLF.
      searched = ends == .any && end > searched && buffer[end - 1] == 13 ? end - 1 : end
      if ended {
        guard start < end else { return nil }
        return try line(upTo: end, next: end)
      }
      let shift = try makeRoom()
      searched -= shift
      let room = UnsafeMutableRawBufferPointer(rebasing: buffer[end..<(buffer.count - PL_JSON_PADDING)])
      let count = try source.read(into: room)
      end += count
      ended = count == 0
    }
  }

  /// The first line end in the buffer, and the start of the next line.
  private func lineEnd(from searched: Int) -> (end: Int, next: Int)? {
    let bytes = UnsafeRawPointer(buffer.baseAddress!)
    if ends == .feed {
      return memchr(bytes + searched, 10, end - searched).map { hit in
        let newline = UnsafeRawPointer(hit) - bytes
        return (newline, newline + 1)
      }
    }
    for i in searched..<end where buffer[i] == 10 || buffer[i] == 13 {
      if buffer[i] == 10 { return (i, i + 1) }
      if i + 1 < end { return (i, buffer[i + 1] == 10 ? i + 2 : i + 1) }
      return ended ? (i, i + 1) : nil
    }
    return nil
  }

  private func line(upTo newline: Int, next: Int) throws(ShardError) -> UnsafeRawBufferPointer {
    guard newline - start <= maximumLineBytes else { throw tooLong() }
    var first = start
    if number == 0, newline - first >= 3, buffer[first] == 0xEF, buffer[first + 1] == 0xBB, buffer[first + 2] == 0xBF {
      first += 3
    }
    number += 1
    position += Int64(next - start)
    start = next
    let stop = ends == .feed && newline > first && buffer[newline - 1] == 13 ? newline - 1 : newline
    return UnsafeRawBufferPointer(rebasing: buffer[first..<stop])
  }

  private func tooLong() -> ShardError {
    ShardError(
      .tooLarge, source.name, "line \(number + 1) is longer than \(maximumLineBytes) bytes",
      hint: "Check that the file consists of lines.")
  }

  /// Moves the unread bytes to the front, or grows the buffer if it is full. Returns how far bytes moved.
  private func makeRoom() throws(ShardError) -> Int {
    let usable = buffer.count - PL_JSON_PADDING
    if end < usable { return 0 }
    let shift = start
    if start > 0 {
      memmove(buffer.baseAddress!, buffer.baseAddress! + start, end - start)
      end -= start
      start = 0
    }
    if end > usable / 2 {
      guard end <= maximumLineBytes else { throw tooLong() }
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count * 2, alignment: 64)
      larger.initializeMemory(as: UInt8.self, repeating: 0)
      memcpy(larger.baseAddress!, buffer.baseAddress!, end)
      buffer.deallocate()
      buffer = larger
    }
    return shift
  }
}
