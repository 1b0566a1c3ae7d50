import ShardKit

/// How the tasks that wait become jobs of the cluster.
extension ClusterDriver {
  /// Groups what waits, and writes a batch for each kind of request.
  func submitPending() {
    mustGroup = false
    guard !pending.isEmpty else { return }
    let waiting = pending
    pending = []
    if ending != nil { return waiting.forEach { $0.settle(.stopped) } }
    sizing.forget()
    let kinds = sizing.alike(waiting)
    for alike in kinds {
      guard let attempt = alike[0].submission?.attempt else { continue }
      let groups = sizing.groups(
        alike, attempt.node, phase: attempt.run.phase, most: min(cluster.mostGroups, mostSubmitted))
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
      if let text = sizing.shortage(batch.stage) { sayOnce("\(batch.stage): \(text)") }
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
    return JobBatch(
      id: id, number: submitted, jobName: "pipeline-\(id)", run: run, stage: node.name, use: node.description.name,
      phase: attempt.run.phase,
      options: JSONValue.object(node.configured.options.map { JSONMember($0.name, $0.value) }).text(),
      canonical: Fingerprint.canonicalOptions(node.configured, phase: attempt.run.phase).text(sortedKeys: true),
      directory: attempt.run.directory, keptState: attempt.run.keptState, folder: FileSystem.realPath("."),
      timeoutSeconds: node.timeoutSeconds, program: program, request: request, groups: numbered,
      excluded: avoided.names, heartbeatSeconds: profile.heartbeatSeconds)
  }

  /// Submits batches that have no job yet, one after another. A submission without an answer may have succeeded, so it
  /// is looked for first.
  func submitWaiting() {
    for batch in batches where batch.job == nil && !batch.isSettled && !batch.isAsking {
      guard monotonicNanoseconds() >= batch.submitAt, hasRoom(for: batch) else { continue }
      // Of an earlier run: its tasks may still be asked for.
      if ending == nil, batch.isOrphan, !batch.isCancelled, batch.mayBeSubmitted { continue }
      let isWanted = ending == nil && !batch.isOrphan && !batch.isCancelled
      guard isWanted || batch.mayBeSubmitted else {
        abandon(batch)
        continue
      }
      batch.isAsking = true
      let search = batch.mayBeSubmitted ? LostSubmission(batch, cluster) : nil
      if isWanted { batch.mayBeSubmitted = true }
      line.ask({ [cluster, given = batch.batch, folder = batch.folder] in
        Result { () throws(ClusterError) -> [String] in
          if let found = try search?.find(), !found.isEmpty { return found }
          guard isWanted else { return [] }
          FaultPoint.reach("job.prepared")
          let number = try cluster.submit(given, in: folder)
          // The earlier one may have been taken all the same.
          guard search != nil, let others = try? cluster.find(jobName: given.jobName) else { return [number] }
          return [number] + others.filter { $0 != number }
        }
      }) { [unowned self] in
        batch.isAsking = false
        accept($0, batch)
      }
    }
  }

  /// Whether the user may have as many jobs more, or there are none that could end first.
  private func hasRoom(for batch: LiveBatch) -> Bool {
    let others = batches.filter { $0 !== batch && ($0.job != nil || $0.isAsking) }
    let open = others.reduce(0) { $0 + $1.groups.count { !$0.isSettled } }
    return ending != nil || open == 0 || open + batch.groups.count <= mostSubmitted
  }

  private func accept(_ answer: Result<[String], ClusterError>, _ batch: LiveBatch) {
    switch answer {
    case .success([]): abandon(batch)
    case .success(let numbers):
      for number in numbers { batch.adopt(number) }
      FaultPoint.reach("job.submitted")
      let text = numbers.map { $0 + "\n" }.joined()
      do { try FileSystem.write(Array(text.utf8), to: batch.folder.job) } catch {
        // The next driver finds it by its name.
        notice("the number of job \(numbers[0]) cannot be saved: \(error)")
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

  /// Puts the tasks of a batch that was refused into others.
  private func groupAnew(_ batch: LiveBatch) {
    for group in batch.groups {
      for task in group.open {
        let next = LiveTask(task.record, directory: task.directory, phase: task.phase, request: task.request)
        next.submission = task.submission
        (task.submission, task.isSettled) = (nil, true)
        resubmit(next)
      }
    }
    abandon(batch)
  }

  private func refused(_ batch: LiveBatch, _ error: ClusterError) {
    let others = batches.contains { $0 !== batch && $0.job != nil && !$0.isSettled }
    if error.code == .refused, !batch.batch.excluded.isEmpty {
      // Without the nodes that are kept away from, there may not be enough.
      avoided.forget()
      return groupAnew(batch)
    }
    if error.code == .limited, !others, batch.groups.count > 1 {
      mostSubmitted = min(mostSubmitted, max(1, batch.groups.count / 2))
      notice("\(cluster.name) does not accept \(batch.groups.count) jobs at once; \(mostSubmitted) are tried")
      return groupAnew(batch)
    }
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

/// A submission without an answer: the jobs may be there.
private struct LostSubmission {
  let batch: JobBatch
  let folder: BatchFolder
  let cluster: any Cluster
  let since: Int

  init(_ batch: LiveBatch, _ cluster: any Cluster) {
    since = batch.lostAt ?? monotonicNanoseconds()
    batch.lostAt = since
    (self.batch, folder, self.cluster) = (batch.batch, batch.folder, cluster)
  }

  /// A busy scheduler may take jobs a while after it has ceased to answer.
  private var pollsBeforeRepeating: Int { 3 }

  /// Looks for the jobs by their name and by what they have claimed. None: they have had the time to appear.
  func find() throws(ClusterError) -> [String] {
    let named = try cluster.find(jobName: batch.jobName)
    let claimants = folder.claimants
    let found = named + claimants.filter { !named.contains($0) }.sorted()
    guard found.allSatisfy(\.isEmpty) else { return found.filter { !$0.isEmpty } }
    let age = monotonicNanoseconds() - since
    guard found.isEmpty, age >= pollsBeforeRepeating * cluster.pollSeconds * 1_000_000_000 else {
      throw ClusterError(.silent, batch.jobName, "no answer to a submission, which is looked for before it is repeated")
    }
    return []
  }
}
