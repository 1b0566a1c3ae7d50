import Glibc
import ShardKit

/// One process of a machine fetches a shard while the others wait for it: ranks of a training read the same shards at
/// the same time through one cache folder.
///
/// The lock ends with the process, however it ends. Shards share a few lock files, which remain next to the folder.
final class FetchLock {
  private let descriptor: Int32
  private static let files: UInt64 = 64

  /// Waits until no other process fetches the shard into the folder.
  init(_ basename: String, in folder: String) throws(ShardError) {
    let locks = "\(folder).locks"
    try FileSystem.makeDirectory(locks)
    let number = Array(basename.utf8).reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let path = "\(locks)/\(number % Self.files)"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else { break }
    }
    // If the file system has no locks, each process fetches for itself.
  }

  deinit { close(descriptor) }
}
