import Glibc

/// Named moments at which a crash test kills the process, to prove that a resumed run loses nothing.
///
/// `PIPELINE_FAULT=name` kills (SIGKILL) when `name` is reached, `PIPELINE_FAULT=name:3` when it is reached the third
/// time. Without the variable a point costs one load and a branch.
public enum FaultPoint {
  /// The names that a run of stages reaches; a crash test runs over all of them.
  public static let names = [
    "file.written", "file.renamed", "task.started", "task.files", "task.manifest", "task.committed",
    "stage.sealed", "stage.committed",
  ]

  /// The names that the write of a training checkpoint reaches besides `file.…`; its own crash test runs over them.
  public static let checkpointNames = [
    "checkpoint.files", "checkpoint.replaced", "checkpoint.renamed", "checkpoint.latest", "checkpoint.removing",
  ]

  private static let armed: (name: String, count: Int)? = {
    guard let value = getenv("PIPELINE_FAULT") else { return nil }
    let parts = String(cString: value).split(separator: ":")
    return (String(parts.first ?? ""), parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
  }()
  nonisolated(unsafe) private static var reached = 0
  nonisolated(unsafe) private static var lock = pthread_mutex_t()

  public static func reach(_ name: StaticString) {
    guard let armed, name.description == armed.name else { return }
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    reached += 1
    if reached >= armed.count { kill(getpid(), SIGKILL) }
  }
}
