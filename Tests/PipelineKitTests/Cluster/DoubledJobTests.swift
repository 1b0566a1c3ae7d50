import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Submissions whose answer is lost, jobs that are there twice, and jobs that are said to have ended.
@Suite struct DoubledJobTests {
  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  private func submitted(_ cluster: FakeCluster) -> [JobBatch] { cluster.state.with { $0.submitted } }
  private static let silence = ClusterError(.silent, "sbatch", "timed out")

  /// The first job comes late, and begins before the second.
  private func doubled(_ jobs: Monitor<[FakeJob]>) -> FakeCluster {
    FakeCluster(
      job: { job in
        jobs.with { $0.append(job) }
        if job.submission == 1 { return .running(node: job.node) }
        try jobs.with { $0[0] }.claim()
        return .ended(.completed, node: job.node)
      }, losing: { $0 == 1 ? Self.silence : nil })
  }

  @Test func theJobThatHasClaimedItsTasksIsWatched() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = doubled(jobs)
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "its state is asked for") { cluster.state.with { $0.asked.contains("101") } }
    // Longer than an end is waited for.
    let asked = cluster.state.with { $0.questions }
    try await works(until: "questions") { cluster.state.with { $0.questions } > asked + 20 }
    #expect(submitted(cluster).count == 2)
    #expect(driven.words == [:])
    let first = jobs.with { $0[0] }
    let task = try first.tasks()[0]
    try first.report(.began, task)
    try first.report(.failed, task, message: "it is bad", mayRetry: false)
    try first.end(code: 0)
    let text = try #require(try await driven.finish(1)["a"])
    #expect(text.hasPrefix("it is bad (job 101_0 on n1; "), "\(text)")
    #expect(submitted(cluster).count == 2)
  }

  @Test func bothJobsAreCancelled() async throws {
    let cluster = doubled(Monitor([]))
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "its state is asked for") { cluster.state.with { $0.asked.contains("101") } }
    driven.executor.end(with: .cancel)
    #expect(try await driven.finish(1) == ["a": "stopped"])
    #expect(cluster.state.with { $0.cancellations.contains { Set($0.jobs) == ["101", "102"] } })
  }

  /// The scheduler's list is without it, but it has begun.
  @Test func theNumberOfALostJobIsTakenFromItsClaim() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster(
      job: { job in
        jobs.with { $0.append(job) }
        try job.claim()
        return .running(node: job.node)
      }, losing: { $0 == 1 ? Self.silence : nil })
    let driven = try Driven(bench, cluster).submit(["a"])
    let job = jobs.wait { $0.first }
    try await works(until: "its number is written down") { job.folder.readJobs() == ["101"] }
    try job.work()
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 1)
  }

  /// A busy scheduler takes jobs a while after it has ceased to answer.
  @Test func aLostSubmissionIsNotRepeatedAtOnce() async throws {
    let cluster = FakeCluster(pollSeconds: 1_000_000, refusing: { $0 == 1 ? Self.silence : nil })
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "it is looked for twice") {
      cluster.state.with { $0.namesAsked.count > 1 || $0.submitted.count > 1 }
    }
    #expect(submitted(cluster).count == 1)
    driven.executor.end(with: .leave)
    #expect(try await driven.finish(1) == ["a": "stopped"])
  }

  @Test func theOtherJobOfARepeatedSubmissionIsKnownToCommands() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = doubled(jobs)
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "its state is asked for") { cluster.state.with { $0.asked.contains("101") } }
    #expect(try JobList(store: bench.store.root, isStrict: false).jobs.map(\.numbers) == [["102", "101"]])
    try jobs.with { $0[0] }.work()
    #expect(try await driven.finish(1) == ["a": "finished"])
  }

  // MARK: Said to have ended

  /// One that is not known to have ended is alive as long as it may be between two signs of life.
  @Test func aForgottenJobWithSignsOfLifeIsWaitedForLonger() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster { job in
      let task = try job.tasks()[0]
      try job.claim()
      try job.report(.began, task)
      try job.beat(task, fraction: 0.5)
      jobs.with { $0.append(job) }
      return nil
    }
    var profile = bench.profile()
    profile.heartbeatSeconds = 1_000_000
    let driven = try Driven(bench, cluster, profile: profile).submit(["a"])
    let job = jobs.wait { $0.first }
    // Longer than files of a job that has ended take to appear.
    let asked = cluster.state.with { $0.questions }
    try await works(until: "questions") { cluster.state.with { $0.questions } > asked + 25 }
    #expect(submitted(cluster).count == 1)
    #expect(driven.words == [:])
    try job.finish(job.tasks()[0])
    try job.end(code: 0)
    #expect(try await driven.finish(1) == ["a": "finished"])
  }

  /// On a node that hangs, a job may stay so for hours.
  @Test func aJobThatDoesNotCompleteIsNotWaitedFor() async throws {
    let cluster = FakeCluster { job in
      guard job.submission == 1 else { return try job.work() }
      _ = try job.die(.failed)
      return .completing(node: job.node)
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], ["n1"]])
    #expect(driven.notices[0] == "t: job 101_0 has ended, but Fake still says COMPLETING on n1")
  }

  @Test func aJobThatHasWrittenDownItsEndIsNotWaitedForEither() async throws {
    let cluster = FakeCluster { job in
      guard job.submission == 1 else { return try job.work() }
      let task = try job.tasks()[0]
      try job.claim()
      try job.report(.began, task)
      try job.report(.stopped, task, fraction: 0.5)
      try job.end(code: 0)
      return .completing(node: job.node)
    }
    #expect(try await Driven(bench, cluster).submit(["a"]).finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 2)
  }

  @Test func aJobThatIsAliveAgainHasNotEnded() {
    let group = LiveGroup(0, [])
    group.endedAt = 5
    group.note(.waiting(reason: "BeginTime"), hasEnd: false)
    #expect(group.endedAt == nil)
    group.endedAt = 5
    group.note(.running(node: "n1"), hasEnd: true)
    #expect(group.endedAt == 5)
    group.note(.running(node: "n1"), hasEnd: false)
    #expect(group.endedAt == nil)
    group.note(.completing(node: "n1"), hasEnd: false)
    #expect(group.completingSince != nil)
    // Nothing is known.
    group.note(.unknown, hasEnd: false)
    #expect(group.state == .completing(node: "n1"))
  }
}
