import Glibc
import Synchronization

/// A new folder below `TMPDIR`, or `/tmp`, that only this user can access.
///
/// It is removed with this object. If its process is killed, the next one that makes such a folder removes it, and ends
/// what still runs there: processes that have their temporary files in it.
public final class TemporaryFolder: Sendable {
  public let path: String
  /// The folder itself, locked: it is in use.
  private let descriptor: Int32

  /// - Throws: `ShardError` if it cannot be created, such as `.notFound`, `.permission` or `.diskFull`.
  public init() throws(ShardError) {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    if !Self.isSwept.exchange(true, ordering: .relaxed) { Self.sweep(parent) }
    (path, descriptor) = try Self.make(in: parent)
  }

  deinit {
    try? FileSystem.removeTree(path)
    close(descriptor)
  }

  private static let isSwept = Atomic(false)

  /// Folders of this machine alone: elsewhere, locks need not be seen.
  private static let beginning: String = {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return "pipeline-" + Digester.digest(name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }).hex.prefix(8) + "-"
  }()

  private static func make(in parent: String) throws(ShardError) -> (path: String, descriptor: Int32) {
    while true {
      var template = Array("\(parent)/\(beginning)XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw FileSystem.error(parent, "cannot hold a temporary folder") }
      let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      // Until it is locked, another process may take it for one that was left.
      if let descriptor = open(path) {
        if lock(descriptor) != .isAnothers, FileSystem.status(path) != nil { return (path, descriptor) }
        close(descriptor)
      } else if errno != ENOENT {
        throw FileSystem.error(path, "cannot be opened")
      }
    }
  }

  private static func open(_ path: String) -> Int32? {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : nil
  }

  private enum Lock { case isOurs, isAnothers, isImpossible }

  /// Some file systems have no locks of folders: nothing is swept there.
  private static func lock(_ descriptor: Int32) -> Lock {
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return .isOurs }
    return errno == EWOULDBLOCK ? .isAnothers : .isImpossible
  }

  /// Removes the folders of processes that were killed.
  public static func sweep(_ parent: String) {
    for name in (try? FileSystem.list(parent, others: .passedOver)) ?? [] where name.hasPrefix(beginning) {
      let path = "\(parent)/\(name)"
      guard let descriptor = open(path) else { continue }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), lock(descriptor) == .isOurs else { continue }
      endProcesses(below: path)
      try? FileSystem.removeTree(path)
    }
  }

  private static func endProcesses(below path: String) {
    for _ in 0..<100 {
      let left = ProcessTree.processes(withSetting: "TMPDIR=\(path)/")
      if left.isEmpty { return }
      for process in left { kill(process, SIGKILL) }
      usleep(20_000)
    }
  }
}
