import ShardKit

/// How the tasks that wait become jobs of the cluster.
extension ClusterDriver {
  /// Groups what waits, and writes a batch for each kind of request.
  func submitPending() {
    guard !pending.isEmpty else { return }
    let waiting = pending
    pending = []
    mustGroup = false
    if ending != nil { return waiting.forEach { $0.settle(.stopped) } }
    sizing.forget()
    let kinds = sizing.alike(waiting)
    for alike in kinds {
      guard let attempt = alike[0].submission?.attempt else { continue }
      let groups = sizing.groups(alike, attempt.node, phase: attempt.run.phase, most: cluster.mostGroups)
      for some in groups { prepare(alike, some, share: kinds.count * groups.count) }
    }
  }

  /// - Parameter share: among how many batches the number of running jobs is divided.
  private func prepare(_ tasks: [LiveTask], _ groups: JobSizing.Groups, share: Int) {
    let used = groups.places.flatMap { $0 }.map { tasks[$0] }
    guard let attempt = used.first?.submission?.attempt else { return }
    do {
      var batch = try batch(attempt, used[0].request, groups)
      batch.mostRunning = max(1, profile.maximumJobs / share)
      let folder = BatchFolder("\(BatchFolder.root(store: store.root))/\(batch.id)")
      try folder.write(
        &batch, tasks: used.map(\.record), earlier: attempt.run.earlier.mapValues { $0.map(JobTask.File.init) }
      ) { cluster.script($0, in: folder) }
      batches.append(LiveBatch(batch, folder, tasks: used))
    } catch {
      for task in used { task.settle(.failed(message: "\(error)", mayRetry: RetryPolicy.mayRetry(error))) }
    }
  }

  private func batch(_ attempt: TaskAttempt, _ request: JobRequest, _ groups: JobSizing.Groups) throws -> JobBatch {
    submitted += 1
    let id = "\(run)-\(submitted)-\(token)"
    let node = attempt.node
    var place = 0
    let numbered = groups.places.map { group in
      defer { place += group.count }
      return Array(place..<place + group.count)
    }
    var request = request
    request.seconds = sizing.seconds(request, longest: groups.seconds, node)
    let now = monotonicNanoseconds()
    return JobBatch(
      id: id, number: submitted, jobName: "pipeline-\(id)", run: run, stage: node.name, use: node.description.name,
      phase: attempt.run.phase,
      options: JSONValue.object(node.configured.options.map { JSONMember($0.name, $0.value) }).text(),
      canonical: Fingerprint.canonicalOptions(node.configured, phase: attempt.run.phase).text(sortedKeys: true),
      directory: attempt.run.directory, keptState: attempt.run.keptState, folder: FileSystem.realPath("."),
      timeoutSeconds: node.timeoutSeconds, program: program, request: request, groups: numbered,
      excluded: excluded.filter { $0.until > now }.map(\.node).sorted())
  }

  /// Submits batches that have no job yet, one after another. A submission without an answer may have succeeded, so it
  /// is looked for first.
  func submitWaiting() {
    for batch in batches where batch.job == nil && !batch.isSettled && !batch.isAsking {
      guard monotonicNanoseconds() >= batch.submitAt else { continue }
      // Of an earlier run: its tasks may still be asked for.
      if ending == nil, batch.isOrphan, !batch.isCancelled, batch.mayBeSubmitted { continue }
      let isWanted = ending == nil && !batch.isOrphan && !batch.isCancelled
      guard isWanted || batch.mayBeSubmitted else {
        abandon(batch)
        continue
      }
      batch.isAsking = true
      let mayBeSubmitted = batch.mayBeSubmitted
      if isWanted { batch.mayBeSubmitted = true }
      line.ask({ [cluster, name = batch.batch.jobName, given = batch.batch, folder = batch.folder] in
        Result { () throws(ClusterError) -> String? in
          if mayBeSubmitted {
            if let found = try cluster.find(jobName: name) { return found }
            // It ran, and the scheduler has forgotten it: what it has left is judged.
            if folder.hasClaim { return LiveBatch.unknownJob }
          }
          guard isWanted else { return nil }
          FaultPoint.reach("job.prepared")
          return try cluster.submit(given, in: folder)
        }
      }) { [unowned self] in
        batch.isAsking = false
        accept($0, batch)
      }
    }
  }

  private func accept(_ answer: Result<String?, ClusterError>, _ batch: LiveBatch) {
    switch answer {
    case .success(nil): abandon(batch)
    case .success(let number?):
      batch.job = number
      FaultPoint.reach("job.submitted")
      guard number != LiveBatch.unknownJob else { return }
      do { try FileSystem.write(Array("\(number)\n".utf8), to: batch.folder.job) } catch {
        // The next driver finds it by its name.
        notice("the number of job \(number) cannot be saved: \(error)")
      }
      // It may have been cancelled while it was being submitted.
      if batch.isCancelled || ending == .cancel { cancel([batch], waitingOnly: false) }
      if ending == .drain { cancel([batch], waitingOnly: true) }
    case .failure(let error): refused(batch, error)
    }
  }

  /// Gives up a batch that was never submitted.
  func abandon(_ batch: LiveBatch) {
    try? FileSystem.write([], to: batch.folder.void)
    for group in batch.groups {
      for task in group.open { task.settle(.stopped) }
      group.isSettled = true
    }
    try? FileSystem.removeTree(batch.folder.path)
  }

  private func refused(_ batch: LiveBatch, _ error: ClusterError) {
    let others = batches.contains { $0 !== batch && $0.job != nil && !$0.isSettled }
    guard error.code == .silent || error.code == .limited && others else {
      let asked = ClusterError(
        error.code, error.subject, "\(error.message) (asked for \(batch.batch.request.words))", hint: error.hint)
      for group in batch.groups {
        for task in group.open { task.settle(.failed(message: "\(asked)", mayRetry: false)) }
        group.isSettled = true
      }
      return
    }
    batch.refusals += 1
    let delay = RetryPolicy.delaySeconds(after: batch.refusals)
    batch.submitAt = monotonicNanoseconds() + Int(delay * 1e9)
    if batch.refusals == 3 { notice("\(cluster.name) does not accept the jobs (\(error.message)); still trying") }
  }
}
