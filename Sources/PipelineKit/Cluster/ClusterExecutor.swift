import ShardKit

/// Runs tasks as jobs of a cluster. A thread of its own groups and submits them, watches their files, and asks the
/// scheduler which jobs are alive; see `ClusterDriver`.
public final class ClusterExecutor: TaskExecutor, Sendable {
  struct Submission: Sendable {
    var attempt: TaskAttempt
    var report: @Sendable (TaskOutcome) -> Void
  }

  struct Release: Sendable {
    var stage: String
    var directory: String?
    /// When to give up, in monotonic nanoseconds.
    var until: Int
    var answer: Monitor<String?>
  }

  /// What the run's threads have to say to the driver's.
  struct Inbox: Sendable {
    var submissions: [Submission] = []
    var mayGroup = false
    var releases: [Release] = []
    var ending: Ending?
    var hasEnded = false
    /// Nobody reads it any more.
    var isClosed = false

    mutating func take() -> Inbox {
      defer {
        submissions = []
        releases = []
        mayGroup = false
      }
      return self
    }

    mutating func close() -> Inbox {
      isClosed = true
      for release in releases { release.answer.with { $0 = "the run is ending" } }
      return take()
    }
  }

  /// How the jobs that are left are treated at the end of the run.
  public enum Ending: Int, Comparable, Sendable {
    /// Running tasks finish, others are not begun.
    case drain
    /// The jobs go on; the next run finds them.
    case leave
    case cancel

    public static func < (a: Ending, b: Ending) -> Bool { a.rawValue < b.rawValue }
  }

  let profile: SiteProfile
  /// What an interruption means for the jobs, by its level.
  let interrupted: @Sendable (Int) -> Ending
  private let inbox = Monitor(Inbox())
  private let make: @Sendable (Int64, @escaping @Sendable (String) -> Void) throws -> ClusterDriver
  private let thread = Monitor<BackgroundThread?>(nil)

  /// - Parameters:
  ///   - store: the store whose tasks run, on a file system that all nodes see.
  ///   - interrupted: what an interruption means for the jobs, by its level.
  public init(
    _ cluster: any Cluster, profile: SiteProfile, store: RunStore,
    interrupted: @escaping @Sendable (Int) -> Ending = { _ in .leave }
  ) {
    self.profile = profile
    self.interrupted = interrupted
    make = { run, notice in
      try ClusterDriver(cluster: cluster, profile: profile, store: store, run: run, notice: notice)
    }
  }

  /// Starts watching, with the jobs that an earlier run has left.
  /// - Parameter notice: hears sentences about jobs, on another thread.
  func begin(run: Int64, notice: @escaping @Sendable (String) -> Void) throws {
    let driver = try make(run, notice)
    let started = BackgroundThread { [inbox] in driver.work(inbox) }
    guard started != nil else {
      throw StageError(.environment, "", "no thread can be started for the cluster's jobs")
    }
    thread.with { $0 = started }
  }

  /// Waits until nothing of this run is left to do.
  func end() {
    inbox.with { $0.hasEnded = true }
    thread.with { thread in
      thread?.join()
      thread = nil
    }
  }

  /// Tasks that wait for servers run in the driver, which has the network.
  func takes(_ node: Graph.Node, phase: Int) -> Bool {
    let description = node.description
    return !description.waitingPhases.contains(description.phases[phase])
      && !profile.keepsInDriver(stage: node.name, use: description.name)
  }

  func submit(_ attempt: TaskAttempt, _ report: @escaping @Sendable (TaskOutcome) -> Void) {
    attempt.run.control.isQueued = true
    let isClosed = inbox.with { inbox in
      if !inbox.isClosed { inbox.submissions.append(Submission(attempt: attempt, report: report)) }
      // Others may follow, of which an earlier `flush` knew nothing.
      inbox.mayGroup = false
      return inbox.isClosed
    }
    if isClosed { report(.stopped) }
  }

  func flush() { inbox.with { $0.mayGroup = true } }

  /// How long jobs that were told to end are waited for.
  private static let patience = 300_000_000_000

  func release(stage: String, keeping directory: String?) throws {
    let release = Release(
      stage: stage, directory: directory, until: monotonicNanoseconds() + Self.patience, answer: Monitor(nil))
    let isClosed = inbox.with { inbox in
      if !inbox.isClosed { inbox.releases.append(release) }
      return inbox.isClosed
    }
    let problem = isClosed ? "the run is ending" : release.answer.wait { $0 }
    guard problem.isEmpty else {
      throw StageError(
        .environment, "jobs of an earlier run", problem,
        hint: "End them with `pipeline jobs --cancel` or the scheduler's own command, and run again.")
    }
  }

  func stop() { end(with: .drain) }

  func end(with ending: Ending) {
    inbox.with { $0.ending = max($0.ending ?? .drain, ending) }
  }
}
