import Glibc
import Synchronization

/// A growing byte buffer, with room at the front for a header that is known last.
///
/// Shards are large and short-lived, so the buffer requests huge pages: one page fault per 2 MiB. The system would clear
/// those of each new buffer, so that the last ones are kept for the next.
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

  deinit { Self.release(memory) }

  /// Bytes appended.
  var count: Int { end - room }

  private static func allocate(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
    let isLarge = bytes >= page
    let size = isLarge ? (bytes + page - 1) / page * page : bytes
    if isLarge, let kept = idle.withLock({ $0.take(size) }) { return kept.memory }
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, isLarge ? page : 64, size) == 0, let pointer else {
      fatalError("out of memory for \(size) bytes of a shard")
    }
    if isLarge { madvise(pointer, size, MADV_HUGEPAGE) }
    return UnsafeMutableRawBufferPointer(start: pointer, count: size)
  }

  private static func release(_ memory: UnsafeMutableRawBufferPointer) {
    let isKept = memory.count >= page && idle.withLock { $0.keep(IdleMemory(memory: memory)) }
    if !isKept { free(memory.baseAddress) }
  }

  private static let idle = Mutex(IdleBuffers())

  /// Frees the buffers that are kept for the next shards.
  static func releaseIdle() {
    for idle in idle.withLock({ $0.takeAll() }) { free(idle.memory.baseAddress) }
  }

  /// Passes memory of at least so many bytes, whose contents are anything.
  static func withMemory(
    _ bytes: Int, _ body: (UnsafeMutableRawBufferPointer) throws(ShardError) -> Void
  ) throws(ShardError) {
    let memory = allocate(bytes)
    defer { release(memory) }
    try body(memory)
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
    Self.release(memory)
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

/// `@unchecked Sendable`: nobody else uses the memory.
private struct IdleMemory: @unchecked Sendable {
  let memory: UnsafeMutableRawBufferPointer
}

/// Memory of buffers that ended: of four, a shard and its compressed form of two tasks, which is less than the tasks had
/// that ended with them.
private struct IdleBuffers {
  private var buffers: [IdleMemory] = []

  /// One of about this size, if there is one.
  mutating func take(_ bytes: Int) -> IdleMemory? {
    buffers.firstIndex { bytes...2 * bytes ~= $0.memory.count }.map { buffers.remove(at: $0) }
  }

  mutating func keep(_ idle: IdleMemory) -> Bool {
    guard buffers.count < 4 else { return false }
    buffers.append(idle)
    return true
  }

  mutating func takeAll() -> [IdleMemory] {
    defer { buffers = [] }
    return buffers
  }
}
