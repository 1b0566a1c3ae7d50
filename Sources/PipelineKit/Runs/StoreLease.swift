import Glibc
import ShardKit

/// A lock that needs no support of the file system: a file that its holder rewrites every few seconds. Used beside
/// `flock`, which some network file systems do not have, or keep for each machine.
final class StoreLease: Sendable {
  private struct Content: JSONRecord, Equatable {
    var host: String
    var process: Int32
    var token: String
    var beat: Int
  }

  private let path: String
  private let token: String
  private let ending = Monitor(false)
  private let thread: BackgroundThread?

  /// Nanoseconds between two beats, and after which a lease without a beat is nobody's.
  private static let pause = 10_000_000_000
  private static let patience = 60_000_000_000

  /// Takes the lease.
  /// - Parameter waiting: hears a sentence if an old lease has to be watched for a while.
  /// - Throws: `RunError` (`.locked`) if its holder is alive; `ShardError` for the disk.
  init(root: String, patience: Int = StoreLease.patience) throws {
    path = root + "/lock.lease"
    token = "\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    if let holder = Self.read(path), !Self.isGone(holder), Self.beats(path, holder, patience) {
      throw RunError(
        .locked, "the store \(root) is in use by process \(holder.process) on \(holder.host)",
        hint: "Wait for it or stop it, or name another store with --store.")
    }
    try Self.write(path, token, beat: 0)
    // Of two that found the lease free, the later one has it.
    usleep(200_000)
    guard Self.read(path)?.token == token else {
      throw RunError(
        .locked, "the store \(root) was taken by another pipeline at the same moment",
        hint: "Wait for it or stop it, or name another store with --store.")
    }
    thread = BackgroundThread { [path, token, ending] in
      var beat = 0
      while ending.wait(atMostNanoseconds: Self.pause, wake: false, { $0 ? true : nil }) != true {
        beat += 1
        // Another holder means that this one was taken for dead.
        guard Self.read(path)?.token ?? token == token else { return }
        try? Self.write(path, token, beat: beat)
      }
    }
  }

  deinit {
    ending.with { $0 = true }
    thread?.join()
    if Self.read(path)?.token == token { try? FileSystem.remove(path) }
  }

  private static func read(_ path: String) -> Content? { try? Content(jsonFile: path, limit: 4096) }

  private static func write(_ path: String, _ token: String, beat: Int) throws {
    let content = Content(host: hostName(), process: getpid(), token: token, beat: beat)
    try FileSystem.write(Array(content.json.text().utf8), to: path)
  }

  /// A process of this machine that has ended.
  private static func isGone(_ holder: Content) -> Bool {
    holder.host == hostName() && kill(holder.process, 0) != 0 && errno == ESRCH
  }

  /// Whether the holder writes while it is watched: clocks of two machines are not compared.
  private static func beats(_ path: String, _ holder: Content, _ patience: Int) -> Bool {
    let until = monotonicNanoseconds() + patience
    while monotonicNanoseconds() < until {
      usleep(500_000)
      guard let now = read(path) else { return false }
      if now != holder { return true }
    }
    return false
  }
}
