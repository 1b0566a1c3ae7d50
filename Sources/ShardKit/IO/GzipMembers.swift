import CZlib
import Glibc

/// The members of a gzip file one by one, each whole in memory: for archives that keep a record a member.
///
/// Damage costs the member it stands in: reading goes on at the next place that looks like the head of a member.
public final class GzipMembers {
  public enum Member: Equatable, Sendable {
    case whole
    /// Larger than the limit; `content` holds its beginning.
    case tooLarge
    /// The stream is broken; `content` holds what could be read of the member.
    case damaged(ShardError)
  }

  /// What the last member holds; valid until the next one is read.
  public var content: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[..<count]) }
  /// Where the last member begins in the file.
  public private(set) var offset = 0

  private let file: MappedFile
  private var position = 0
  private var released = 0
  private var stream = z_stream()
  private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
  private var count = 0

  public init(path: String) throws(ShardError) {
    file = try MappedFile(path)
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw ShardError(.io, path, "zlib cannot be started")
    }
  }

  deinit {
    inflateEnd(&stream)
    buffer.deallocate()
  }

  public var isAtEnd: Bool { position >= file.bytes.count }

  /// Begins again with the first member.
  public func rewind() { position = 0 }

  /// Reads the next member; nil at the end.
  public func next(limit: Int) -> Member? {
    skipPadding()
    guard !isAtEnd else { return nil }
    if position - released > 64 << 20 {
      file.release()
      released = position
    }
    offset = position
    count = 0
    inflateReset(&stream)
    return inflateMember(limit: limit)
  }

  /// Zeros between members, as tapes leave them.
  private func skipPadding() {
    while position < file.bytes.count, file.bytes[position] == 0 { position += 1 }
  }

  private func inflateMember(limit: Int) -> Member {
    var isTooLarge = false
    while true {
      let piece = min(file.bytes.count - position, 1 << 30)
      stream.next_in = UnsafeMutablePointer(
        mutating: (file.bytes.baseAddress! + position).assumingMemoryBound(to: UInt8.self))
      stream.avail_in = UInt32(piece)
      // Of a member that is too large the end is looked for, in the last part of the buffer over and over.
      if count >= limit { isTooLarge = true }
      let start = isTooLarge ? min(count, buffer.count / 2) : count
      if start == buffer.count { grow(limit) }
      let room = min(buffer.count - start, 1 << 30)
      stream.next_out = (buffer.baseAddress! + start).assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(room)
      let result = inflate(&stream, Z_NO_FLUSH)
      position += piece - Int(stream.avail_in)
      count = isTooLarge ? start : start + room - Int(stream.avail_out)
      switch result {
      case Z_STREAM_END: return isTooLarge || count > limit ? .tooLarge : .whole
      case Z_OK where !(isAtEnd && stream.avail_out > 0): continue
      case Z_BUF_ERROR where !isAtEnd || stream.avail_out == 0: continue
      case Z_OK, Z_BUF_ERROR:
        return .damaged(
          ShardError(
            .truncated, file.path, "the gzip stream ends in its middle, at compressed byte \(position)",
            hint: "Fetch the file again; what came before the break was read."))
      default:
        let reason = stream.msg.map { String(cString: $0) } ?? "bad data"
        let place = position
        resynchronise()
        return .damaged(
          ShardError(
            .malformed, file.path, "the gzip stream is damaged at compressed byte \(place) (\(reason))",
            hint: "Fetch the file again."))
      }
    }
  }

  private func grow(_ limit: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(buffer.count * 2, max(limit + 1, buffer.count + 4096)), alignment: 64)
    memcpy(larger.baseAddress!, buffer.baseAddress!, count)
    buffer.deallocate()
    buffer = larger
  }

  /// Goes to the next place behind the head of this member that has the first bytes of another (RFC 1952, 2.3.1).
  private func resynchronise() {
    var at = offset + 1
    let end = file.bytes.count - 18
    while at < end, let hit = memchr(file.bytes.baseAddress! + at, 0x1F, end - at) {
      at = UnsafeRawPointer(hit) - file.bytes.baseAddress!
      if file.bytes[at + 1] == 0x8B, file.bytes[at + 2] == 8, file.bytes[at + 3] & 0xE0 == 0 {
        position = at
        return
      }
      at += 1
    }
    position = file.bytes.count
  }
}
