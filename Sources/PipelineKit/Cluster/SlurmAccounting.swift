import ShardKit

/// What the accounting database says of jobs that the controller has forgotten; many sites have none.
final class SlurmAccounting: @unchecked Sendable {
  // Used only by the thread that polls.
  private var isMissing = false
  private var askedAt: Int?
  private var silentSince: Int?
  /// Ends that it has told.
  private var ends: [String: [Int: JobState]] = [:]
  private(set) var complaint: String?
  private let ask: @Sendable ([String]) throws(ClusterError) -> String
  private let now: @Sendable () -> Int

  /// At most once a minute.
  private static let pause = 60_000_000_000
  /// How long an end stays unknown while the database does not answer.
  private static let patience = 300_000_000_000

  /// - Parameter now: monotonic nanoseconds.
  init(
    ask: @escaping @Sendable ([String]) throws(ClusterError) -> String = { words throws(ClusterError) in
      try SlurmCluster.ask(words)
    }, now: @escaping @Sendable () -> Int = { monotonicNanoseconds() }
  ) {
    (self.ask, self.now) = (ask, now)
  }

  /// Adds the ends of open groups that `squeue` does not name. Those that cannot be known now are `.unknown`.
  func complete(_ states: inout [String: [Int: JobState]], _ jobs: [ClusterJob]) {
    guard !isMissing else { return }
    forget(states, jobs)
    if jobs.contains(where: { !missing($0, states).isEmpty }) {
      if askedAt.map({ now() - $0 >= Self.pause }) ?? true { ask(jobs.filter { !missing($0, states).isEmpty }) }
      if isMissing { return }
    } else {
      (silentSince, complaint) = (nil, nil)
    }
    let isPatient = silentSince.map { now() - $0 < Self.patience } ?? true
    for job in jobs {
      let open = missing(job, states)
      states[job.number, default: [:]].merge(ends[job.number] ?? [:]) { now, _ in now }
      for group in open where isPatient { states[job.number]?[group] = .unknown }
    }
  }

  /// What is no longer asked for, or alive again.
  private func forget(_ states: [String: [Int: JobState]], _ jobs: [ClusterJob]) {
    ends = ends.filter { number, _ in jobs.contains { $0.number == number } }
    for number in ends.keys { ends[number] = ends[number]?.filter { states[number]?[$0.key] == nil } }
  }

  /// Open groups of whose state neither says anything.
  private func missing(_ job: ClusterJob, _ states: [String: [Int: JobState]]) -> [Int] {
    job.batch.groups.indices.filter {
      job.isOpen($0) && states[job.number]?[$0] == nil && ends[job.number]?[$0] == nil
    }
  }

  private func ask(_ jobs: [ClusterJob]) {
    askedAt = now()
    do {
      let numbers = jobs.map(\.number).joined(separator: ",")
      let text = try ask([
        "sacct", "--noheader", "--parsable2", "--allocations", "--jobs=\(numbers)", "--format=JobID,State,NodeList",
      ])
      (silentSince, complaint) = (nil, nil)
      note(try SlurmQueue.accounted(text), jobs)
    } catch {
      isMissing = error.code == .refused || error.message.contains("accounting storage is disabled")
      guard !isMissing else { return complaint = nil }
      if silentSince == nil { silentSince = now() }
      complaint =
        "Slurm's accounting (sacct) does not answer (\(error.message)): how jobs ended that squeue does not know any "
        + "more stays open for five minutes"
    }
  }

  /// Jobs that it does not know, or takes for alive although the controller does not, are forgotten.
  private func note(_ told: [String: [Int: JobState]], _ jobs: [ClusterJob]) {
    for job in jobs {
      for group in job.batch.groups.indices where job.isOpen(group) {
        let isEnd = if case .ended = told[job.number]?[group] { true } else { false }
        ends[job.number, default: [:]][group] = isEnd ? told[job.number]?[group] : .ended(.forgotten, node: "")
      }
    }
  }
}
