import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Nodes on which jobs end: which ones new jobs keep away from, and when they do not.
@Suite struct BrokenNodeTests {
  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  private func submitted(_ cluster: FakeCluster) -> [JobBatch] { cluster.state.with { $0.submitted } }

  /// A node on which jobs end at once is always free for the next.
  @Test func aNodeOnWhichJobsEndBeforeTheirTasksIsKeptAwayFrom() async throws {
    let cluster = FakeCluster { job in
      guard job.batch.excluded.contains("n1") else {
        try job.end(code: 127)
        return .ended(.failed, node: "n1")
      }
      return try job.work()
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], ["n1"]])
    #expect(driven.notices == ["t: job 101_0 with task run/a failed before it began a task on n1"])
  }

  @Test func aNodeThatRefusesMayBeTheOnlyOne() async throws {
    let cluster = FakeCluster { job in
      try job.claim()
      guard job.submission > 1 else {
        try job.report(.refused, message: "/data cannot be entered", mayRetry: true)
        try job.end(code: 1)
        return .ended(.failed, node: job.node)
      }
      return try job.work()
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], ["n1"]])
    #expect(driven.notices == ["t: job 101_0 with task run/a is refused: /data cannot be entered"])
  }

  @Test func whatEveryNodeRefusesIsFinal() async throws {
    let cluster = FakeCluster { job in
      try job.claim()
      try job.report(.refused, message: "/data cannot be entered", mayRetry: true)
      try job.end(code: 1)
      return .ended(.failed, node: job.node)
    }
    let text = try #require(try await Driven(bench, cluster).submit(["a"]).finish(1)["a"])
    #expect(text.hasPrefix("/data cannot be entered (job 103_0 on n3, exit code 1)"), "\(text)")
  }

  private func losing(_ nodes: String) -> FakeCluster {
    FakeCluster { job in
      guard job.submission == 1 else { return try job.work() }
      _ = try job.die(.nodeFailure)
      return .ended(.nodeFailure, node: nodes)
    }
  }

  /// The other seven are needed.
  @Test func ofSeveralNodesTheBrokenOneIsKeptAwayFrom() async throws {
    let cluster = losing("n[1-8]")
    cluster.state.with { $0.broken = ["n3"] }
    #expect(try await Driven(bench, cluster).submit(["a"]).finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], ["n3"]])
    #expect(cluster.state.with { $0.nodesAsked } == ["n[1-8]"])
  }

  @Test func ifNoneCanBeToldNoneIsKeptAwayFrom() async throws {
    let cluster = losing("n1,n2")
    #expect(try await Driven(bench, cluster).submit(["a"]).finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], []])
  }

  @Test func aRefusalWithoutTheBrokenNodesIsNotFinal() async throws {
    let refusal = ClusterError(.refused, "sbatch", "refuses: Requested node configuration is not available")
    let cluster = FakeCluster(
      job: { job in job.submission == 1 ? try job.die(.nodeFailure) : try job.work() },
      refusing: { $0 == 2 ? refusal : nil })
    #expect(try await Driven(bench, cluster).submit(["a"]).finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], ["n1"], []])
  }

  @Test func jobsThatCannotStartWithoutTheBrokenNodesAreSubmittedWithThem() async throws {
    let cluster = FakeCluster { job in
      switch job.submission {
      case 1: try job.die(.nodeFailure)
      case 2: .waiting(reason: "Never")
      default: try job.work()
      }
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], ["n1"], []])
    #expect(driven.notices.last == "t: job 102_0 with task run/a cannot start (Never) away from broken nodes")
    #expect(cluster.state.with { $0.cancellations.contains { $0.jobs == ["102"] && $0.waitingOnly } })
  }

  @Test func whatSinfoSaysOfNodesIsRead() {
    let text = """
      n1 idle
      n2 down*
      n3 alloc
      n4 drng
      n4 drng
      n5 mix*
      n6 drain
      n7 fail
      n8 comp
      n9 idle~
      """
    #expect(SlurmQueue.broken(text) == ["n2", "n4", "n5", "n6", "n7"])
    #expect(SlurmQueue.broken("") == [])
  }

  @Test func onlyAFewNodesAreKeptAwayFrom() {
    var avoided = AvoidedNodes()
    for node in 1...12 { avoided.add("n\(node)") }
    avoided.add("n5")
    #expect(avoided.names == ["n10", "n11", "n12", "n5", "n6", "n7", "n8", "n9"])
    avoided.forget()
    #expect(avoided.names == [])
  }

  // MARK: Limits

  @Test func aBatchThatIsTooLargeIsHalved() async throws {
    let cluster = FakeCluster()
    cluster.state.with { $0.limit = 3 }
    let keys = (0..<10).map { "\($0)" }
    let driven = try Driven(bench, cluster).submit(keys)
    let words = try await driven.finish(10)
    #expect(words.values.allSatisfy { $0 == "finished" })
    let counts = submitted(cluster).map(\.groups.count)
    #expect(counts.prefix(3) == [10, 5, 5])
    #expect(counts.dropFirst(3).allSatisfy { $0 <= 2 })
    #expect(counts.dropFirst(3).reduce(0, +) == 10, "none is submitted twice")
    #expect(driven.notices.first == "Fake does not accept 10 jobs at once; 5 are tried")
  }

  /// Jobs that wait count too.
  @Test func jobsBeyondTheMostAreKeptBack() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster { job in
      guard job.submission > 1 else {
        jobs.with { $0.append(job) }
        return .running(node: job.node)
      }
      return try job.work()
    }
    var profile = bench.profile()
    profile.mostSubmitted = 2
    let driven = try Driven(bench, cluster, profile: profile).submit(["a", "b", "c"])
    try await works(until: "the first jobs") { jobs.with { $0.count } == 2 }
    let asked = cluster.state.with { $0.questions }
    try await works(until: "questions") { cluster.state.with { $0.questions } > asked + 5 }
    #expect(submitted(cluster).map(\.groups.count) == [2])
    for job in jobs.with({ $0 }) { try job.work() }
    #expect(try await driven.finish(3).values.allSatisfy { $0 == "finished" })
    #expect(submitted(cluster).map(\.groups.count) == [2, 1])
  }

  @Test func bothLimitsOnArraysCount() {
    let text = """
      MaxArraySize            = 1001
      MaxJobCount             = 10000
      SchedulerParameters     = sched_interval=1, max_array_tasks=200,bf_max_job_test=5
      """
    #expect(SlurmQueue.mostGroups(text) == 200)
    #expect(SlurmQueue.mostGroups(text.replacing("max_array_tasks", with: "other")) == 1001)
    #expect(SlurmQueue.mostGroups("SchedulerParameters = (null)") == 1001)
  }
}
