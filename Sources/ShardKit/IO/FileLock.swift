import Glibc

extension FileSystem {
  /// Takes the exclusive lock of an open file, without waiting for another holder.
  ///
  /// A child process has a copy of every descriptor, and so of a lock that was just given back, until it executes its
  /// program: up to a second is waited for that.
  /// - Returns: whether the lock is held; otherwise `errno` says why, `EWOULDBLOCK` if another process holds it.
  public static func takesLock(_ descriptor: Int32) -> Bool {
    for _ in 0..<50 {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
      guard errno == EWOULDBLOCK else { return false }
      usleep(20_000)
    }
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0
  }
}
