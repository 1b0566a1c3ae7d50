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
  private let loss = Monitor(false)
  private let thread: BackgroundThread?

  /// Nanoseconds between two beats, and after which a lease without a beat is nobody's.
  private static let pause = 10_000_000_000
  private static let patience = 60_000_000_000

  /// Whether another process has taken it, as after a long suspension of this one.
  var isLost: Bool { loss.with(wake: false) { $0 } }

  /// Takes the lease; one whose holder shows no sign of life is watched for a minute first.
  /// - Throws: `RunError` (`.locked`) if its holder is alive; `ShardError` for the disk.
  init(root: String, pause: Int = StoreLease.pause, patience: Int = StoreLease.patience) throws {
    path = root + "/lock.lease"
    token = "\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    if let holder = Self.read(path) {
      guard Self.isGone(holder) || !Self.beats(path, holder, patience) else { throw Self.taken(root, holder) }
      // Of several that see a dead lease, one moves it away.
      let dead = "\(path).\(token)"
      if Glibc.rename(path, dead) == 0 { try FileSystem.remove(dead) }
    }
    let own = "\(path).\(token).new"
    try Self.write(own, token, beat: 0)
    defer { try? FileSystem.remove(own) }
    guard Glibc.link(own, path) == 0 else {
      guard errno == EEXIST else { throw FileSystem.error(path, "cannot be made") }
      throw Self.taken(root, Self.read(path))
    }
    thread = BackgroundThread { [path, token, ending, loss] in
      var beat = 0
      while ending.wait(atMostNanoseconds: pause, wake: false, { $0 ? true : nil }) != true {
        beat += 1
        // Another holder means that this one was taken for dead.
        guard Self.read(path)?.token == token else { return loss.with { $0 = true } }
        try? Self.write(path, token, beat: beat)
      }
    }
  }

  private static func taken(_ root: String, _ holder: Content?) -> RunError {
    let who = holder.map { "process \($0.process) on \($0.host)" } ?? "another pipeline"
    return RunError(
      .locked, "the store \(root) is in use by \(who)",
      hint: "Wait for it or stop it, or name another store with --store.")
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
