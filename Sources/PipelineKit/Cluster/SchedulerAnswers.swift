import ShardKit

/// What the scheduler says of jobs.
extension ClusterDriver {
  private typealias Answer = Result<(states: [String: [Int: JobState]], complaint: String?), ClusterError>

  func poll() {
    let now = monotonicNanoseconds()
    guard !isPolling, now - polledAt >= cluster.pollSeconds * 1_000_000_000 else { return }
    let open = batches.filter { batch in batch.job != nil && !batch.isSettled }.map { ($0, $0.jobs) }
    guard !open.isEmpty else { return }
    polledAt = now
    isPolling = true
    line.ask({ [cluster, jobs = open.flatMap(\.0.clusterJobs)] in
      Answer { () throws(ClusterError) in (try cluster.states(of: jobs), cluster.complaint) }
    }) { [unowned self] in
      isPolling = false
      accept($0, open)
    }
  }

  private func accept(_ answer: Answer, _ asked: [(batch: LiveBatch, jobs: [String])]) {
    switch answer {
    case .success(let answer):
      if isSilent {
        notice("\(cluster.name) answers again")
        recoveredAt = monotonicNanoseconds()
      }
      isSilent = false
      complain(answer.complaint)
      cancelAgain()
      for (batch, jobs) in asked where !batch.isSettled { note(answer.states, batch, jobs) }
    case .failure(let error):
      // Unknown is not failed.
      if !isSilent {
        notice("\(cluster.name) does not answer (\(error.message)); the jobs' files are watched meanwhile")
      }
      isSilent = true
    }
  }

  private func complain(_ text: String?) {
    if let text, complaint == nil { notice(text) }
    complaint = text
  }

  /// A scheduler that was away may have lost jobs, and ends those where it finds them.
  var isRecovering: Bool {
    isSilent || recoveredAt.map { monotonicNanoseconds() - $0 < Self.recovery } ?? false
  }
  private static let recovery = 300_000_000_000

  private func note(_ states: [String: [Int: JobState]], _ batch: LiveBatch, _ asked: [String]) {
    var hopeless: String?
    for group in batch.groups where !group.isSettled {
      let told = asked.map { ($0, states[$0]?[group.number] ?? .ended(.forgotten, node: group.host)) }
      guard let state = state(of: group, batch, told) else { continue }
      // What is known of an end does not become less.
      if case .ended(let end, _) = group.state, end != .forgotten, case .ended(.forgotten, _) = state { continue }
      group.note(state, hasEnd: FileSystem.exists(batch.folder.end(group.number)))
      guard case .waiting(let reason) = state else { continue }
      if cluster.isHopeless(reason) { hopeless = reason }
      if let remark = cluster.remark(on: reason) {
        sayOnce("\(batch.batch.stage): jobs wait for \(reason): \(remark)")
      }
      for task in group.open { task.submission?.attempt.run.control.queueReason = reason }
    }
    if let hopeless { giveUp(batch, hopeless) }
  }

  /// The state of the job that has claimed the group, else of the one that is most alive. A job that ends without the
  /// claim has left the group to another one, whose number is only known from then on.
  private func state(of group: LiveGroup, _ batch: LiveBatch, _ told: [(job: String, state: JobState)]) -> JobState? {
    func own() -> JobState? { told.first { $0.job == group.owner }?.state }
    if group.owner != nil { return own() }
    guard let best = told.map(\.state).max(by: { $0.life < $1.life }) else { return nil }
    guard case .ended = best, let owner = batch.folder.claimant(group.number), !owner.isEmpty else { return best }
    take(group, batch, owner)
    return own()
  }

  /// Takes a job for the one that works on a group.
  func take(_ group: LiveGroup, _ batch: LiveBatch, _ owner: String) {
    guard group.owner != owner else { return }
    group.owner = owner
    // The next query follows at once.
    if batch.adopt(owner) { polledAt = 0 }
  }

  /// Jobs that can never start: all that wait, since they ask for the same.
  private func giveUp(_ batch: LiveBatch, _ reason: String) {
    for group in batch.groups {
      guard case .waiting = group.state else { continue }
      // Without the nodes that are kept away from, there may not be enough.
      if !batch.batch.excluded.isEmpty {
        avoided.forget()
        for task in group.open { again(task, group, batch, "cannot start (\(reason)) away from broken nodes") }
        continue
      }
      let message =
        "its job \(batch.name(group)) can never start: \(cluster.name) says \(reason) for "
        + "\(batch.batch.request.words). Correct the profile (`pipeline profile check`), and run again."
      for task in group.open { task.settle(.failed(message: message, mayRetry: false)) }
    }
    cancel([batch], waitingOnly: true)
  }
}

extension JobState {
  /// Of several jobs for the same work, the one with the most is looked at.
  fileprivate var life: Int {
    switch self {
    case .running: 5
    case .completing: 4
    case .waiting: 3
    case .unknown: 2
    case .ended(let end, _): end == .forgotten ? 0 : 1
    }
  }
}

extension LiveGroup {
  /// - Parameter hasEnd: whether its job has written down its end.
  func note(_ state: JobState, hasEnd: @autoclosure () -> Bool) {
    if state == .unknown { return }
    self.state = state
    switch state {
    case .running(let node), .completing(let node): if !node.isEmpty { (host, self.node) = (node, node) }
    default: break
    }
    switch state {
    case .completing: if completingSince == nil { completingSince = monotonicNanoseconds() }
    case .running, .waiting:
      completingSince = nil
      if endedAt != nil, !hasEnd() { endedAt = nil }
    case .ended, .unknown: break
    }
  }
}
