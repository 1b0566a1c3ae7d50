import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// The driver of jobs against a scheduler that says what it is told to.
@Suite struct ClusterDriverTests {
  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  private func outcome(
    _ cluster: FakeCluster, _ keys: [String] = ["a"], _ change: (inout SiteProfile) -> Void = { _ in }
  ) async throws -> (words: [String: String], notices: [String]) {
    var profile = bench.profile()
    change(&profile)
    let driven = try Driven(bench, cluster, profile: profile).submit(keys)
    return (try await driven.finish(keys.count), driven.notices)
  }

  private func submitted(_ cluster: FakeCluster) -> [JobBatch] { cluster.state.with { $0.submitted } }

  // MARK: Work

  @Test func finishedTasksAreReportedAndTheirFoldersRemoved() async throws {
    let cluster = FakeCluster()
    let (words, notices) = try await outcome(cluster, ["a", "b", "c"])
    #expect(words == ["a": "finished", "b": "finished", "c": "finished"])
    #expect(notices == [])
    #expect(bench.batches == [])
    let batches = submitted(cluster)
    #expect(batches.map(\.groups) == [[[0], [1], [2]]])
    #expect(batches[0].jobName == "pipeline-\(batches[0].id)")
    #expect(batches[0].program.path == "/bin/true")
    #expect(try FileSystem.read(bench.directory + "/files/b") == Array("b".utf8))
  }

  @Test func tasksThatShareAJobAreOneGroup() async throws {
    let cluster = FakeCluster()
    let (words, _) = try await outcome(cluster, ["a", "b", "c"]) { $0.resources = [:] }
    #expect(words.values.allSatisfy { $0 == "finished" })
    #expect(submitted(cluster).map(\.groups) == [[[0, 1, 2]]])
  }

  /// Slurm's `MaxArraySize` limits the index.
  @Test func moreJobsThanAnArrayHoldsAreSeveralBatches() async throws {
    let cluster = FakeCluster(mostGroups: 2)
    let (words, _) = try await outcome(cluster, ["a", "b", "c", "d", "e"]) { $0.maximumJobs = 7 }
    #expect(words.count == 5)
    #expect(submitted(cluster).map(\.groups.count) == [2, 2, 1])
    #expect(submitted(cluster).map(\.mostRunning) == [2, 2, 2])
  }

  @Test func aWholeRunGoesThroughTheCluster() throws {
    let cluster = FakeCluster { job in job.submission == 1 && job.group == 1 ? try job.die(.preempted) : try job.work()
    }
    for _ in 0..<2 {
      var run = try PipelineRun(graph: bench.graph, store: bench.store, settings: .init())
      run.cluster = ClusterExecutor(cluster, profile: bench.profile(), store: bench.store)
      var finished = 0
      let outcome = try run.run(listen: { if case .taskFinished = $0 { finished += 1 } })
      #expect(outcome == .done)
      #expect([0, 3].contains(finished))
    }
    // The second run has nothing to do.
    #expect(submitted(cluster).map(\.groups.count) == [3, 1])
  }

  @Test func whatATaskSaysOfItsFailureIsPassedOn() async throws {
    for mayRetry in [true, false] {
      let cluster = FakeCluster { job in
        let task = try job.tasks()[0]
        try job.report(.began, task)
        try job.report(.failed, task, message: "it is bad", mayRetry: mayRetry)
        try job.end(code: 0)
        return .ended(.completed, node: job.node)
      }
      let text = try #require(try await outcome(cluster).words["a"])
      #expect(text.hasPrefix((mayRetry ? "again: " : "") + "it is bad (job 101_0 on n1; its log is "))
      #expect(text.hasSuffix("/logs/1/t/run-a.1.log)"))
    }
  }

  // MARK: Nobody's fault

  @Test func aLostNodeIsNotTheTasksFaultAndIsKeptAwayFrom() async throws {
    let records = Monitor<[JobTask]>([])
    let cluster = FakeCluster { job in
      let task = try job.tasks()[0]
      records.with { $0.append(task) }
      return job.submission < 4 ? try job.die(.nodeFailure) : try job.work()
    }
    let (words, notices) = try await outcome(cluster)
    #expect(words == ["a": "finished"])
    #expect(notices.first == "t: job 101_0 with task run/a lost its node on n1")
    #expect(submitted(cluster).map(\.excluded) == [[], ["n1"], ["n1", "n2"], ["n1", "n2", "n3"]])
    #expect(records.with { $0.map(\.deaths) } == [0, 0, 0, 0])
    #expect(records.with { $0.map(\.lostNodes) } == [0, 1, 2, 3])
  }

  @Test func aTaskThatLosesEveryNodeIsGivenUp() async throws {
    let cluster = FakeCluster { try $0.die(.nodeFailure) }
    let text = try #require(try await outcome(cluster) { $0.mostDeaths = 1 }.words["a"])
    #expect(text.hasPrefix("the task lost its node 2 times (job 102_0 on n2)"), "\(text)")
    #expect(submitted(cluster).count == 2)
  }

  @Test func preemptionIsNotCounted() async throws {
    let cluster = FakeCluster { job in job.submission < 4 ? try job.die(.preempted) : try job.work() }
    let (words, notices) = try await outcome(cluster) { $0.mostDeaths = 2 }
    #expect(words == ["a": "finished"])
    #expect(notices.count == 3)
    #expect(notices[0] == "t: job 101_0 with task run/a was preempted")
    #expect(submitted(cluster).allSatisfy { $0.excluded.isEmpty })
  }

  /// A job may be preempted before its program has started.
  @Test func preemptionBeforeATaskIsNotCountedEither() async throws {
    let cluster = FakeCluster { job in
      job.submission < 4 ? .ended(.preempted, node: job.node) : try job.work()
    }
    #expect(try await outcome(cluster) { $0.mostDeaths = 2 }.words == ["a": "finished"])
  }

  @Test func aTaskStoppedAtASafePointGoesOn() async throws {
    let cluster = FakeCluster { job in
      guard job.submission == 1 else { return try job.work() }
      let task = try job.tasks()[0]
      try job.report(.began, task)
      try job.report(.stopped, task)
      try job.end(code: 0)
      return .ended(.timeLimit, node: job.node)
    }
    let (words, notices) = try await outcome(cluster)
    #expect(words == ["a": "finished"])
    #expect(notices == ["t: job 101_0 with task run/a stopped at a safe point; it continues in another job"])
    #expect(submitted(cluster).map(\.request.seconds) == [3600, 3600])
  }

  /// Preemption may warn a job first, which then stops its task.
  @Test func aWarnedPreemptionIsNotCounted() async throws {
    let cluster = FakeCluster { job in
      guard job.submission < 4 else { return try job.work() }
      let task = try job.tasks()[0]
      try job.report(.began, task)
      try job.report(.stopped, task)
      return .ended(.preempted, node: job.node)
    }
    #expect(try await outcome(cluster) { $0.mostDeaths = 2 }.words == ["a": "finished"])
  }

  @Test func nodesThatBreakBeforeATaskAreKeptAwayFrom() async throws {
    let cluster = FakeCluster { job in
      job.submission < 4 ? .ended(.nodeFailure, node: job.node) : try job.work()
    }
    let (words, notices) = try await outcome(cluster) { $0.mostDeaths = 2 }
    #expect(words["a"]?.hasPrefix("the task lost") == false, "\(words)")
    #expect(notices.first == "t: job 101_0 with task run/a lost its node before it began a task on n1")
    #expect(submitted(cluster).last?.excluded == ["n1", "n2", "n3"])
  }

  @Test func aTaskThatIsStoppedAtOnceAgainAndAgainIsGivenUp() async throws {
    let cluster = FakeCluster { job in
      let task = try job.tasks()[0]
      try job.report(.began, task)
      try job.report(.stopped, task)
      return .ended(.completed, node: job.node)
    }
    let text = try #require(try await outcome(cluster) { $0.mostDeaths = 2 }.words["a"])
    #expect(text.hasPrefix("the task was stopped 2 times without having got any further"), "\(text)")
  }

  // MARK: Deaths

  @Test func aTaskThatEndsItsJobsIsNamedWithItsFileAndOthersGoOn() async throws {
    let cluster = FakeCluster { job in
      for task in try job.tasks() {
        try job.report(.began, task)
        if task.key == "poison" {
          try FileSystem.write(Array("it says: segmentation fault\n".utf8), to: job.folder.output(job.group))
          try job.end(code: 139)
          return .ended(.failed, node: job.node)
        }
        try job.finish(task)
      }
      try job.end(code: 0)
      return .ended(.completed, node: job.node)
    }
    let (words, notices) = try await outcome(cluster, ["a", "poison", "z"]) { $0.resources = [:] }
    #expect(words["a"] == "finished")
    #expect(words["z"] == "finished")
    let text = try #require(words["poison"])
    #expect(
      text.hasPrefix("the task ended 3 jobs (was killed by signal 11); it reads \(bench.folder)/poison.jsonl (job "))
    #expect(text.contains(", exit code 139)\n  it says: segmentation fault"), "\(text)")
    #expect(notices.count == 2, "\(notices)")
    // From the second job on it is alone.
    #expect(submitted(cluster).map { $0.groups.map(\.count) } == [[3], [1, 1], [1]])
  }

  @Test func aJobThatDiesBeforeItBeginsIsTriedAgainAFewTimes() async throws {
    let cluster = FakeCluster { job in
      try job.end(code: 127)
      return .ended(.failed, node: job.node)
    }
    let text = try #require(try await outcome(cluster).words["a"])
    #expect(
      text.hasPrefix("its job failed before it began any task, in 3 attempts (job 103_0 on n3, exit code 127)"),
      "\(text)")
    #expect(submitted(cluster).count == 3)
  }

  @Test func aSetupThatFailsIsNamed() async throws {
    let cluster = FakeCluster { job in
      let text = "setup failed: 'module load cuda/99' (exit code 1)\n"
      try FileSystem.write(Array(text.utf8), to: job.folder.output(job.group))
      try job.end(code: 77)
      return .ended(.failed, node: job.node)
    }
    let (words, notices) = try await outcome(cluster)
    let text = "failed in its setup: 'module load cuda/99' (exit code 1) before it began a"
    #expect(words["a"]?.hasPrefix("its job \(text)ny task, in 3 attempts (job 103_0 on n3, exit code 77)") == true)
    #expect(notices.first == "t: job 101_0 with task run/a \(text) task on n1")
  }

  /// A shell, a module or a container that fails prints nothing anywhere else.
  @Test func whatALostJobPrintedIsKept() async throws {
    let cluster = FakeCluster { job in
      if job.submission > 1 { return try job.work() }
      try FileSystem.write(Array("no such module\n".utf8), to: job.folder.output(job.group))
      return .ended(.failed, node: job.node)
    }
    #expect(try await outcome(cluster).words == ["a": "finished"])
    let logs = TaskLogs(store: bench.store.root).logs(stage: "t", run: 1)
    #expect(logs.map(\.task) == ["job-101_0"])
    #expect(try FileSystem.read(logs[0].path) == Array("no such module\n".utf8))
  }

  @Test func whatIsNotEnoughIsSaidOnce() async throws {
    let notices = try await outcome(FakeCluster(), ["large", "large 2"]).notices
    #expect(notices.count == 1)
    #expect(notices[0].hasPrefix("t: its tasks are estimated to need "), "\(notices)")
  }

  /// All jobs share the store's file system.
  @Test func manyJobsAreLookedAtLessOften() {
    #expect(ClusterDriver.pause(openJobs: 0) == 0)
    #expect(ClusterDriver.pause(openJobs: 500) == 5_000_000_000)
    #expect(ClusterDriver.pause(openJobs: 10_000) == 15_000_000_000)
  }

  @Test func aForgottenJobIsADeathUnlessItsManifestIsThere() async throws {
    let cluster = FakeCluster { job in
      try job.claim()
      let task = try job.tasks()[0]
      try job.report(.began, task)
      // The first job published, and had no time to say so.
      if task.key == "a" || job.submission == 2 { try job.publish(task) }
      return nil
    }
    let (words, notices) = try await outcome(cluster, ["a", "b"])
    #expect(words == ["a": "finished", "b": "finished"])
    #expect(notices == ["t: job 101_1 with task run/b is no longer known to the scheduler on n1"])
    #expect(submitted(cluster).map(\.groups.count) == [2, 1])
  }

  @Test func memoryIsDoubledUpToTheMostThatIsAllowed() async throws {
    let cluster = FakeCluster { try $0.die(.outOfMemory) }
    let (words, notices) = try await outcome(cluster) {
      $0.maximumMemory = .mebibytes(1500)
      $0.mostDeaths = 1
    }
    #expect(submitted(cluster).map { $0.request.memoryBytes >> 20 } == [512, 1024, 1500])
    let text = try #require(words["a"])
    #expect(text.hasPrefix("the task ran out of memory with 1500MiB, the most that the profile allows"), "\(text)")
    #expect(notices.first == "t: job 101_0 with task run/a ran out of memory; its next job has 1GiB")
  }

  /// Without accounting, a process that the kernel has killed is all that is seen of too little memory.
  @Test func aKilledWorkerGetsMoreMemoryAndIsCounted() async throws {
    let cluster = FakeCluster { try $0.die(.failed, code: 137) }
    let text = try #require(try await outcome(cluster).words["a"])
    #expect(text.hasPrefix("the task ended 3 jobs (killed by signal 9)"), "\(text)")
    #expect(submitted(cluster).map { $0.request.memoryBytes >> 20 } == [512, 1024, 2048])
  }

  @Test(arguments: [
    ("slurmstepd: error: Exceeded job memory limit", JobEnd.outOfMemory),
    ("error: Detected 1 oom_kill event", .outOfMemory),
    ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01 DUE TO TIME LIMIT ***", .timeLimit),
    ("*** JOB 7 ON n1 CANCELLED DUE TO NODE FAILURE, SEE SLURMCTLD LOG ***", .nodeFailure),
    ("*** JOB 7 ON n1 CANCELLED DUE TO PREEMPTION ***", .preempted),
  ])
  func whatSlurmWritesAtTheEndCounts(line: String, end: JobEnd) async throws {
    let cluster = FakeCluster { job in
      guard job.submission == 1 else { return try job.work() }
      try FileSystem.write(Array((line + "\n").utf8), to: job.folder.output(0))
      return try job.die(.failed, code: 143)
    }
    let notices = try await outcome(cluster).notices
    #expect(notices.count == 1)
    #expect(notices[0].hasPrefix("t: job 101_0 with task run/a \(end.words)"), "\(notices)")
  }

  @Test func timeIsDoubledUpToTheMostThatIsAllowed() async throws {
    let cluster = FakeCluster { try $0.die(.timeLimit) }
    let words = try await outcome(cluster) { $0.maximumTime = TimeLimit(seconds: 10_000) }.words
    #expect(submitted(cluster).map(\.request.seconds) == [3600, 7200, 10_000])
    let text = try #require(words["a"])
    #expect(
      text.hasPrefix("the task reached the time limit of 02:46:40, the longest that the profile allows"), "\(text)")
  }

  @Test func aHungTaskIsTheStagesMatter() async throws {
    let cluster = FakeCluster { try $0.die(.failed, code: Int(TaskWatch.hungCode)) }
    let text = try #require(try await outcome(cluster).words["a"])
    #expect(text.hasPrefix("again: the task exceeded its timeout and did not stop (job 101_0"), "\(text)")
  }

  @Test func aJobThatSomebodyCancelsIsNotTriedAgain() async throws {
    let cluster = FakeCluster { try $0.die(.cancelled) }
    let text = try #require(try await outcome(cluster).words["a"])
    #expect(text.hasPrefix("its job was cancelled by somebody (job 101_0 on n1)"), "\(text)")
    #expect(submitted(cluster).count == 1)
  }

  @Test func aJobThatCannotWorkSaysWhy() async throws {
    let cluster = FakeCluster { job in
      try job.claim()
      try job.report(.refused, message: "this is another program")
      try job.end(code: 1)
      return .ended(.failed, node: job.node)
    }
    let text = try #require(try await outcome(cluster).words["a"])
    #expect(text.hasPrefix("this is another program (job 101_0 on n1, exit code 1)"), "\(text)")
    #expect(submitted(cluster).count == 1)
  }

  @Test func aManifestThatIsNeverSeenIsAFailure() async throws {
    let cluster = FakeCluster { job in
      let task = try job.tasks()[0]
      try job.report(.began, task)
      try job.report(.finished, task)
      try job.end(code: 0)
      return .ended(.completed, node: job.node)
    }
    let text = try #require(try await outcome(cluster).words["a"])
    #expect(text.hasPrefix("n1 reports that the task is finished, but \(bench.directory)/tasks/run-a.json"), "\(text)")
  }

  @Test func aManifestThatComesLaterCounts() async throws {
    let late = Monitor<(FakeJob, JobTask)?>(nil)
    let cluster = FakeCluster { job in
      let task = try job.tasks()[0]
      try job.report(.began, task)
      try job.report(.finished, task)
      late.with { $0 = (job, task) }
      return .ended(.completed, node: job.node)
    }
    var profile = bench.profile()
    profile.visibilitySeconds = 60
    let driven = try Driven(bench, cluster, profile: profile).submit(["a"])
    let (job, task) = late.wait { $0 }
    usleep(300_000)
    #expect(driven.words == [:])
    try job.publish(task)
    #expect(try await driven.finish(1) == ["a": "finished"])
  }
}
