import Glibc
import ShardKit

/// The log of one attempt at a task: `logs/RUN/STAGE/PHASE-KEY.ATTEMPT.log` in the store; `PHASE-KEY@NODE.ATTEMPT.log` on
/// the further nodes of a job of several. Whatever the task and its child processes print goes there.
public struct TaskLog: Sendable {
  public let path: String

  /// - Parameter node: the name of a further node of the job, which cannot append to the first one's file.
  init(_ batch: JobBatch, key: String, attempt: Int, node: String? = nil) {
    let store = ArchivePath.folder(of: ArchivePath.folder(of: ArchivePath.folder(of: batch.directory)))
    path = Self.path(
      store: store, run: batch.run, stage: batch.stage, phase: batch.phase,
      key: key + (node.map { "@\($0)" } ?? ""), attempt: attempt)
  }

  /// What a job printed outside of tasks: `job-NUMBER.1.log`.
  init(_ batch: JobBatch, job: String) {
    let store = ArchivePath.folder(of: ArchivePath.folder(of: ArchivePath.folder(of: batch.directory)))
    path = Self.path(store: store, run: batch.run, stage: batch.stage, phase: "job", key: job, attempt: 1)
  }

  static func root(store: String) -> String { "\(store)/logs" }

  static func path(store: String, run: Int64, stage: String, phase: String, key: String, attempt: Int) -> String {
    "\(root(store: store))/\(run)/\(stage)/\(phase)-\(key).\(attempt).log"
  }

  /// Runs `body` with standard output and error of this process in the log.
  func capturing<R>(_ body: () throws -> R) throws -> R {
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    let kept = [STDOUT_FILENO, STDERR_FILENO].map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
    dup2(descriptor, STDOUT_FILENO)
    dup2(descriptor, STDERR_FILENO)
    close(descriptor)
    defer {
      fflush(nil)
      for (number, own) in kept.enumerated() where own >= 0 {
        dup2(own, Int32(number + 1))
        close(own)
      }
    }
    note("began on \(hostName())")
    let result = try body()
    note("done")
    return result
  }

  /// Adds a line with the time.
  func note(_ text: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let now = CivilTime(secondsSince1970: wallMilliseconds() / 1000)
    let line = Array("\(now.date()) \(now.time())Z  \(text)\n".utf8)
    _ = write(descriptor, line, line.count)
  }
}
