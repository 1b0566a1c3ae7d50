import ShardKit

/// Decides what becomes of a task whose job has ended without finishing it.
extension ClusterDriver {
  func judge(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    if let manifest = published(task) { return task.settle(.finished(manifest, milliseconds: 0, nil)) }
    group.isLost = true
    if task.submission == nil { return task.settle(.stopped) }
    if let refusal = group.refusal { return refused(task, group, batch, loss, refusal) }
    if loss.end == .cancelled, isRecovering {
      return afterNode(task, group, batch, loss, "was cancelled while the scheduler recovered", keepsAway: false)
    }
    if loss.end == .cancelled {
      return task.settle(.failed(message: loss.sentence("its job was cancelled by somebody"), mayRetry: false))
    }
    if task.stop != nil { return goOn(task, group, batch, loss) }
    if group.current == nil { return beginAgain(task, group, batch, loss) }
    // The job never got to the others.
    guard task === group.current else { return again(task, group, batch) }
    let isFurther = noteProgress(task, group, batch)
    switch loss.end {
    case .outOfMemory: afterMemory(task, group, batch, loss)
    case .timeLimit: afterTime(task, group, batch, loss, isFurther: isFurther)
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

  /// A job that cannot work where it is. Elsewhere another one may.
  private func refused(
    _ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss, _ refusal: String
  ) {
    task.record.restarts += 1
    guard group.refusalMayPass, task.record.restarts < profile.mostDeaths else {
      return task.settle(.failed(message: loss.sentence(refusal), mayRetry: false))
    }
    keepAway(group.node.isEmpty ? group.host : group.node)
    again(task, group, batch, task === group.tasks.first ? "is refused: \(refusal)" : nil)
  }

  /// A job that dies before it has begun a task says nothing about the tasks, but perhaps something about its node: one
  /// that ends jobs at once is always free for the next.
  private func beginAgain(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    let node = group.host.isEmpty ? "" : " on \(group.host)"
    let reason = task === group.tasks.first ? "\(loss.words) before it began a task\(node)" : nil
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
    keepAway(group.node.isEmpty ? group.host : group.node)
    again(task, group, batch, reason)
  }

  /// Stopped at a safe point, with its state. One that never gets any further would go on forever.
  private func goOn(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    if task.hasAdvanced {
      task.record.forgetLosses()
    } else if !loss.end.isNobodysFault {
      task.record.restarts += 1
    }
    guard task.record.restarts < profile.mostDeaths else {
      return fail(
        task, loss,
        "was stopped \(task.record.restarts) times without having got any further: allow its jobs more time")
    }
    task.record.fraction = [task.record.fraction, task.stop?.fraction].compactMap { $0 }.max()
    again(task, group, batch, "stopped at a safe point; it continues in another job")
  }

  /// Losses are counted anew once the task has got further than ever, by at least a minute's work. Returns whether it has.
  private func noteProgress(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch) -> Bool {
    guard task === group.current, look(batch, group), let beat = group.beat, let fraction = beat.fraction else {
      return false
    }
    defer { task.record.fraction = max(task.record.fraction ?? 0, fraction) }
    guard let gained = beat.millisecondsBeyond(task.record.fraction), gained >= 60_000 else { return false }
    task.record.forgetLosses()
    return true
  }

  /// A task that says why it failed. After one that has got further, the stage's retries are counted anew.
  func failed(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ message: String, mayRetry: Bool) {
    let isFurther = noteProgress(task, group, batch)
    guard mayRetry, isFurther, ending == nil, let node = task.submission?.attempt.node, node.retries > 0 else {
      return task.settle(.failed(message: message, mayRetry: mayRetry))
    }
    again(task, group, batch, "got further and then failed; it is tried again: \(message)")
  }

  private func afterNode(
    _ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss, _ reason: String?,
    keepsAway: Bool = true
  ) {
    task.record.lostNodes += 1
    if keepsAway { keepAway(group.node.isEmpty ? group.host : group.node) }
    guard task.record.lostNodes < 2 * profile.mostDeaths else {
      return fail(task, loss, "\(keepsAway ? "lost its node" : "lost its job") \(task.record.lostNodes) times")
    }
    again(task, group, batch, reason)
  }

  private func most(_ batch: LiveBatch) -> (time: TimeLimit, memory: ByteCount) {
    profile.most(profile.resources(stage: batch.batch.stage, use: batch.batch.use))
  }

  private func afterMemory(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss) {
    let asked = task.request.memoryBytes
    if loss.isSuspicion { task.record.deaths += 1 }
    guard task.record.deaths < profile.mostDeaths else {
      return fail(task, loss, "ended \(task.record.deaths) jobs (killed by signal 9)")
    }
    let most = most(batch).memory
    guard asked < most.bytes else {
      return fail(task, loss, "ran out of memory with \(ByteCount(asked)), the most that the profile allows")
    }
    task.request.memoryBytes = min(asked * 2, most.bytes)
    // Of several nodes, the one that lost a process has said so.
    let told = (try? FileSystem.read(batch.folder.failure(group.number), limit: 1 << 16)).map {
      "lost a process on \(String(decoding: $0, as: UTF8.self)), as when memory runs out"
    }
    again(
      task, group, batch,
      "\(told ?? "ran out of memory"); its next job has \(ByteCount(task.request.memoryBytes))")
  }

  private func afterTime(
    _ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ loss: JobLoss, isFurther: Bool
  ) {
    let asked = batch.batch.request.seconds
    let most = most(batch).time
    if asked >= most.seconds, isFurther {
      return again(task, group, batch, "reached its time limit; it continues in another job")
    }
    guard asked < most.seconds else {
      return fail(task, loss, "reached the time limit of \(most), the longest that the profile allows")
    }
    task.request.seconds = min(asked * 2, most.seconds)
    again(task, group, batch, "reached its time limit; its next job has \(TimeLimit(seconds: task.request.seconds))")
  }

  /// Puts a task into a new job.
  func again(_ task: LiveTask, _ group: LiveGroup, _ batch: LiveBatch, _ reason: String? = nil) {
    guard let submission = task.submission else { return task.settle(.stopped) }
    if let reason {
      let name = "\(batch.batch.phase)/\(task.record.key)"
      notice("\(batch.batch.stage): job \(batch.name(group)) with task \(name) \(reason)")
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
