import Glibc
import ShardKit

/// The driver's side of jobs: groups tasks, submits batches, reads what the jobs report, and judges jobs that ended.
///
/// The truth about a task is its manifest on disk. The scheduler is asked one thing, whether a job is alive; while it
/// does not answer, nothing is concluded. All state that a new driver needs stands in the batches' folders.
final class ClusterDriver: @unchecked Sendable {
  // Used by the driver's thread alone.
  let cluster: any Cluster
  let profile: SiteProfile
  let store: RunStore
  let run: Int64
  let notice: (String) -> Void
  let program: ProgramIdentity
  var pending: [LiveTask] = []
  var batches: [LiveBatch] = []
  var ending: ClusterExecutor.Ending?
  var excludedNodes: Set<String> = []
  private var live: [String: LiveTask] = [:]
  /// Whether jobs of an earlier run were found.
  private var hasEarlierJobs = false
  /// Tasks of ended jobs wait for another one.
  private var mustGroup = false
  private var submitted = 0
  private var polledAt = 0
  /// When a job was last submitted, or was to be.
  private var submittedAt = 0
  private var silentSince: Int?
  private var asking: Question?
  private let token = String(UInt32.random(in: 0...UInt32.max), radix: 36)

  init(
    cluster: any Cluster, profile: SiteProfile, store: RunStore, run: Int64,
    notice: @escaping @Sendable (String) -> Void
  ) throws {
    self.cluster = cluster
    self.profile = profile
    self.store = store
    self.run = run
    self.notice = notice
    program = try ProgramIdentity.current(path: profile.program.isEmpty ? "/proc/self/exe" : profile.program)
    try findEarlierJobs()
  }

  // MARK: The loop

  func work(_ inbox: Monitor<ClusterExecutor.Inbox>) {
    var endedAt: Int?
    while true {
      let mail = take(inbox, patience: pause)
      accept(mail)
      step(mayGroup: mail.mayGroup)
      for release in mail.releases { answer(release) }
      guard mail.hasEnded else { continue }
      let now = monotonicNanoseconds()
      if endedAt == nil { endedAt = now }
      if isDone || now - endedAt! > Self.farewell { break }
    }
    close()
  }

  private var sizing: JobSizing { JobSizing(profile: profile, store: store) }

  /// How long jobs that have nothing to do any more are waited for at the end.
  private static let farewell = 5_000_000_000

  private var isDone: Bool { pending.isEmpty && batches.allSatisfy { $0.isSettled || ending == .leave } }

  /// Nanoseconds between two looks at the jobs' files: more of them are looked at less often.
  private var pause: Int {
    let open = batches.reduce(0) { $0 + $1.groups.count { !$0.isSettled } }
    return min(2_000_000_000, 100_000_000 + open * 1_000_000)
  }

  private func take(_ inbox: Monitor<ClusterExecutor.Inbox>, patience: Int) -> ClusterExecutor.Inbox {
    func emptied(_ inbox: inout ClusterExecutor.Inbox) -> ClusterExecutor.Inbox {
      defer {
        inbox.submissions = []
        inbox.releases = []
        // What has come meanwhile may be grouped when the schedule has nothing more to give.
        if inbox.mayGroup { inbox.mayGroup = false }
      }
      return inbox
    }
    let woken = inbox.wait(atMostNanoseconds: patience, wake: false) { inbox -> ClusterExecutor.Inbox? in
      guard
        !inbox.releases.isEmpty || inbox.mayGroup && !inbox.submissions.isEmpty || inbox.ending != nil && ending == nil
      else { return nil }
      return emptied(&inbox)
    }
    return woken ?? inbox.with(wake: false) { emptied(&$0) }
  }

  private func accept(_ mail: ClusterExecutor.Inbox) {
    for submission in mail.submissions { accept(submission) }
    if let wanted = mail.ending, wanted > (ending ?? .drain) || ending == nil { begin(wanted) }
  }

  private func accept(_ submission: ClusterExecutor.Submission) {
    let attempt = submission.attempt
    let identity = LiveTask.identity(
      attempt.run.directory, attempt.run.phase, attempt.run.task.key, attempt.run.fingerprint)
    if let task = live[identity], !task.isSettled, task.submission == nil {
      task.submission = submission
      if task.hasBegun { attempt.run.control.isQueued = false }
      return
    }
    let task = LiveTask(
      JobTask(attempt.run.task, fingerprint: attempt.run.fingerprint, attempt: attempt.number),
      directory: attempt.run.directory, phase: attempt.run.phase,
      request: sizing.request(attempt.run.task, attempt.node, phase: attempt.run.phase))
    task.submission = submission
    if hasEarlierJobs, let manifest = published(task) {
      return task.settle(.finished(manifest, milliseconds: 0, nil))
    }
    live[identity] = task
    pending.append(task)
  }

  /// Puts a task whose job has ended into a new one.
  func resubmit(_ task: LiveTask) {
    live[task.identity] = task
    pending.append(task)
    mustGroup = true
  }

  private func step(mayGroup: Bool) {
    if ending == .leave { return }
    if mayGroup || mustGroup || ending != nil { submitPending() }
    submitWaiting()
    for batch in batches where !batch.isSettled { read(batch) }
    poll()
    for batch in batches where !batch.isSettled {
      for group in batch.groups where !group.isSettled { judge(group, of: batch) }
    }
    removeSettled()
  }

  private func removeSettled() {
    for batch in batches where batch.isSettled {
      for group in batch.groups {
        for task in group.tasks where live[task.identity] === task { live[task.identity] = nil }
      }
      try? FileSystem.removeTree(batch.folder.path)
    }
    batches.removeAll(where: \.isSettled)
  }

  // MARK: Earlier jobs

  private func findEarlierJobs() throws {
    let root = BatchFolder.root(store: store.root)
    guard FileSystem.isDirectory(root) else { return }
    for name in try FileSystem.list(root, others: .passedOver) {
      let folder = BatchFolder("\(root)/\(name)")
      // Without a batch, nothing can have been submitted.
      guard FileSystem.exists(folder.batch), let batch = try? folder.readBatch(), let records = try? folder.readTasks()
      else {
        try FileSystem.removeTree(folder.path)
        continue
      }
      let tasks = records.map { LiveTask($0, directory: batch.directory, phase: batch.phase, request: batch.request) }
      let found = LiveBatch(batch, folder, tasks: tasks)
      found.job = folder.readJob()
      found.mayBeSubmitted = found.job == nil
      for task in tasks { live[task.identity] = task }
      batches.append(found)
    }
    guard !batches.isEmpty else { return }
    hasEarlierJobs = true
    for batch in batches { read(batch) }
    let open = batches.reduce(0) { $0 + $1.groups.count { !$0.open.isEmpty } }
    if open > 0 { notice("\(open) jobs of an earlier run are found; their tasks are not submitted again") }
  }

  // MARK: Submitting

  /// Groups what waits, and writes a batch for each kind of request.
  private func submitPending() {
    guard !pending.isEmpty else { return }
    let waiting = pending
    pending = []
    mustGroup = false
    if ending != nil { return waiting.forEach { $0.settle(.stopped) } }
    for alike in sizing.alike(waiting) {
      guard let attempt = alike[0].submission?.attempt else { continue }
      let groups = sizing.groups(alike, attempt.node, phase: attempt.run.phase, most: cluster.mostGroups)
      for some in groups { prepare(alike, some) }
    }
  }

  private func prepare(_ tasks: [LiveTask], _ groups: [[Int]]) {
    let used = groups.flatMap { $0 }.map { tasks[$0] }
    guard let attempt = used.first?.submission?.attempt else { return }
    var place = 0
    let numbered = groups.map { group in
      defer { place += group.count }
      return Array(place..<place + group.count)
    }
    do {
      let batch = try batch(attempt, used[0].request, numbered)
      let folder = BatchFolder("\(BatchFolder.root(store: store.root))/\(batch.id)")
      try folder.write(
        batch, tasks: used.map(\.record), earlier: attempt.run.earlier.mapValues { $0.map(JobTask.File.init) })
      try FileSystem.write(Array(cluster.script(batch, in: folder).utf8), to: folder.script)
      batches.append(LiveBatch(batch, folder, tasks: used))
    } catch {
      for task in used { task.settle(.failed(message: "\(error)", mayRetry: RetryPolicy.mayRetry(error))) }
    }
  }

  private func batch(_ attempt: TaskAttempt, _ request: JobRequest, _ groups: [[Int]]) throws -> JobBatch {
    submitted += 1
    let id = "\(run)-\(submitted)-\(token)"
    let node = attempt.node
    return JobBatch(
      id: id, jobName: "pipeline-\(id)", run: run, stage: node.name, use: node.description.name,
      phase: attempt.run.phase,
      options: JSONValue.object(node.configured.options.map { JSONMember($0.name, $0.value) }).text(),
      canonical: Fingerprint.canonicalOptions(node.configured, phase: attempt.run.phase).text(sortedKeys: true),
      directory: attempt.run.directory, keptState: attempt.run.keptState, folder: FileSystem.realPath("."),
      timeoutSeconds: node.timeoutSeconds, program: program, request: request, groups: groups,
      excluded: excludedNodes.sorted())
  }

  /// Submits batches that have no job yet. A submission without an answer may have succeeded, so it is looked for first.
  private func submitWaiting() {
    if silentSince != nil, monotonicNanoseconds() - submittedAt < 30_000_000_000 { return }
    for batch in batches where batch.job == nil && !batch.isSettled && monotonicNanoseconds() >= batch.submitAt {
      do throws(ClusterError) {
        submittedAt = monotonicNanoseconds()
        if batch.mayBeSubmitted, let found = try cluster.find(jobName: batch.batch.jobName) {
          try accept(found, batch)
          continue
        }
        if batch.mayBeSubmitted, batch.groups.contains(where: { FileSystem.exists(batch.folder.claim($0.number)) }) {
          // It ran, and the scheduler has forgotten it: what it has left is judged.
          batch.job = LiveBatch.unknownJob
          continue
        }
        guard ending == nil, !isOrphan(batch) else {
          abandon(batch)
          continue
        }
        batch.mayBeSubmitted = true
        FaultPoint.reach("job.prepared")
        try accept(cluster.submit(batch.batch, in: batch.folder), batch)
      } catch {
        refused(batch, error)
      }
    }
  }

  /// Nobody waits for its tasks.
  private func isOrphan(_ batch: LiveBatch) -> Bool {
    batch.groups.allSatisfy { $0.tasks.allSatisfy { $0.submission == nil } }
  }

  /// Gives up a batch that was never submitted.
  private func abandon(_ batch: LiveBatch) {
    try? FileSystem.write([], to: batch.folder.void)
    for group in batch.groups {
      for task in group.open { task.settle(.stopped) }
      group.isSettled = true
    }
  }

  private func accept(_ number: String, _ batch: LiveBatch) throws(ClusterError) {
    batch.job = number
    FaultPoint.reach("job.submitted")
    do { try FileSystem.write(Array("\(number)\n".utf8), to: batch.folder.job) } catch {
      // The next driver finds it by its name.
      notice("the number of job \(number) cannot be written down: \(error)")
    }
    polledAt = monotonicNanoseconds()
  }

  private func refused(_ batch: LiveBatch, _ error: ClusterError) {
    guard error.code == .silent else {
      for group in batch.groups {
        let asked = ClusterError(
          error.code, error.subject, "\(error.message) (asked for \(batch.batch.request.words))", hint: error.hint)
        for task in group.open { task.settle(.failed(message: "\(asked)", mayRetry: false)) }
        group.isSettled = true
      }
      return
    }
    batch.refusals += 1
    let delay = RetryPolicy.delaySeconds(after: batch.refusals)
    batch.submitAt = monotonicNanoseconds() + Int(delay * 1e9)
    if batch.refusals == 3 { notice("\(cluster.name) does not take the jobs (\(error)); trying on") }
  }

  // MARK: Asking the scheduler

  /// Asks on a thread of its own: a scheduler that is down keeps its commands waiting, and the jobs' files are read
  /// meanwhile.
  private func poll() {
    let now = monotonicNanoseconds()
    if let answer = asking?.answer.with(wake: false, { $0 }) {
      accept(answer, asking?.batches ?? [])
      asking = nil
    }
    guard asking == nil, now - polledAt >= cluster.pollSeconds * 1_000_000_000 else { return }
    let open = batches.filter { batch in batch.job != nil && !batch.isSettled }
    guard !open.isEmpty else { return }
    polledAt = now
    let question = Question(batches: open)
    let jobs = open.compactMap(\.clusterJob)
    let thread = BackgroundThread { [cluster, answer = question.answer] in
      let result = Result { () throws(ClusterError) in try cluster.states(of: jobs) }
      answer.with { $0 = result }
    }
    thread?.detach()
    if thread != nil { asking = question }
  }

  /// What the scheduler is being asked.
  private struct Question {
    let batches: [LiveBatch]
    let answer = Monitor<Result<[String: [Int: JobState]], ClusterError>?>(nil)
  }

  private func accept(_ answer: Result<[String: [Int: JobState]], ClusterError>, _ asked: [LiveBatch]) {
    switch answer {
    case .success(let states):
      if silentSince != nil { notice("\(cluster.name) answers again") }
      silentSince = nil
      for batch in asked where !batch.isSettled { note(states[batch.job ?? ""] ?? [:], batch) }
    case .failure(let error):
      // Unknown is not failed.
      if silentSince == nil {
        silentSince = monotonicNanoseconds()
        notice("\(cluster.name) does not answer (\(error.message)); the jobs' files are watched meanwhile")
      }
    }
  }

  private func note(_ states: [Int: JobState], _ batch: LiveBatch) {
    for group in batch.groups where !group.isSettled {
      let state = states[group.number] ?? .ended(.forgotten, node: group.host)
      // What is known of an end does not become less.
      if case .ended(let end, _) = group.state, end != .forgotten, state == .ended(.forgotten, node: group.host) {
        continue
      }
      group.state = state
      if case .running(let node) = state { group.host = node }
    }
  }

  // MARK: The end

  private func begin(_ wanted: ClusterExecutor.Ending) {
    ending = wanted
    for task in pending { task.settle(.stopped) }
    pending = []
    switch wanted {
    case .drain:
      for batch in batches { try? FileSystem.write([], to: batch.folder.stop) }
      cancel(batches, waitingOnly: true)
    case .cancel:
      for batch in batches { try? FileSystem.write([], to: batch.folder.void) }
      cancel(batches, waitingOnly: false)
    case .leave:
      for batch in batches {
        if batch.job == nil, !batch.mayBeSubmitted { abandon(batch) }
        for group in batch.groups { for task in group.open { task.settle(.stopped) } }
      }
    }
  }

  func cancel(_ batches: [LiveBatch], waitingOnly: Bool) {
    for batch in batches where !waitingOnly { batch.isCancelled = true }
    let jobs = batches.filter { !$0.isSettled }.compactMap(\.clusterJob)
    do throws(ClusterError) { try cluster.cancel(jobs, waitingOnly: waitingOnly) } catch {
      notice("the jobs cannot be cancelled: \(error)")
    }
    // The next question comes soon.
    polledAt = monotonicNanoseconds() - cluster.pollSeconds * 1_000_000_000 + 1_000_000_000
  }

  /// Ends jobs of a stage whose plan has changed: their state folders may be taken over, or their outputs discarded.
  private func answer(_ release: ClusterExecutor.Release) {
    let old = batches.filter {
      $0.batch.stage == release.stage && $0.batch.directory != release.directory && !$0.isSettled
        && $0.groups.allSatisfy { $0.tasks.allSatisfy { $0.submission == nil } }
    }
    guard !old.isEmpty else { return release.answer.with { $0 = "" } }
    for batch in old { try? FileSystem.write([], to: batch.folder.void) }
    cancel(old, waitingOnly: false)
    let until = monotonicNanoseconds() + 120_000_000_000
    while old.contains(where: { !$0.isSettled }), monotonicNanoseconds() < until {
      usleep(200_000)
      step(mayGroup: false)
    }
    let left = old.filter { !$0.isSettled }.compactMap(\.job)
    release.answer.with {
      $0 = left.isEmpty ? "" : "the jobs \(left.joined(separator: ", ")) of '\(release.stage)' do not end"
    }
  }

  private func close() {
    for batch in batches {
      for group in batch.groups { for task in group.open { task.settle(.stopped) } }
    }
    for task in pending { task.settle(.stopped) }
  }
}
