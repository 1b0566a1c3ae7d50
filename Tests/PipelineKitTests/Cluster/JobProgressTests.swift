import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Long tasks that are stopped, lose their jobs and go on: what counts against them, and what does not.
@Suite struct JobProgressTests {
  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  private func outcome(
    _ cluster: FakeCluster, _ change: (inout SiteProfile) -> Void = { _ in }
  ) async throws -> (text: String, notices: [String]) {
    var profile = bench.profile()
    profile.mostDeaths = 2
    change(&profile)
    let driven = try Driven(bench, cluster, profile: profile).submit(["a"])
    return (try await driven.finish(1)["a"] ?? "", driven.notices)
  }

  private func submitted(_ cluster: FakeCluster) -> [JobBatch] { cluster.state.with { $0.submitted } }

  /// Jobs that stop their task here, until they finish it.
  private func stopping(at fractions: [Double]) -> FakeCluster {
    FakeCluster { job in
      guard job.submission <= fractions.count else { return try job.work() }
      let task = try job.tasks()[0]
      try job.claim()
      try job.report(.began, task)
      try job.report(.stopped, task, fraction: fractions[job.submission - 1])
      try job.end(code: 0)
      return .ended(.completed, node: job.node)
    }
  }

  @Test func aTaskThatIsStoppedGoesOnAsLongAsItGetsFurther() async throws {
    #expect(try await outcome(stopping(at: [0.1, 0.2, 0.3, 0.4])).text == "finished")
    // One job without progress in between is no reason to give up.
    #expect(try await outcome(stopping(at: [0.5, 0.5, 0.6, 0.6, 0.7])).text == "finished")
  }

  @Test func aTaskThatIsStoppedWithoutProgressIsGivenUp() async throws {
    let cluster = stopping(at: [0.5, 0.5, 0.5, 0.5])
    let text = try await outcome(cluster).text
    #expect(
      text.hasPrefix("the task was stopped 2 times without having got any further: allow its jobs more time (job "),
      "\(text)")
    #expect(submitted(cluster).count == 3)
  }

  /// It has said all: nothing can appear later.
  @Test func aTaskThatHasStoppedGoesOnAtOnce() async throws {
    #expect(try await outcome(stopping(at: [0.5])) { $0.visibilitySeconds = 3600 }.text == "finished")
  }

  /// Jobs that end in this way after an hour's work each.
  private func losing(_ end: JobEnd, code: Int? = nil, _ fractions: [Double]) -> FakeCluster {
    FakeCluster { job in
      guard job.submission <= fractions.count else { return try job.work() }
      let said = try job.die(end, code: code)
      let fraction = fractions[job.submission - 1]
      try job.beat(job.tasks()[0], from: max(0.001, fraction - 0.01), fraction: fraction)
      return said
    }
  }

  @Test(arguments: [JobEnd.nodeFailure, .failed])
  func lossesAreForgottenOnceATaskHasGotFurther(end: JobEnd) async throws {
    let cluster = losing(end, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    #expect(try await outcome(cluster).text == "finished")
    #expect(submitted(cluster).count == 7)
  }

  /// It dies at the same point, give or take a moment.
  @Test func lossesAtTheSamePointCount() async throws {
    let cluster = losing(.failed, [0.1, 0.10001, 0.10002, 0.10003])
    #expect(try await outcome(cluster).text.hasPrefix("the task ended 2 jobs"))
    // The first one got further than nothing.
    #expect(submitted(cluster).count == 2)
  }

  @Test func theTimeLimitIsNoFailureOfATaskThatGetsFurther() async throws {
    let cluster = losing(.timeLimit, [0.1, 0.2, 0.3])
    let (text, notices) = try await outcome(cluster) { $0.maximumTime = $0.time }
    #expect(text == "finished")
    #expect(notices[0] == "t: job 101_0 with task run/a reached its time limit; it continues in another job")
  }

  /// The stage has three retries.
  @Test func retriesAreCountedAnewOnceATaskHasGotFurther() async throws {
    let cluster = FakeCluster { job in
      guard job.submission < 6 else { return try job.work() }
      let task = try job.tasks()[0]
      try job.claim()
      try job.report(.began, task)
      try job.beat(task, from: Double(job.submission) / 10 - 0.05, fraction: Double(job.submission) / 10)
      try job.report(.failed, task, message: "lost the others", mayRetry: true)
      try job.end(code: 0)
      return .ended(.completed, node: job.node)
    }
    let (text, notices) = try await outcome(cluster)
    #expect(text == "finished")
    #expect(
      notices[0].hasPrefix(
        "t: job 101_0 with task run/a got further and then failed; it is tried again: lost the others (job 101_0 "))
  }

  @Test func theSpeedOfAJobTellsHowMuchWorkIsNew() {
    var beat = Heartbeat(time: 5000, host: "n1", process: 1, key: "a", documents: 0, bytes: 0)
    #expect(beat.millisecondsBeyond(nil) == nil)
    (beat.fraction, beat.firstFraction, beat.firstTime) = (0.5, 0.25, 1000)
    #expect(beat.millisecondsBeyond(nil) == 4000)
    #expect(beat.millisecondsBeyond(0.375) == 2000)
    #expect(beat.millisecondsBeyond(0.5) == 0)
    beat.time = 1000
    #expect(beat.millisecondsBeyond(nil) == nil)
  }
}
