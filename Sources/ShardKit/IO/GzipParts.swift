import CZlib
import Glibc

/// A source with parts that can be read independently: after the end of one, or after damage, reading resumes at the
/// next.
public protocol PartedSource: ByteSource {
  /// Moves to the next part, which `read` then reads to its end; false if there is none.
  func nextPart() -> Bool
}

/// Consecutive members of a gzip file, for archives with one record per member.
///
/// Damage affects only its own member: the next one is searched for from the damaged member's header on, since reading
/// may have gone past its end. Rereading is bounded, so hostile headers cost linear time.
public final class GzipParts: PartedSource {
  public var name: String { file.path }

  private let file: MappedFile
  private var stream = z_stream()
  private var position = 0
  private var memberStart = 0
  private var memberOutput = 0
  private var released = 0
  private var isInside = false
  private var isBroken = false
  /// Damage after bytes that were delivered.
  private var failure: ShardError?
  /// Bytes of damaged members, which are scanned again.
  private var wasted = 0

  /// Maps the file.
  /// - Throws: what `MappedFile` throws; `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(path: String) throws(ShardError) {
    file = try MappedFile(path)
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw noMemory(path, "gzip")
    }
  }

  deinit { inflateEnd(&stream) }

  public func nextPart() -> Bool {
    if isBroken { resynchronize() }
    // Zeros between members, as left by tapes.
    while position < file.bytes.count, file.bytes[position] == 0 { position += 1 }
    guard position < file.bytes.count else { return false }
    if position - released > 64 << 20 {
      file.release()
      released = position
    }
    (memberStart, memberOutput) = (position, 0)
    (isInside, isBroken, failure) = (true, false, nil)
    inflateReset(&stream)
    return true
  }

  /// Decompresses from the current member; 0 means its end.
  /// - Throws: `ShardError` for this member: `.truncated`, `.malformed`, or `.io` if memory runs out.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    if let failure { throw broken(failure) }
    guard isInside else { return 0 }
    let piece = min(file.bytes.count - position, 1 << 30)
    let room = min(buffer.count, 1 << 30)
    stream.next_in = UnsafeMutablePointer(
      mutating: (file.bytes.baseAddress! + position).assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(piece)
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = UInt32(room)
    let result = inflate(&stream, Z_NO_FLUSH)
    position += piece - Int(stream.avail_in)
    let count = room - Int(stream.avail_out)
    memberOutput += count
    switch result {
    case Z_STREAM_END: isInside = false
    case Z_OK where count > 0: break
    case Z_OK, Z_BUF_ERROR: failure = truncated(name, "gzip", position)
    case Z_MEM_ERROR: failure = noMemory(name, "gzip")
    default:
      failure = damaged(name, "gzip", position, stream.msg.map { String(cString: $0) } ?? "bad data")
    }
    // Data before the damage is delivered first.
    if count == 0, let failure { throw broken(failure) }
    return count
  }

  private func broken(_ failure: ShardError) -> ShardError {
    (isInside, isBroken) = (false, true)
    self.failure = failure
    return failure
  }

  /// Moves to the next position with the first bytes of a member header (RFC 1952, 2.3.1).
  private func resynchronize() {
    isBroken = false
    wasted += position - memberStart + memberOutput / 16
    var at = wasted <= 4 * file.bytes.count + 1 << 20 ? memberStart + 1 : max(position, memberStart + 1)
    let end = file.bytes.count - 18
    while at < end, let hit = memchr(file.bytes.baseAddress! + at, 0x1F, end - at) {
      at = UnsafeRawPointer(hit) - UnsafeRawPointer(file.bytes.baseAddress!)
      if file.bytes[at + 1] == 0x8B, file.bytes[at + 2] == 8, file.bytes[at + 3] & 0xE0 == 0 {
        position = at
        return
      }
      at += 1
    }
    position = file.bytes.count
  }
}
