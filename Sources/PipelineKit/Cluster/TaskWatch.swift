import Glibc
import ShardKit
import Synchronization

/// A thread beside a task of a job: writes its heartbeat, and passes on the request to stop.
final class TaskWatch: Sendable {
  private let ending = Monitor(false)
  private let reason = Monitor<String?>(nil)
  private let thread: BackgroundThread?

  /// After this many nanoseconds past its timeout, a task that does not stop ends with its process.
  private static let patience = 30_000_000_000

  init(
    _ control: TaskControl, folder: BatchFolder, group: Int, key: String, stopping: @escaping @Sendable () -> Bool,
    isMuted: Bool, seconds: Int
  ) {
    let beats = HeartbeatFile(path: folder.heartbeat(group), key: key, control: control)
    if !isMuted { beats.write() }
    thread = BackgroundThread { [ending, reason] in
      var lookedAt = monotonicNanoseconds(), beatAt = lookedAt
      while true {
        if stopping() { control.requestStop() }
        if control.overtime > Self.patience { _exit(TaskWatch.hungCode) }
        let isOver = ending.wait(atMostNanoseconds: stopping() ? 200_000_000 : 1_000_000_000, wake: false) {
          $0 ? true : nil
        }
        if isOver == true { return }
        // The store's file system is shared by all jobs.
        guard monotonicNanoseconds() - lookedAt >= min(seconds, Self.mostSeconds) * 1_000_000_000 else { continue }
        lookedAt = monotonicNanoseconds()
        if FileSystem.exists(folder.void) { control.cancel() }
        guard !isMuted else { continue }
        if let text = try? FileSystem.read(folder.failure(group), limit: 1 << 16) {
          reason.with { $0 = String(decoding: text, as: UTF8.self) }
          control.cancel()
        }
        guard lookedAt - beatAt >= seconds * 1_000_000_000 else { continue }
        beatAt = lookedAt
        beats.write()
      }
    }
  }

  /// Between two looks at what others tell this job.
  private static let mostSeconds = 15

  /// The exit code of a job whose task did not stop after its timeout.
  static let hungCode: Int32 = 124

  /// What a further node of the job gave as the reason why it cannot do its part.
  var failure: String? { reason.with { $0 } }

  func end() {
    ending.with { $0 = true }
    thread?.join()
  }
}

/// Where a task's signs of life go.
private final class HeartbeatFile: @unchecked Sendable {
  // Used by one thread at a time.
  private let path: String
  private let key: String
  private let control: TaskControl
  private var first: (fraction: Double, time: Int)?

  init(path: String, key: String, control: TaskControl) {
    (self.path, self.key, self.control) = (path, key, control)
  }

  /// One that cannot be written is skipped.
  func write() {
    let progress = control.progress
    let status = control.status
    // Until it has found its place again, it says 0.
    if first == nil, let status, status.fraction > 0 { first = (status.fraction, wallMilliseconds()) }
    let beat = Heartbeat(
      time: wallMilliseconds(), host: hostName(), process: getpid(), key: key, documents: progress.documents,
      bytes: progress.bytes, fraction: status?.fraction, firstFraction: first?.fraction, firstTime: first?.time,
      text: status?.text, remainingSeconds: status?.remainingSeconds, metricsFile: status?.metricsFile)
    let descriptor = open(path + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return }
    let text = Array(beat.json.text().utf8)
    let isWritten = Glibc.write(descriptor, text, text.count) == text.count
    close(descriptor)
    if isWritten { Glibc.rename(path + ".new", path) }
  }
}
