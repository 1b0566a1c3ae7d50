import Glibc
import ShardKit

/// What jobs have reported, and what became of tasks whose job ended without a word about them.
extension ClusterDriver {
  // MARK: Reading

  func read(_ batch: LiveBatch) {
    for group in batch.groups where !group.isSettled {
      for report in newReports(batch, group) { accept(report, group, batch) }
      settleAwaited(group)
      showProgress(batch, group)
    }
  }

  private func newReports(_ batch: LiveBatch, _ group: LiveGroup) -> [JobReport] {
    let path = batch.folder.outcomes(group.number)
    guard let status = FileSystem.status(path), status.bytes > group.offset else { return [] }
    // Opening it anew makes network file systems look at the server.
    guard let text = try? FileSystem.read(path) else { return [] }
    let fresh = text.dropFirst(group.offset)
    guard let end = fresh.lastIndex(of: 10) else { return [] }
    group.offset = end + 1
    return JobReports.parse(fresh[...end])
  }

  private func accept(_ report: JobReport, _ group: LiveGroup, _ batch: LiveBatch) {
    group.host = report.host
    guard let task = group.tasks.first(where: { $0.record.key.utf8.elementsEqual(report.key.utf8) }) else {
      if report.kind == .refused { group.refusal = report.message }
      return
    }
    switch report.kind {
    case .began:
      task.hasBegun = true
      task.submission?.attempt.run.control.isQueued = false
      group.current = task
    case .finished: group.awaited.append((task, report, monotonicNanoseconds()))
    case .failed:
      let place = JobPlace(report, batch.batch)
      task.settle(
        .failed(message: place.sentence(report.message ?? "it failed"), mayRetry: report.mayRetry ?? true))
    case .stopped: again(task, group, batch)
    case .refused: group.refusal = report.message
    }
  }

  /// Takes the manifests that jobs say they have written; this machine may see them later.
  private func settleAwaited(_ group: LiveGroup) {
    let waiting = group.awaited
    group.awaited = []
    for (task, report, since) in waiting where !task.isSettled {
      if let manifest = published(task) {
        task.settle(.finished(manifest, milliseconds: report.usage?.milliseconds ?? 0, report.usage))
      } else if monotonicNanoseconds() - since < max(1, profile.visibilitySeconds) * 1_000_000_000 {
        group.awaited.append((task, report, since))
      } else {
        let path = ArtifactStore.taskManifestPath(in: task.directory, phase: task.phase, key: task.record.key)
        task.settle(
          .failed(
            message: "\(report.host) says that the task is finished, but \(path) or its files are not seen here after "
              + "\(profile.visibilitySeconds) s. Check that the store is on a file system that all nodes share.",
            mayRetry: false))
      }
    }
  }

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

  /// Settles a group when its job has ended and what it wrote had time to become visible.
  func judge(_ group: LiveGroup, of batch: LiveBatch) {
    let code = endCode(group, batch)
    var end: JobEnd?
    if case .ended(let known, let node) = group.state {
      end = known
      if !node.isEmpty { group.host = node }
    }
    if batch.job == LiveBatch.unknownJob, code == nil { end = .forgotten }
    guard end != nil || code != nil else { return }
    if group.open.isEmpty {
      group.isSettled = true
      return
    }
    let now = monotonicNanoseconds()
    guard let since = group.endedAt else { return group.endedAt = now }
    guard now - since >= max(1, profile.visibilitySeconds) * 1_000_000_000 else { return }
    for report in newReports(batch, group) { accept(report, group, batch) }
    let loss = JobLoss(group, batch, end: end, code: code)
    for task in group.open { judge(task, group, batch, loss) }
    group.isSettled = true
  }

  private func endCode(_ group: LiveGroup, _ batch: LiveBatch) -> Int32? {
    guard let text = try? FileSystem.read(batch.folder.end(group.number), limit: 64) else { return nil }
    return Int32(String(decoding: text, as: UTF8.self).filter(\.isNumber))
  }

  private func judge(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    if let manifest = published(task) { return task.settle(.finished(manifest, milliseconds: 0, nil)) }
    if ending != nil || batch.isCancelled || task.submission == nil { return task.settle(.stopped) }
    if let refusal = group.refusal { return task.settle(.failed(message: loss.sentence(refusal), mayRetry: false)) }
    if loss.end == .cancelled {
      return task.settle(.failed(message: loss.sentence("its job was cancelled by somebody"), mayRetry: false))
    }
    // Whose job died before any task began, or while this one ran.
    guard task === group.current || group.current == nil else { return again(task, group, batch) }
    switch loss.end {
    case .outOfMemory:
      let asked = task.request.memoryBytes
      if loss.isSuspicion { task.deaths += 1 }
      guard asked < profile.maximumMemory.bytes else {
        return fail(task, loss, "ran out of memory with \(bytes(asked)), the most that the profile allows")
      }
      guard task.deaths < profile.mostDeaths else {
        return fail(task, loss, "ended \(task.deaths) jobs (killed by signal 9)")
      }
      task.request.memoryBytes = min(asked * 2, profile.maximumMemory.bytes)
      again(task, group, batch, "ran out of memory; its next job has \(bytes(task.request.memoryBytes))")
    case .timeLimit:
      let asked = task.request.seconds
      guard asked < profile.maximumTime.seconds else {
        return fail(task, loss, "reached the time limit of \(profile.maximumTime), the longest that the profile allows")
      }
      task.request.seconds = min(asked * 2, profile.maximumTime.seconds)
      again(task, group, batch, "reached its time limit; its next job has \(TimeLimit(seconds: task.request.seconds))")
    case .preempted: again(task, group, batch, "was preempted")
    case .nodeFailure, .failed, .completed, .forgotten, .cancelled:
      task.deaths += 1
      if loss.end == .nodeFailure, !group.host.isEmpty { excludedNodes.insert(group.host) }
      guard task.deaths < profile.mostDeaths else {
        return fail(task, loss, "ended \(task.deaths) jobs (\(loss.end.words))")
      }
      again(task, group, batch, "\(loss.end.words) on \(group.host.isEmpty ? "an unknown node" : group.host)")
    }
  }

  private func bytes(_ count: Int) -> String { ByteCount(count).description }

  /// Puts a task into a new job.
  private func again(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ reason: String? = nil) {
    guard ending == nil, let submission = task.submission else { return task.settle(.stopped) }
    if let reason {
      notice(
        "\(batch.batch.stage): job \(batch.job ?? "")_\(group.number) with task \(batch.batch.phase)/\(task.record.key) \(reason)"
      )
    }
    let next = LiveTask(task.record, directory: task.directory, phase: task.phase, request: task.request)
    next.deaths = task.deaths
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

/// Where a task failed: the job, its node, what it used, and its log.
private struct JobPlace {
  let report: JobReport
  let log: TaskLog

  init(_ report: JobReport, _ batch: JobBatch) {
    self.report = report
    log = TaskLog(batch, key: report.key, attempt: 1)
  }

  func sentence(_ message: String) -> String {
    let memory = report.usage.map { ", \($0.peakBytes >> 20) MiB of \($0.askedBytes >> 20) MiB" } ?? ""
    return "\(message) (job \(report.job) on \(report.host)\(memory))"
  }
}

/// The end of a job that left tasks behind.
private struct JobLoss {
  let end: JobEnd
  /// The worker was killed, and nothing says why.
  let isSuspicion: Bool
  private let place: String
  private let tail: [String]

  init(_ group: LiveGroup, _ batch: LiveBatch, end: JobEnd?, code: Int32?) {
    let lines = Self.lastLines(batch.folder.output(group.number))
    let text = lines.joined(separator: "\n").lowercased()
    let isMemory = ["exceeded memory limit", "oom-kill", "oom_kill", "out of memory", "exceeded job memory"]
      .contains { text.contains($0) }
    var cause = end ?? .failed
    if [.failed, .forgotten, .completed, .cancelled].contains(cause) {
      if isMemory || (code == 137 && cause != .cancelled) {
        cause = .outOfMemory
      } else if text.contains("due to time limit") {
        cause = .timeLimit
      } else if text.contains("due to node failure") {
        cause = .nodeFailure
      } else if text.contains("due to preemption") {
        cause = .preempted
      }
    }
    self.end = cause
    isSuspicion = cause == .outOfMemory && end != .outOfMemory && !isMemory
    let node = group.host.isEmpty ? "" : " on \(group.host)"
    place = "job \(batch.job ?? "?")_\(group.number)\(node)" + (code.map { ", exit code \($0)" } ?? "")
    let log = group.current.map { TaskLog(batch.batch, key: $0.record.key, attempt: $0.record.attempt).path }
    let said = log.map(Self.lastLines) ?? []
    tail = said.isEmpty ? lines : said
  }

  private static func lastLines(_ path: String) -> [String] {
    guard let text = try? FileSystem.read(path, limit: 64 << 20) else { return [] }
    return text.split(separator: 10).suffix(20).map { String(decoding: $0, as: UTF8.self) }
  }

  func sentence(_ message: String) -> String {
    (["\(message) (\(place))"] + tail.map { "  \($0)" }).joined(separator: "\n")
  }
}
