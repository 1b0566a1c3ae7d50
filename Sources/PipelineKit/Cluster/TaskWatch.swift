import Glibc
import ShardKit
import Synchronization

/// A thread beside a task of a job: writes its heartbeat, and passes on the request to stop.
final class TaskWatch: Sendable {
  private let ending = Monitor(false)
  private let reason = Monitor<String?>(nil)
  private let thread: BackgroundThread?

  /// Nanoseconds between heartbeats.
  private static let pause = 2_000_000_000
  /// After this many nanoseconds past its timeout, a task that does not stop ends with its process.
  private static let patience = 30_000_000_000

  init(
    _ control: TaskControl, folder: BatchFolder, group: Int, key: String, stopping: @escaping @Sendable () -> Bool,
    isMuted: Bool
  ) {
    let path = folder.heartbeat(group)
    if !isMuted { Self.beat(control, path, key) }
    thread = BackgroundThread { [ending, reason] in
      while true {
        if stopping() { control.requestStop() }
        if FileSystem.exists(folder.void) { control.cancel() }
        if !isMuted, let text = try? FileSystem.read(folder.failure(group), limit: 1 << 16) {
          reason.with { $0 = String(decoding: text, as: UTF8.self) }
          control.cancel()
        }
        if control.overtime > Self.patience { _exit(TaskWatch.hungCode) }
        let isOver = ending.wait(atMostNanoseconds: stopping() ? 200_000_000 : Self.pause, wake: false) {
          $0 ? true : nil
        }
        if isOver == true { return }
        if !isMuted { Self.beat(control, path, key) }
      }
    }
  }

  /// The exit code of a job whose task did not stop after its timeout.
  static let hungCode: Int32 = 124

  /// What a further node of the job gave as the reason why it cannot do its part.
  var failure: String? { reason.with { $0 } }

  func end() {
    ending.with { $0 = true }
    thread?.join()
  }

  /// A heartbeat that cannot be written is skipped.
  private static func beat(_ control: TaskControl, _ path: String, _ key: String) {
    let progress = control.progress
    let status = control.status
    let beat = Heartbeat(
      time: wallMilliseconds(), host: hostName(), process: getpid(), key: key, documents: progress.documents,
      bytes: progress.bytes, fraction: status?.fraction, text: status?.text, remainingSeconds: status?.remainingSeconds,
      metricsFile: status?.metricsFile)
    let descriptor = open(path + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return }
    let text = Array(beat.json.text().utf8)
    let isWritten = write(descriptor, text, text.count) == text.count
    close(descriptor)
    if isWritten { Glibc.rename(path + ".new", path) }
  }
}
