import Glibc
import ShardKit

/// Reads what jobs have reported, and decides about tasks whose job ended without reporting them.
extension ClusterDriver {
  // MARK: Reading

  func read(_ batch: LiveBatch) {
    let names = Set((try? FileSystem.list(batch.folder.groups, others: .passedOver)) ?? [])
    for group in batch.groups where !group.isSettled {
      guard names.contains("\(group.number).jsonl") || group.state.map(Self.mayHaveBegun) ?? false else { continue }
      for report in newReports(batch, group) { accept(report, group, batch) }
      settleAwaited(group)
      showProgress(batch, group)
    }
  }

  private static func mayHaveBegun(_ state: JobState) -> Bool {
    if case .waiting = state { return false }
    return true
  }

  private func newReports(_ batch: LiveBatch, _ group: LiveGroup) -> [JobReport] {
    guard let fresh = try? FileTail.read(batch.folder.outcomes(group.number), from: group.offset),
      let end = fresh.lastIndex(of: 10)
    else { return [] }
    group.offset += end + 1
    return JobReports.parse(fresh[...end])
  }

  private func accept(_ report: JobReport, _ group: LiveGroup, _ batch: LiveBatch) {
    group.host = report.host
    take(group, batch, JobReport.number(report.job))
    if report.kind == .refused {
      (group.refusal, group.refusalMayPass) = (report.message, report.mayRetry ?? false)
      return
    }
    guard let task = group.task(report.key), !task.isSettled else { return }
    switch report.kind {
    case .began:
      task.hasBegun = true
      task.submission?.attempt.run.control.isQueued = false
      group.current = task
      task.begunTime = report.time
    case .finished: group.awaited.append((task, report, monotonicNanoseconds()))
    case .failed:
      let log = TaskLog(batch.batch, key: report.key, attempt: task.record.attempt).path
      failed(task, group, batch, Self.sentence(report, log), mayRetry: report.mayRetry ?? true)
    // Decided when it is known how its job ended.
    case .stopped: task.stop = report
    case .refused: break
    }
  }

  /// Where a task failed: the job, its node, what it used, and its log.
  private static func sentence(_ report: JobReport, _ log: String) -> String {
    let memory = report.usage.map { ", \($0.peakBytes >> 20) MiB of \($0.askedBytes >> 20) MiB" } ?? ""
    return "\(report.message ?? "the task failed") (job \(report.job) on \(report.host)\(memory); its log is \(log))"
  }

  /// Takes the manifests that jobs say they have written; this machine may see them later.
  private func settleAwaited(_ group: LiveGroup) {
    let waiting = group.awaited
    group.awaited = []
    for (task, report, since) in waiting where !task.isSettled {
      if let manifest = published(task) {
        task.settle(.finished(manifest, milliseconds: report.usage?.milliseconds ?? 0, report.usage))
      } else if monotonicNanoseconds() - since < visibility {
        group.awaited.append((task, report, since))
      } else {
        let path = ArtifactStore.taskManifestPath(in: task.directory, phase: task.phase, key: task.record.key)
        task.settle(
          .failed(
            message: "\(report.host) reports that the task is finished, but \(path) or its files have not appeared "
              + "here within \(profile.visibilitySeconds) s. Check that all nodes share the store's file system.",
            mayRetry: false))
      }
    }
  }

  /// Nanoseconds after which files of another machine are seen here.
  private var visibility: Int { max(1, profile.visibilitySeconds) * 1_000_000_000 }

  /// The manifest of a finished task, if its files are there.
  func published(_ task: LiveTask) -> TaskManifest? {
    let path = ArtifactStore.taskManifestPath(in: task.directory, phase: task.phase, key: task.record.key)
    guard let text = try? FileSystem.read(path), let json = try? JSONValue.parse(text).value,
      let manifest = try? TaskManifest(json: json), manifest.fingerprint == task.record.fingerprint,
      store.artifacts.firstDamage(manifest.files, in: task.directory) == nil
    else { return nil }
    return manifest
  }

  private func showProgress(_ batch: LiveBatch, _ group: LiveGroup) {
    let now = monotonicNanoseconds()
    guard let task = group.current, !task.isSettled, now - group.lookedAt > 2_000_000_000 else { return }
    if look(batch, group) { task.show(group.beat!) }
  }

  /// Reads the heartbeat of the task that runs. Returns whether there is one.
  func look(_ batch: LiveBatch, _ group: LiveGroup) -> Bool {
    group.lookedAt = monotonicNanoseconds()
    guard let task = group.current, let beat = try? Heartbeat(jsonFile: batch.folder.heartbeat(group.number)),
      beat.key.utf8.elementsEqual(task.record.key.utf8)
    else { return false }
    if group.beat?.time != beat.time { group.beatenAt = group.lookedAt }
    group.beat = beat
    return true
  }

  // MARK: Judging

  /// Settles a group when its job has ended, what it wrote had time to become visible, and the scheduler had time to
  /// say why.
  func judge(_ group: LiveGroup, of batch: LiveBatch) {
    let now = monotonicNanoseconds()
    var end: JobEnd?
    if case .ended(let known, let node) = group.state {
      end = known
      if !node.isEmpty { (group.host, group.node) = (node, node) }
    }
    let isLookedFor = group.open.isEmpty || end != nil || group.current != nil || group.completingSince != nil
    let code = isLookedFor ? endCode(group, batch) : nil
    guard end != nil || code != nil || isStuck(group, now) else { return }
    if group.open.isEmpty {
      group.isSettled = true
      return
    }
    guard let since = group.endedAt else {
      _ = look(batch, group)
      return group.endedAt = monotonicNanoseconds()
    }
    if batch.isCancelled || ending != nil {
      // What it may have finished is found by the next run.
      for task in group.open { task.settle(.stopped) }
      group.isSettled = true
      return
    }
    guard now - since >= patience(group, end, code) else { return }
    // A job that shows signs of life has not ended, whatever is said of it.
    if code == nil, look(batch, group), let beaten = group.beatenAt, beaten > since,
      now - beaten < patience(group, end, code)
    {
      return
    }
    for report in newReports(batch, group) { accept(report, group, batch) }
    settleAwaited(group)
    guard group.awaited.isEmpty else { return }
    conclude(group, batch, JobLoss(group, batch, end: end, code: code))
  }

  private func conclude(_ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    if case .completing(let nodes) = group.state, isStuck(group, monotonicNanoseconds()) {
      notice(
        "\(batch.batch.stage): job \(batch.name(group)) has ended, but \(cluster.name) still says COMPLETING on \(nodes)"
      )
      keepAway(nodes)
    }
    for task in group.open { judge(task, group, batch, loss) }
    group.isSettled = true
  }

  /// Whether its processes have been ended without a word of theirs, while the scheduler waits for a node.
  private func isStuck(_ group: LiveGroup, _ now: Int) -> Bool {
    group.completingSince.map { now - $0 >= max(visibility, 4 * pollNanoseconds) } ?? false
  }

  private var pollNanoseconds: Int { cluster.pollSeconds * 1_000_000_000 }

  private func patience(_ group: LiveGroup, _ end: JobEnd?, _ code: Int32?) -> Int {
    // It stopped as it was told to, and has said all.
    if let code, code == 0, end != nil, group.current.map({ $0.isSettled || $0.stop != nil }) ?? false { return 0 }
    if let end, end != .forgotten { return visibility }
    let beats = code == nil && group.beat != nil ? 2 * profile.heartbeatSeconds * 1_000_000_000 : 0
    return max(visibility, end == nil ? 3 * pollNanoseconds : 0, beats)
  }

  private func endCode(_ group: LiveGroup, _ batch: LiveBatch) -> Int32? {
    guard let text = try? FileTail.read(batch.folder.end(group.number), from: 0, most: 64) else { return nil }
    return Int32(String(decoding: text, as: UTF8.self).filter(\.isNumber))
  }
}
