import Glibc
import ShardKit

/// Allows one runner per store. The lock is released when the process ends, however it ends.
public final class StoreLock {
  private let descriptor: Int32
  private let lease: StoreLease?

  /// Takes the lock without waiting for its holder. On a network file system, a lease of a dead holder is watched for a
  /// minute first.
  /// - Throws: `RunError` (`.locked`) if another process has it; `ShardError` if its file cannot be opened.
  public init(root: String) throws {
    let path = root + "/lock"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    let isLocked = FileSystem.takesLock(descriptor)
    // ENOLCK, ENOSYS or ENOTSUP: this file system has no such locks.
    guard isLocked || errno != EWOULDBLOCK else {
      let holder = Self.holder(descriptor)
      close(descriptor)
      throw RunError(
        .locked, "the store \(root) is in use by \(holder)",
        hint: "Wait for it or stop it, or name another store with --store.")
    }
    do { lease = !isLocked || FileSystemKind.isNetwork(root) ? try StoreLease(root: root) : nil } catch {
      close(descriptor)
      throw error
    }
    let text = Array("process \(getpid()) on \(hostName())\n".utf8)
    pwrite(descriptor, text, text.count, 0)
    // Changing a file's length waits for the disk where it is busy.
    var status = stat()
    if fstat(descriptor, &status) != 0 || status.st_size != text.count { ftruncate(descriptor, off_t(text.count)) }
  }

  deinit { close(descriptor) }

  /// Whether another process has taken the store meanwhile; only where the file system has no locks of its own.
  var isLost: Bool { lease?.isLost ?? false }

  private static func holder(_ descriptor: Int32) -> String {
    var text = [UInt8](repeating: 0, count: 512)
    let count = pread(descriptor, &text, text.count, 0)
    guard count > 0 else { return "another pipeline" }
    return String(decoding: text[..<count].prefix { $0 != 10 }, as: UTF8.self)
  }
}

/// Held while a store's database is opened and migrated, by read-only commands too.
final class OpeningLock {
  private let descriptor: Int32

  private static let patience = 60_000_000_000

  init(root: String) throws {
    let path = root + "/lock.opening"
    let made = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    // Another process may have created it.
    descriptor = made >= 0 ? made : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    let until = monotonicNanoseconds() + Self.patience
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      // Not every file system supports locks; without them, migrations are still transactions.
      guard errno == EWOULDBLOCK || errno == EINTR else { return }
      guard monotonicNanoseconds() < until else {
        close(descriptor)
        throw RunError(
          .locked, "the store \(root) has been locked for a minute by another process that is opening it",
          hint: "Check whether a pipeline process hangs there, and end it.")
      }
      usleep(10_000)
    }
  }

  deinit { close(descriptor) }
}
