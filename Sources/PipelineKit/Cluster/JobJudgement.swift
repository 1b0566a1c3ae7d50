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
    if report.kind == .refused { return group.refusal = report.message }
    guard let task = group.task(report.key), !task.isSettled else { return }
    switch report.kind {
    case .began:
      task.hasBegun = true
      task.submission?.attempt.run.control.isQueued = false
      group.current = task
      group.begunAt = monotonicNanoseconds()
    case .finished: group.awaited.append((task, report, monotonicNanoseconds()))
    case .failed:
      let log = TaskLog(batch.batch, key: report.key, attempt: task.record.attempt).path
      task.settle(.failed(message: Self.sentence(report, log), mayRetry: report.mayRetry ?? true))
    // Decided when it is known how its job ended.
    case .stopped: task.hasStopped = true
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
    guard let task = group.current, !task.isSettled, now - group.lastBeat > 2_000_000_000 else { return }
    group.lastBeat = now
    guard let beat = try? Heartbeat(jsonFile: batch.folder.heartbeat(group.number)),
      beat.key.utf8.elementsEqual(task.record.key.utf8)
    else { return }
    task.show(beat)
  }

  // MARK: Judging

  /// Settles a group when its job has ended, what it wrote had time to become visible, and the scheduler had time to
  /// say why.
  func judge(_ group: LiveGroup, of batch: LiveBatch) {
    var end: JobEnd?
    if case .ended(let known, let node) = group.state {
      end = known
      if !node.isEmpty { group.host = node }
    }
    if batch.job == LiveBatch.unknownJob { end = .forgotten }
    let code = group.open.isEmpty || end != nil || group.current != nil ? endCode(group, batch) : nil
    guard end != nil || code != nil else { return }
    if group.open.isEmpty {
      group.isSettled = true
      return
    }
    let now = monotonicNanoseconds()
    guard let since = group.endedAt else { return group.endedAt = now }
    if batch.isCancelled || ending != nil {
      // What it may have finished is found by the next run.
      for task in group.open { task.settle(.stopped) }
      group.isSettled = true
      return
    }
    let patience = end == nil ? max(visibility, 3 * cluster.pollSeconds * 1_000_000_000) : visibility
    guard now - since >= patience else { return }
    for report in newReports(batch, group) { accept(report, group, batch) }
    settleAwaited(group)
    guard group.awaited.isEmpty else { return }
    let loss = JobLoss(group, batch, end: end, code: code)
    for task in group.open { judge(task, group, batch, loss) }
    group.isSettled = true
  }

  private func endCode(_ group: LiveGroup, _ batch: LiveBatch) -> Int32? {
    guard let text = try? FileTail.read(batch.folder.end(group.number), from: 0, most: 64) else { return nil }
    return Int32(String(decoding: text, as: UTF8.self).filter(\.isNumber))
  }

  private func judge(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    if let manifest = published(task) { return task.settle(.finished(manifest, milliseconds: 0, nil)) }
    if task.submission == nil { return task.settle(.stopped) }
    if let refusal = group.refusal { return task.settle(.failed(message: loss.sentence(refusal), mayRetry: false)) }
    if loss.end == .cancelled, isRecovering {
      return afterNode(task, group, batch, loss, "was cancelled while the scheduler recovered", keepsAway: false)
    }
    if loss.end == .cancelled {
      return task.settle(.failed(message: loss.sentence("its job was cancelled by somebody"), mayRetry: false))
    }
    if task.hasStopped { return goOn(task, group, batch, loss) }
    if group.current == nil { return beginAgain(task, group, batch, loss) }
    // The job never got to the others.
    guard task === group.current else { return again(task, group, batch) }
    switch loss.end {
    case .outOfMemory: afterMemory(task, group, batch, loss)
    case .timeLimit: afterTime(task, group, batch, loss)
    case .preempted: again(task, group, batch, "was preempted")
    case .nodeFailure:
      afterNode(task, group, batch, loss, "lost its node\(group.host.isEmpty ? "" : " on \(group.host)")")
    case .failed where loss.code == TaskWatch.hungCode:
      task.settle(
        .failed(message: loss.sentence("the task exceeded its timeout and did not stop"), mayRetry: true))
    case .failed, .completed, .forgotten, .cancelled:
      task.record.deaths += 1
      guard task.record.deaths < profile.mostDeaths else {
        return fail(task, loss, "ended \(task.record.deaths) jobs (\(loss.words))")
      }
      again(task, group, batch, "\(loss.words) on \(group.host.isEmpty ? "an unknown node" : group.host)")
    }
  }

  /// A job that dies before it has begun a task says nothing about the tasks.
  private func beginAgain(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    let reason = task === group.tasks.first ? "\(loss.words) before it began a task" : nil
    switch loss.end {
    case .outOfMemory: return afterMemory(task, group, batch, loss)
    case .nodeFailure: return afterNode(task, group, batch, loss, reason)
    case .preempted: return again(task, group, batch, reason)
    default: break
    }
    task.record.restarts += 1
    guard task.record.restarts < profile.mostDeaths else {
      let message = "its job \(loss.words) before it began any task, in \(task.record.restarts) attempts"
      return task.settle(.failed(message: loss.sentence(message), mayRetry: false))
    }
    again(task, group, batch, reason)
  }

  /// Stopped at a safe point, with its state.
  private func goOn(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    // A task that is always stopped before it achieves anything would go on forever.
    let isEarly = monotonicNanoseconds() - group.begunAt < 30_000_000_000
    if isEarly, !loss.end.isNobodysFault { task.record.restarts += 1 }
    guard task.record.restarts < profile.mostDeaths else {
      return fail(task, loss, "was stopped \(task.record.restarts) times right after it began")
    }
    again(task, group, batch, "stopped at a safe point; it continues in another job")
  }

  private func afterNode(
    _ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss, _ reason: String?,
    keepsAway: Bool = true
  ) {
    task.record.lostNodes += 1
    if keepsAway { keepAway(group.host) }
    guard task.record.lostNodes < 2 * profile.mostDeaths else {
      return fail(task, loss, "\(keepsAway ? "lost its node" : "lost its job") \(task.record.lostNodes) times")
    }
    again(task, group, batch, reason)
  }

  private func afterMemory(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    let asked = task.request.memoryBytes
    if loss.isSuspicion { task.record.deaths += 1 }
    guard task.record.deaths < profile.mostDeaths else {
      return fail(task, loss, "ended \(task.record.deaths) jobs (killed by signal 9)")
    }
    guard asked < profile.maximumMemory.bytes else {
      return fail(task, loss, "ran out of memory with \(ByteCount(asked)), the most that the profile allows")
    }
    task.request.memoryBytes = min(asked * 2, profile.maximumMemory.bytes)
    again(task, group, batch, "ran out of memory; its next job has \(ByteCount(task.request.memoryBytes))")
  }

  private func afterTime(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    let asked = batch.batch.request.seconds
    guard asked < profile.maximumTime.seconds else {
      return fail(task, loss, "reached the time limit of \(profile.maximumTime), the longest that the profile allows")
    }
    task.request.seconds = min(asked * 2, profile.maximumTime.seconds)
    again(task, group, batch, "reached its time limit; its next job has \(TimeLimit(seconds: task.request.seconds))")
  }

  /// For half an hour, and from a few nodes only: they may be repaired, and others are needed.
  private func keepAway(_ node: String) {
    guard !node.isEmpty else { return }
    excluded.removeAll { $0.node == node }
    excluded.append((node, monotonicNanoseconds() + 1_800_000_000_000))
    if excluded.count > 8 { excluded.removeFirst() }
  }

  /// Puts a task into a new job.
  private func again(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ reason: String? = nil) {
    guard let submission = task.submission else { return task.settle(.stopped) }
    if let reason {
      let name = "\(batch.batch.phase)/\(task.record.key)"
      notice("\(batch.batch.stage): job \(batch.job ?? "")_\(group.number) with task \(name) \(reason)")
    }
    do { try batch.folder.move(task.record.key) } catch {
      return task.settle(.failed(message: "\(error)", mayRetry: true))
    }
    let next = LiveTask(task.record, directory: task.directory, phase: task.phase, request: task.request)
    next.submission = submission
    submission.attempt.run.control.isQueued = true
    task.isSettled = true
    task.submission = nil
    resubmit(next)
  }

  private func fail(_ task: LiveTask, _ loss: JobLoss, _ reason: String) {
    let files = task.record.inputs.filter { $0.role == TaskInputs.Role.main.name }.flatMap(\.files).map(\.path)
    let named = files.first.map { "; it reads \($0)" + (files.count > 1 ? " and \(files.count - 1) more" : "") } ?? ""
    task.settle(.failed(message: loss.sentence("the task \(reason)\(named)"), mayRetry: false))
  }
}

/// The end of a job that left tasks behind.
private struct JobLoss {
  let end: JobEnd
  let code: Int32?
  /// The worker was killed, and nothing says why.
  let isSuspicion: Bool
  private let place: String
  private let tail: [String]

  private static let linesShown = 20

  init(_ group: LiveGroup, _ batch: LiveBatch, end: JobEnd?, code: Int32?) {
    let lines = FileTail.lines(batch.folder.output(group.number), last: Self.linesShown)
    let said = Self.cause(lines.joined(separator: "\n").lowercased())
    var cause = end ?? .failed
    if [.failed, .forgotten, .completed, .cancelled].contains(cause) {
      cause = said ?? (code == 128 + SIGKILL && cause != .cancelled ? .outOfMemory : cause)
    }
    self.end = cause
    self.code = code
    isSuspicion = cause == .outOfMemory && end != .outOfMemory && said == nil
    let node = group.host.isEmpty ? "" : " on \(group.host)"
    place = "job \(batch.job ?? "?")_\(group.number)\(node)" + (code.map { ", exit code \($0)" } ?? "")
    let log = group.current.map { TaskLog(batch.batch, key: $0.record.key, attempt: $0.record.attempt).path }
    let logged = log.map { FileTail.lines($0, last: Self.linesShown) } ?? []
    tail = logged + lines
  }

  /// What Slurm writes into a job's output at its end.
  private static func cause(_ text: String) -> JobEnd? {
    let signs: [(String, JobEnd)] = [
      ("exceeded memory limit", .outOfMemory), ("exceeded job memory", .outOfMemory), ("oom-kill", .outOfMemory),
      ("oom_kill", .outOfMemory), ("due to time limit", .timeLimit), ("due to node failure", .nodeFailure),
      ("due to preemption", .preempted),
    ]
    return signs.first { text.contains($0.0) }?.1
  }

  /// "failed", "killed by signal 11"
  var words: String {
    guard let code, code > 128, end == .failed else { return end.words }
    return "was killed by signal \(code - 128)"
  }

  func sentence(_ message: String) -> String {
    (["\(message) (\(place))"] + tail.map { "  \($0)" }).joined(separator: "\n")
  }
}
