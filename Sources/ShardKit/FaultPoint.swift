import Glibc

/// Named moments at which a crash test kills the process, to prove that a resumed run loses nothing, or makes it wait, to
/// kill it there from outside.
///
/// `PIPELINE_FAULT=name` kills (SIGKILL) when `name` is reached, `PIPELINE_FAULT=name:3` when it is reached the third
/// time. `PIPELINE_FAULT=name:3:/a/file` makes that file then and waits, on the thread that got there, until somebody has
/// removed it. Without the variable a point costs one load and a branch.
public enum FaultPoint {
  /// The names that a run of stages reaches; a crash test runs over all of them.
  public static let names = [
    "file.written", "file.renamed", "task.started", "task.checked", "task.files", "task.manifest", "task.committed",
    "stage.sealed", "stage.committed",
  ]

  /// The names that the write of a training checkpoint reaches besides `file.…`; its own crash test runs over them. A
  /// step begins with `training.step`.
  public static let checkpointNames = [
    "checkpoint.files", "checkpoint.replaced", "checkpoint.renamed", "checkpoint.latest", "checkpoint.removing",
  ]

  private static let armed: (name: String, count: Int, gate: String?)? = {
    guard let value = getenv("PIPELINE_FAULT") else { return nil }
    let parts = String(cString: value).split(separator: ":", maxSplits: 2)
    return (
      String(parts.first ?? ""), parts.count > 1 ? Int(parts[1]) ?? 1 : 1, parts.count > 2 ? String(parts[2]) : nil
    )
  }()
  nonisolated(unsafe) private static var reached = 0
  nonisolated(unsafe) private static var lock = pthread_mutex_t()

  public static func reach(_ name: StaticString) {
    guard let armed, name.description == armed.name else { return }
    pthread_mutex_lock(&lock)
    reached += 1
    let times = reached
    if armed.gate == nil, times >= armed.count { kill(getpid(), SIGKILL) }
    pthread_mutex_unlock(&lock)
    if let gate = armed.gate, times == armed.count { wait(at: gate) }
  }

  private static func wait(at gate: String) {
    close(open(gate, O_WRONLY | O_CREAT, 0o666))
    while access(gate, F_OK) == 0 { usleep(2000) }
  }
}
