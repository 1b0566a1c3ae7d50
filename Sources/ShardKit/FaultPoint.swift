import Glibc

/// Named points at which a crash test kills the process, to prove that a resumed run loses nothing, or pauses it, to
/// kill it from outside.
///
/// `PIPELINE_FAULT=name` kills (SIGKILL) when `name` is reached, `PIPELINE_FAULT=name:3` when it is reached the third
/// time. `PIPELINE_FAULT=name:3:/a/file` instead creates that file and blocks the current thread until the file is
/// removed. Without the variable, a point costs one load and a branch.
public enum FaultPoint {
  /// The names reached by a run of stages; a crash test iterates over all of them.
  public static let names = [
    "file.written", "file.renamed", "task.started", "task.checked", "task.files", "task.passed", "task.manifest",
    "task.committed",
    "stage.sealed", "stage.committed",
  ]

  /// The names reached by writing a training checkpoint, besides `file.…`; a separate crash test iterates over them. A
  /// step starts with `training.step`.
  public static let checkpointNames = [
    "checkpoint.files", "checkpoint.replaced", "checkpoint.renamed", "checkpoint.latest", "checkpoint.removing",
  ]

  /// The names reached by handing tasks to a cluster; the last one by the job.
  public static let jobNames = ["job.prepared", "job.submitted", "job.published"]

  /// The names reached by taking documents down, besides those of the run.
  public static let removalNames = ["removal.passages", "removal.recorded", "removal.cleaned"]

  private static let armed: (name: String, count: Int, gate: String?)? = {
    guard let value = getenv("PIPELINE_FAULT") else { return nil }
    let parts = String(cString: value).split(separator: ":", maxSplits: 2)
    return (
      String(parts.first ?? ""), parts.count > 1 ? Int(parts[1]) ?? 1 : 1, parts.count > 2 ? String(parts[2]) : nil
    )
  }()
  private static let reached = Monitor(0)

  public static func reach(_ name: StaticString) {
    guard let armed, name.description == armed.name else { return }
    let times = reached.with { reached in
      reached += 1
      if armed.gate == nil, reached >= armed.count { kill(getpid(), SIGKILL) }
      return reached
    }
    if let gate = armed.gate, times == armed.count { wait(at: gate) }
  }

  private static func wait(at gate: String) {
    close(open(gate, O_WRONLY | O_CREAT, 0o666))
    while access(gate, F_OK) == 0 { usleep(2000) }
  }
}
