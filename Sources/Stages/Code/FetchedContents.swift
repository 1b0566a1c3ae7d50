import Glibc
import ShardKit

/// What a task has fetched so far, in the order of its rows, so that a resumed attempt fetches nothing twice.
///
/// A sequence of frames: a length in four bytes (all ones if there was no content), then the bytes as received. A frame
/// truncated by a kill is fetched again. Contents are checked against their digests when they are read, so damage
/// here is detected.
final class FetchedContents {
  private static let missing = UInt32.max
  private let path: String
  private let descriptor: Int32
  private let bytes: Int
  private var position = 0

  init(_ path: String) throws(ShardError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    bytes = Int(FileSystem.status(path)?.bytes ?? 0)
  }

  deinit { close(descriptor) }

  enum Frame { case content([UInt8]), missing }

  /// The next frame that an earlier attempt wrote; nil after the last.
  func next() throws(ShardError) -> Frame? {
    guard position + 4 <= bytes else { return nil }
    let head = try read(4)
    let length = head.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
    if length == Self.missing {
      position += 4
      return .missing
    }
    guard position + 4 + Int(length) <= bytes else { return nil }
    position += 4
    let content = try read(Int(length))
    position += Int(length)
    return .content(content)
  }

  private func read(_ count: Int) throws(ShardError) -> [UInt8] {
    try FileSource(path, offset: Int64(position), length: Int64(count)).readAll(reserving: count)
  }

  /// Appends a frame after those read, overwriting and truncating the remains of an incomplete frame.
  func append(_ content: [UInt8]?) throws(ShardError) {
    var frame = withUnsafeBytes(of: (content.map { UInt32($0.count) } ?? Self.missing).littleEndian) { Array($0) }
    frame += content ?? []
    guard ftruncate(descriptor, off_t(position)) == 0 else { throw FileSystem.error(path, "cannot be written") }
    var written = 0
    while written < frame.count {
      let count = frame.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress! + written, $0.count - written, off_t(position + written))
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw FileSystem.error(path, "cannot be written")
      }
      written += count
    }
    position += frame.count
  }
}
