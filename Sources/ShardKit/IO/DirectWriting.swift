import CKernels
import Glibc

/// Writes large blocks past the page cache, which would copy all of them and drop what others read from it.
///
/// Only onto file systems of local disks, where that is known to be fast. Everything else, and what is no whole page at a
/// block's end, is written as usual.
struct DirectWriting {
  /// Smaller blocks are not worth it.
  static let leastBytes = 8 << 20
  /// Disks take multiples of their own block size, in memory and in the file: this is one for all of them.
  static let page = 4096
  private static let pieceBytes = 1 << 20

  private let descriptor: Int32
  private let piece: UnsafeMutableRawPointer

  /// Nil where blocks at this place of the file must be written as usual.
  private init?(_ descriptor: Int32, offset: Int64) {
    guard offset % Int64(Self.page) == 0 else { return nil }
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, Self.page, Self.pieceBytes) == 0, let memory else { return nil }
    guard pl_begin_direct(descriptor) != 0 else {
      free(memory)
      return nil
    }
    self.descriptor = descriptor
    piece = memory
  }

  private func end() {
    pl_end_direct(descriptor)
    free(piece)
  }

  /// Writes what comes first of a block, whole pages, while `work` runs in the calling thread.
  /// - Parameter offset: the place in the file.
  /// - Returns: how much was written. The rest is for the caller to write, and errors are for that to meet.
  static func write(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int64, while work: () -> Void
  ) -> Int {
    guard bytes.count >= leastBytes, let direct = DirectWriting(descriptor, offset: offset) else {
      work()
      return 0
    }
    defer { direct.end() }
    let task = WritingTask(direct, bytes)
    guard let thread = BackgroundThread({ task.run() }) else {
      work()
      return 0
    }
    work()
    thread.join()
    return task.written
  }

  fileprivate func writePages(of bytes: UnsafeRawBufferPointer) -> Int {
    let whole = bytes.count / Self.page * Self.page
    var written = 0
    while written < whole {
      let size = min(Self.pieceBytes, whole - written)
      memcpy(piece, bytes.baseAddress! + written, size)
      let count = Glibc.write(descriptor, piece, size)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return written }
      written += count
      // A piece that was cut short leaves the file at a place that is no page's start.
      guard count == size else { return written }
    }
    return written
  }
}

/// `@unchecked Sendable`: one thread runs it while the one that made it waits with the result.
private final class WritingTask: @unchecked Sendable {
  private let direct: DirectWriting
  private let bytes: UnsafeRawBufferPointer
  private(set) var written = 0

  init(_ direct: DirectWriting, _ bytes: UnsafeRawBufferPointer) { (self.direct, self.bytes) = (direct, bytes) }

  func run() { written = direct.writePages(of: bytes) }
}
