import Glibc
import ShardKit

/// A file that grows by complete records, each written in one call: readers see it at once, and a kill loses at most
/// the last one.
final class AppendedFile: Sendable {
  let path: String
  private let descriptor: Int32

  /// - Parameter length: the file is truncated to it first; nil: it is not.
  init(_ path: String, cutTo length: Int64? = nil) throws(ShardError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be written") }
    guard let length else { return }
    guard ftruncate(descriptor, off_t(length)) == 0 else { throw FileSystem.error(path, "cannot be truncated") }
  }

  deinit { close(descriptor) }

  func append(_ bytes: [UInt8]) throws(ShardError) {
    try bytes.withUnsafeBytes { (bytes) -> ShardError? in
      var done = 0
      while done < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { return FileSystem.error(path, "cannot be written") }
        done += count
      }
      return nil
    }.map { (error) throws(ShardError) in throw error }
  }
}
