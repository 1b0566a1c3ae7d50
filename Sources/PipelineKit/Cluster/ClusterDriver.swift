import Glibc
import ShardKit

/// The driver's side of jobs: groups tasks, submits batches, reads what the jobs report, and judges jobs that ended.
///
/// The truth about a task is its manifest on disk. The scheduler is asked one thing, whether a job is alive; while it
/// does not answer, nothing is concluded. All state that a new driver needs stands in the batches' folders.
final class ClusterDriver: @unchecked Sendable {
  // Used only by the driver's thread.
  let cluster: any Cluster
  let profile: SiteProfile
  let store: RunStore
  let run: Int64
  let notice: (String) -> Void
  let sizing: JobSizing
  let line: SchedulerLine
  let program: ProgramIdentity
  var batches: [LiveBatch] = []
  var ending: ClusterExecutor.Ending?
  /// Nodes that broke under a job.
  var avoided = AvoidedNodes()
  var pending: [LiveTask] = []
  /// Tasks that wait for the end of jobs that were cancelled.
  private var deferred: [ClusterExecutor.Submission] = []
  private var releases: [ClusterExecutor.Release] = []
  private var live: [String: LiveTask] = [:]
  /// Whether jobs of an earlier run were found.
  private var hasEarlierJobs = false
  /// Tasks of ended jobs wait for another one.
  var mustGroup = false
  var submitted = 0
  /// The most jobs that wait or run at the same time.
  var mostSubmitted: Int
  private var lookedAt = 0
  var polledAt = 0
  var isPolling = false
  var isSilent = false
  /// What the scheduler could not say when it was asked last.
  var complaint: String?
  /// Sentences that need no repetition.
  private var said: Set<String> = []
  /// When the scheduler answered again after it had not.
  var recoveredAt: Int?
  /// The scheduler did not answer when it was told to cancel jobs.
  private var mustCancelAgain = false
  let token = String(UInt32.random(in: 0...UInt32.max), radix: 36)

  init(
    cluster: any Cluster, profile: SiteProfile, store: RunStore, run: Int64,
    notice: @escaping @Sendable (String) -> Void
  ) throws {
    self.cluster = cluster
    self.profile = profile
    self.store = store
    self.run = run
    self.notice = notice
    mostSubmitted = profile.mostSubmitted
    sizing = JobSizing(profile: profile, store: store)
    line = try SchedulerLine()
    program = try ProgramIdentity.wanted(by: profile)
    try findEarlierJobs()
  }

  // MARK: The loop

  func work(_ inbox: Monitor<ClusterExecutor.Inbox>) {
    var endedAt: Int?
    while true {
      let mail = take(inbox, patience: pause)
      accept(mail)
      step(mayGroup: mail.mayGroup)
      guard mail.hasEnded else { continue }
      let now = monotonicNanoseconds()
      if endedAt == nil { endedAt = now }
      if isDone || now - endedAt! > Self.farewell { break }
    }
    close()
    for submission in inbox.with({ $0.close() }).submissions { submission.report(.stopped) }
    line.close()
  }

  /// How long jobs that have nothing left to do are waited for at the end.
  private static let farewell = 5_000_000_000

  private var isDone: Bool {
    if ending == .leave { return line.waiting == 0 }
    return pending.isEmpty && deferred.isEmpty
      && batches.allSatisfy { $0.isSettled || ending == nil && $0.isOrphan && $0.batch.run != run }
  }

  private var openJobs: Int { batches.reduce(0) { $0 + $1.groups.count { !$0.isSettled } } }

  /// Nanoseconds to wait for news of this run and of the scheduler.
  private var pause: Int { min(2_000_000_000, 100_000_000 + openJobs * 1_000_000) }

  /// Nanoseconds between two looks at the jobs' files: about a hundred files are looked at per second, however many jobs
  /// there are, and each every quarter of a minute at least.
  static func pause(openJobs: Int) -> Int { min(15_000_000_000, openJobs * 10_000_000) }

  private func take(_ inbox: Monitor<ClusterExecutor.Inbox>, patience: Int) -> ClusterExecutor.Inbox {
    let known = ending
    let woken = inbox.wait(atMostNanoseconds: patience, wake: false) { inbox -> ClusterExecutor.Inbox? in
      let hasNews = inbox.mayGroup && !inbox.submissions.isEmpty || inbox.ending != known && inbox.ending != nil
      return !inbox.releases.isEmpty || hasNews ? inbox.take() : nil
    }
    return woken ?? inbox.with(wake: false) { $0.take() }
  }

  private func accept(_ mail: ClusterExecutor.Inbox) {
    for submission in mail.submissions { accept(submission) }
    if let wanted = mail.ending, ending.map({ wanted > $0 }) ?? true { begin(wanted) }
    for release in mail.releases { begin(release) }
  }

  private func accept(_ submission: ClusterExecutor.Submission) {
    guard ending == nil else { return submission.report(.stopped) }
    let attempt = submission.attempt
    let identity = LiveTask.identity(
      attempt.run.directory, attempt.run.phase, attempt.run.task.key, attempt.run.fingerprint)
    if let task = live[identity], !task.isSettled, task.submission == nil {
      // A job that was cancelled may still be writing.
      guard !isCancelled(task) else { return deferred.append(submission) }
      task.submission = submission
      if task.hasBegun { attempt.run.control.isQueued = false }
      return
    }
    do throws(StageError) { try sizing.check(attempt.run.task, attempt.node) } catch {
      return submission.report(.failed(message: "\(error)", mayRetry: false))
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

  private func isCancelled(_ task: LiveTask) -> Bool {
    batches.contains { batch in batch.isCancelled && batch.groups.contains { $0.task(task.record.key) === task } }
  }

  func sayOnce(_ sentence: String) {
    if said.insert(sentence).inserted { notice(sentence) }
  }

  /// Puts a task whose job has ended into a new one.
  func resubmit(_ task: LiveTask) {
    live[task.identity] = task
    pending.append(task)
    mustGroup = true
  }

  private func step(mayGroup: Bool) {
    line.deliver()
    if ending == .leave { return }
    retryDeferred()
    if mayGroup { mustGroup = true }
    // New jobs keep away from broken nodes.
    if ending != nil || mustGroup && !avoided.isAsking { submitPending() }
    submitWaiting()
    let isLooking = monotonicNanoseconds() - lookedAt >= Self.pause(openJobs: openJobs)
    for batch in batches where isLooking && !batch.isSettled { read(batch) }
    poll()
    if isLooking { judgeAll() }
    removeSettled()
    answerReleases()
  }

  private func judgeAll() {
    lookedAt = monotonicNanoseconds()
    for batch in batches where !batch.isSettled {
      for group in batch.groups where !group.isSettled { judge(group, of: batch) }
    }
  }

  private func retryDeferred() {
    guard !deferred.isEmpty else { return }
    let waiting = deferred
    deferred = []
    for submission in waiting { accept(submission) }
    mustGroup = true
  }

  private func removeSettled() {
    for batch in batches where batch.isSettled && !batch.isAsking {
      // Jobs of a repeated submission that have not begun have nothing to do.
      if batch.jobs.count > 1 { cancel(batch.clusterJobs, waitingOnly: false) }
      for group in batch.groups {
        for task in group.tasks where live[task.identity] === task { live[task.identity] = nil }
      }
      for group in batch.groups where group.isLost { batch.keepOutput(group) }
      try? FileSystem.removeTree(batch.folder.path)
    }
    batches.removeAll { $0.isSettled && !$0.isAsking }
  }

  // MARK: Earlier jobs

  private func findEarlierJobs() throws {
    for found in try JobList(store: store.root, isStrict: true).jobs {
      let batch = found.batch
      let moved = found.folder.readMoved()
      let tasks = try found.folder.readTasks(batch).map { record in
        let task = LiveTask(record, directory: batch.directory, phase: batch.phase, request: batch.request)
        task.isSettled = moved.contains(ExactText(record.key))
        return task
      }
      let live = LiveBatch(batch, found.folder, tasks: tasks)
      for number in found.numbers { live.adopt(number) }
      live.mayBeSubmitted = found.numbers.isEmpty
      live.isCancelled = [found.folder.void, found.folder.stop].contains(where: FileSystem.exists)
      // Of several batches with a task, in their order, the last one has it.
      for task in tasks where !task.isSettled { self.live[task.identity] = task }
      batches.append(live)
    }
    guard !batches.isEmpty else { return }
    hasEarlierJobs = true
    for batch in batches { read(batch) }
    let open = batches.filter { !$0.isCancelled }.reduce(0) { $0 + $1.groups.count { !$0.open.isEmpty } }
    if open > 0 { notice("jobs of an earlier run are found (\(open)); their tasks are not submitted again") }
    cancel(batches.filter(\.isCancelled), waitingOnly: false)
  }

  // MARK: The end

  private func begin(_ wanted: ClusterExecutor.Ending) {
    ending = wanted
    for task in pending { task.settle(.stopped) }
    pending = []
    for submission in deferred { submission.report(.stopped) }
    deferred = []
    switch wanted {
    case .drain:
      for batch in batches { try? FileSystem.write([], to: batch.folder.stop) }
      cancel(batches, waitingOnly: true)
    case .cancel:
      for batch in batches { try? FileSystem.write([], to: batch.folder.void) }
      cancel(batches, waitingOnly: false)
    case .leave:
      for batch in batches {
        for group in batch.groups { for task in group.open { task.settle(.stopped) } }
        if batch.job == nil, !batch.mayBeSubmitted { abandon(batch) }
      }
    }
  }

  func cancel(_ batches: [LiveBatch], waitingOnly: Bool) {
    for batch in batches where !waitingOnly { batch.isCancelled = true }
    cancel(batches.filter { !$0.isSettled }.flatMap(\.clusterJobs), waitingOnly: waitingOnly)
  }

  private func cancel(_ jobs: [ClusterJob], waitingOnly: Bool) {
    guard !jobs.isEmpty else { return }
    line.ask({ [cluster] in
      Result { () throws(ClusterError) in try cluster.cancel(jobs, waitingOnly: waitingOnly) }
    }) { [unowned self] in
      switch $0 {
      case .success:
        mustCancelAgain = false
        // The next query follows at once.
        polledAt = 0
      case .failure(let error):
        let isSilent = error.code == .silent
        if !isSilent || !mustCancelAgain { notice("jobs cannot be cancelled: \(error)") }
        mustCancelAgain = isSilent
      }
    }
  }

  /// Else what waits in the queue would be waited for.
  func cancelAgain() {
    guard mustCancelAgain else { return }
    cancel(batches.filter(\.isCancelled), waitingOnly: false)
    if ending == .drain { cancel(batches.filter { !$0.isCancelled }, waitingOnly: true) }
  }

  /// Ends jobs of a stage whose plan has changed: their state folders may be taken over, or their outputs discarded.
  private func begin(_ release: ClusterExecutor.Release) {
    let old = batches.filter { isMeant($0, release) }
    for batch in old { try? FileSystem.write([], to: batch.folder.void) }
    cancel(old, waitingOnly: false)
    releases.append(release)
  }

  private func isMeant(_ batch: LiveBatch, _ release: ClusterExecutor.Release) -> Bool {
    batch.batch.stage == release.stage && batch.batch.directory != release.directory && !batch.isSettled
      && batch.isOrphan
  }

  private func answerReleases() {
    let now = monotonicNanoseconds()
    releases.removeAll { release in
      // One whose number is not known may be alive too.
      let left = batches.filter { isMeant($0, release) }.map { $0.job ?? $0.batch.jobName }
      guard left.isEmpty || ending != nil || now > release.until else { return false }
      release.answer.with {
        $0 = left.isEmpty ? "" : "the jobs \(left.joined(separator: ", ")) of '\(release.stage)' have not ended"
      }
      return true
    }
  }

  private func close() {
    for release in releases { release.answer.with { $0 = "the run is ending" } }
    for submission in deferred { submission.report(.stopped) }
    for batch in batches { for group in batch.groups { for task in group.open { task.settle(.stopped) } } }
    for task in pending { task.settle(.stopped) }
  }
}
