import Glibc

/// A growing byte buffer, with room at the front for a header that is known last.
///
/// Shards are large and short-lived, so the buffer requests huge pages: one page fault per 2 MiB.
struct ShardBuffer: ~Copyable {
  private var memory: UnsafeMutableRawBufferPointer
  private var room: Int
  private var end: Int

  private static let page = 2 << 20

  /// - Parameters:
  ///   - capacity: expected bytes; more are possible.
  ///   - room: expected bytes of the header; a larger one costs a move.
  init(capacity: Int, room: Int) {
    self.room = room
    end = room
    memory = Self.allocate(room + capacity)
  }

  deinit { free(memory.baseAddress) }

  /// Bytes appended.
  var count: Int { end - room }

  private static func allocate(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
    let isLarge = bytes >= page
    let size = isLarge ? (bytes + page - 1) / page * page : bytes
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, isLarge ? page : 64, size) == 0, let pointer else {
      fatalError("out of memory for \(size) bytes of a shard")
    }
    if isLarge { madvise(pointer, size, MADV_HUGEPAGE) }
    return UnsafeMutableRawBufferPointer(start: pointer, count: size)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if memory.count - end < bytes.count { grow(room: room, capacity: max(2 * count, count + bytes.count)) }
    UnsafeMutableRawBufferPointer(rebasing: memory[end...]).copyMemory(from: bytes)
    end += bytes.count
  }

  private mutating func grow(room: Int, capacity: Int) {
    let larger = Self.allocate(room + capacity)
    let used = UnsafeRawBufferPointer(rebasing: memory[self.room..<end])
    UnsafeMutableRawBufferPointer(rebasing: larger[room...]).copyMemory(from: used)
    free(memory.baseAddress)
    (memory, end, self.room) = (larger, room + used.count, room)
  }

  /// Passes the header and the appended bytes as one buffer, then clears both.
  mutating func take<R>(
    header: [UInt8], _ body: (UnsafeRawBufferPointer) throws(ShardError) -> R
  ) throws(ShardError) -> R {
    if header.count > room { grow(room: header.count, capacity: memory.count - room) }
    let start = room - header.count
    header.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: memory[start..<room]).copyMemory(from: $0) }
    let whole = UnsafeRawBufferPointer(rebasing: memory[start..<end])
    defer { end = room }
    return try body(whole)
  }
}
