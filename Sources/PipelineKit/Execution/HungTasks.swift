import ShardKit

/// Tasks that ignore their time limit.
extension Executor {
  /// A task that has not stopped 30 s after its timeout is marked as failed, and its thread is replaced.
  func giveUpHungTasks() throws {
    for (node, phase) in running {
      for (task, control) in phase.controls where control.overtime > 30_000_000_000 {
        control.cancel()
        abandoned.append(control)
        pool.replaceThread()
        try taskFailed(node, task, "the task exceeded its timeout and did not stop", true)
      }
    }
    guard !abandoned.isEmpty else { return }
    let threads = pool.count - abandoned.count
    schedule.fit(threads: threads)
    guard threads > 0 else {
      throw StageError(
        .environment, "",
        "no thread is available: \(abandoned.count) tasks hang, and no other thread can be started",
        hint: "Check what those tasks wait for, and the limits of this shell (`ulimit -u`, `ulimit -v`).")
    }
  }
}
