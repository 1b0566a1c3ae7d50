extension Executor.NodeRun {
  /// How far the phase is, from the progress of all its running tasks.
  /// - Parameter now: in monotonic nanoseconds.
  func progress(of stage: String, phase: String, now: Int) -> StageProgress {
    let queued = controls.filter { $0.value.isQueued }
    let running = controls.values.map(\.progress)
    return StageProgress(
      stage: stage, phase: phase, tasksDone: done.count, tasks: prepared.tasks.count,
      running: controls.count - queued.count, queued: queued.count,
      queueReason: queued.min { $0.key < $1.key }?.value.queueReason ?? "",
      documents: running.reduce(finishedDocuments) { $0 + $1.documents },
      bytes: running.reduce(finishedBytes) { $0 + $1.bytes }, totalBytes: totalBytes,
      milliseconds: (now - began) / 1_000_000,
      statuses: controls.sorted { $0.key < $1.key }.compactMap { $0.value.status })
  }
}
