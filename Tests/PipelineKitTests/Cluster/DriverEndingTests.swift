import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// The driver of jobs around a scheduler that refuses or is away, around other drivers, and at its own end.
@Suite struct DriverEndingTests {
  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  private func submitted(_ cluster: FakeCluster) -> [JobBatch] { cluster.state.with { $0.submitted } }

  /// A cluster whose jobs wait for the test: they run and do nothing.
  private func waiting(_ jobs: Monitor<[FakeJob]>) -> FakeCluster {
    FakeCluster { job in
      jobs.with { $0.append(job) }
      return .running(node: job.node)
    }
  }

  // MARK: The scheduler

  @Test func nothingIsConcludedWhileTheSchedulerIsAway() async throws {
    let cluster = FakeCluster { job in
      // The first task's job has died, but who would say so?
      if job.group == 0, job.submission == 1 { return try job.die(.failed) }
      return try job.work()
    }
    cluster.state.with { $0.isSilent = true }
    let driven = try Driven(bench, cluster).submit(["a", "b"])
    // What the jobs write is read meanwhile.
    try await works(until: "the other task") { driven.words == ["b": "finished"] }
    let asked = cluster.state.with { $0.questions }
    try await works(until: "more questions") { cluster.state.with { $0.questions } > asked + 15 }
    #expect(driven.words == ["b": "finished"])
    #expect(driven.notices == ["Fake does not answer (is away); the jobs' files are watched meanwhile"])
    #expect(submitted(cluster).count == 1)
    cluster.state.with { $0.isSilent = false }
    #expect(try await driven.finish(2)["a"] == "finished")
    #expect(driven.notices.dropFirst().first == "Fake answers again")
    #expect(submitted(cluster).map(\.groups.count) == [2, 1])
  }

  /// A scheduler that comes back may have lost jobs, and ends those that it does not know: nobody has cancelled them.
  @Test func aJobThatARecoveringSchedulerCancelsGoesOnInAnother() async throws {
    let cluster = FakeCluster { job in job.submission == 1 ? try job.die(.cancelled) : try job.work() }
    cluster.state.with { $0.isSilent = true }
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "a notice") { !driven.notices.isEmpty }
    cluster.state.with { $0.isSilent = false }
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).map(\.excluded) == [[], []])
    #expect(driven.notices.last == "t: job 101_0 with task run/a was cancelled while the scheduler recovered")
  }

  /// A job that has written down its end needs no scheduler to be judged.
  @Test func aJobsOwnEndCountsWhileTheSchedulerIsAway() async throws {
    let cluster = FakeCluster { job in job.submission == 1 ? try job.die(.failed, code: 9) : try job.work() }
    cluster.state.with { $0.isSilent = true }
    let driven = try Driven(bench, cluster).submit(["a"])
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 2)
  }

  @Test func aRefusalFailsTheTasksAndSaysWhatWasAskedFor() async throws {
    let cluster = FakeCluster(refusing: { _ in
      ClusterError(.refused, "sbatch", "refuses: Invalid partition", hint: "Correct it.")
    })
    let words = try await Driven(bench, cluster).submit(["a", "b"]).finish(2)
    let text = "sbatch: refuses: Invalid partition (asked for 1 core, 512 MiB, 01:00:00). Correct it."
    #expect(words == ["a": text, "b": text])
    #expect(submitted(cluster).count == 1)
    #expect(bench.batches == [])
  }

  @Test func aLimitIsWaitedForWhileOwnJobsAreOpen() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster(
      mostGroups: 1,
      job: { job in
        if job.submission == 1 {
          jobs.with { $0.append(job) }
          return .running(node: job.node)
        }
        return try job.work()
      }, refusing: { $0 == 2 ? ClusterError(.limited, "sbatch", "too many jobs") : nil })
    let driven = try Driven(bench, cluster).submit(["a", "b"])
    let first = jobs.wait { $0.first }
    try await works(until: "another attempt") { driven.words["b"] == "finished" }
    #expect(submitted(cluster).map(\.number) == [1, 2, 2])
    try first.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await driven.finish(2) == ["a": "finished", "b": "finished"])
  }

  @Test func aLimitWithoutOwnJobsIsARefusal() async throws {
    let cluster = FakeCluster(refusing: { _ in ClusterError(.limited, "sbatch", "too many jobs") })
    let words = try await Driven(bench, cluster).submit(["a"]).finish(1)
    #expect(words["a"]?.hasPrefix("sbatch: too many jobs (asked for ") == true, "\(words)")
    #expect(submitted(cluster).count == 1)
  }

  @Test func aJobThatCanNeverStartIsGivenUpAndTheOthersGoOn() async throws {
    let cluster = FakeCluster { job in
      job.group == 0 ? .waiting(reason: "Never") : try job.work()
    }
    let driven = try Driven(bench, cluster).submit(["a", "b"])
    let words = try await driven.finish(2)
    #expect(words["b"] == "finished")
    #expect(
      words["a"] == "its job 101_0 can never start: Fake says Never for 1 core, 512 MiB, 01:00:00. Correct the profile "
        + "(`pipeline profile check`), and run again.")
    #expect(cluster.state.with { $0.cancellations.allSatisfy { $0.jobs == ["101"] && $0.waitingOnly } })
    #expect(bench.batches == [])
  }

  /// They are cancelled too, and nobody else has done that.
  @Test func allJobsThatAskForTheSameAreGivenUp() async throws {
    let cluster = FakeCluster { .waiting(reason: $0.group == 1 ? "Never" : "Priority") }
    let driven = try Driven(bench, cluster).submit(["a", "b", "c"])
    let words = try await driven.finish(3)
    #expect(Set(words.keys) == ["a", "b", "c"])
    for text in words.values { #expect(text.contains(" can never start: Fake says Never for "), "\(text)") }
  }

  @Test func aJobThatWaitsForItsTurnIsWaitedFor() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster { job in
      jobs.with { $0.append(job) }
      return .waiting(reason: "Priority")
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    let job = jobs.wait { $0.first }
    try await works(until: "questions") { cluster.state.with { $0.questions } > 15 }
    #expect(driven.words == [:])
    #expect(driven.control("a")?.isQueued == true)
    #expect(driven.control("a")?.queueReason == "Priority")
    try job.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 1)
  }

  // MARK: Lost answers

  private let silence = ClusterError(.silent, "sbatch", "timed out")

  @Test func aSubmissionWhoseAnswerIsLostIsFoundByItsName() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster(
      job: { job in
        jobs.with { $0.append(job) }
        return .running(node: job.node)
      }, losing: { [silence] _ in silence })
    let driven = try Driven(bench, cluster).submit(["a"])
    let job = jobs.wait { $0.first }
    cluster.state.with { $0.numbers[job.batch.jobName] = job.number }
    try await works(until: "its number is written down") { job.folder.readJobs() == ["101"] }
    try job.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await driven.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 1)
  }

  @Test func aSubmissionThatNobodyHeardIsMadeAgain() async throws {
    let cluster = FakeCluster(refusing: { [silence] in $0 == 1 ? silence : nil })
    #expect(try await Driven(bench, cluster).submit(["a"]).finish(1) == ["a": "finished"])
    let batches = submitted(cluster)
    #expect(batches.count == 2)
    #expect(batches[0].id == batches[1].id)
    #expect(cluster.state.with { Set($0.namesAsked) } == [batches[0].jobName])
  }

  /// It ran, and the scheduler has forgotten it.
  @Test func aLostJobThatHasBegunIsNotSubmittedAgain() async throws {
    let cluster = FakeCluster(losing: { [silence] in $0 == 1 ? silence : nil })
    #expect(try await Driven(bench, cluster).submit(["a"]).finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 1)
  }

  // MARK: Several drivers

  /// A driver that leaves a job behind, which runs.
  private func leave(_ cluster: FakeCluster, _ jobs: Monitor<[FakeJob]>, directory: String? = nil) async throws
    -> FakeJob
  {
    let driven = try Driven(bench, cluster).submit(["a"], directory: directory)
    let job = jobs.wait { $0.first }
    try await works(until: "the job's number") { job.folder.readJobs() == ["101"] }
    driven.executor.end(with: .leave)
    #expect(try await driven.finish(1) == ["a": "stopped"])
    #expect(bench.batches == [job.batch.id])
    #expect(cluster.state.with { $0.cancellations.isEmpty })
    return job
  }

  @Test func theNextDriverTakesOverTheJobsThatAreLeft() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    let job = try await leave(cluster, jobs)
    let next = try Driven(bench, cluster, run: 2).submit(["a"])
    try await works(until: "a notice") {
      next.notices == ["jobs of an earlier run are found (1); their tasks are not submitted again"]
    }
    try job.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await next.finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 1)
    #expect(bench.batches == [])
  }

  @Test func whatALeftJobHasFinishedMeanwhileIsNotSubmittedAgain() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    try await leave(cluster, jobs).work()
    cluster.state.with { $0.states = [:] }
    #expect(try await Driven(bench, cluster, run: 2).submit(["a"]).finish(1) == ["a": "finished"])
    #expect(submitted(cluster).count == 1)
  }

  @Test func aTaskThatWentToALaterJobIsNotLookedForInTheEarlierOne() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    let job = try await leave(cluster, jobs)
    try job.folder.move("a")
    let next = try Driven(bench, cluster, run: 2).submit(["a"])
    try await works(until: "a job of its own") { submitted(cluster).count == 2 }
    cluster.state.with { $0.states[job.number] = nil }
    let second = jobs.with { $0[1] }
    try second.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await next.finish(1) == ["a": "finished"])
  }

  @Test func jobsThatWereCancelledHaveEndedBeforeTheirTasksAreDoneAnew() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    let job = try await leave(cluster, jobs)
    try FileSystem.write([], to: job.folder.void)
    cluster.state.with { $0.endsSlowly = true }
    let next = try Driven(bench, cluster, run: 2).submit(["a"])
    try await works(until: "it is cancelled") {
      cluster.state.with { $0.cancellations.contains { $0.jobs == ["101"] } }
    }
    let asked = cluster.state.with { $0.questions }
    try await works(until: "questions") { cluster.state.with { $0.questions } > asked + 5 }
    #expect(submitted(cluster).count == 1)
    cluster.state.with { $0.end(["101"]) }
    try await works(until: "a new job") { jobs.with { $0.count } == 2 }
    try jobs.with { $0[1] }.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await next.finish(1) == ["a": "finished"])
  }

  @Test func aBatchThatCannotBeReadKeepsTheRunFromStarting() throws {
    try FileSystem.makeDirectory(bench.store.root + "/jobs/1-2-x")
    try FileSystem.makeDirectory(bench.store.root + "/jobs/1-1-y")
    try FileSystem.write(Array("{\"format\":1".utf8), to: bench.store.root + "/jobs/1-2-x/batch.json")
    let error = #expect(throws: RunError.self) { try Driven(bench, FakeCluster()) }
    #expect(error?.code == .damaged)
    #expect(error?.description.contains("'pipeline-1-2-x'") == true, "\(String(describing: error))")
    // Nothing was submitted of the other one, whose description was never written.
    #expect(!bench.batches.contains("1-1-y"))
    #expect(try JobList(store: bench.store.root, isStrict: false).jobs.isEmpty)
  }

  @Test func aRunWithoutAClusterIsRefusedWhileJobsMayWork() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    let job = try await leave(cluster, jobs)
    let run = try PipelineRun(graph: bench.graph, store: bench.store, settings: .init())
    #expect(throws: RunError.self) { try run.run() }
    let list = try JobList(store: bench.store.root, isStrict: true)
    #expect(list.jobs.map(\.numbers) == [["101"]])
    #expect(try list.cancel(cluster) == [])
    #expect(!FileSystem.exists(job.folder.path))
    #expect(try run.run() == .done)
  }

  // MARK: Another plan

  @Test func jobsOfAnOlderPlanEndBeforeTheirFoldersAreTakenOver() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    _ = try await leave(cluster, jobs)
    cluster.state.with { $0.endsSlowly = true }
    let next = try Driven(bench, cluster, run: 2)
    // Its own plan goes on, and another stage's.
    try next.executor.release(stage: "t", keeping: bench.directory)
    try next.executor.release(stage: "other", keeping: nil)
    let isReleased = Monitor(false)
    let thread = BackgroundThread { [executor = next.executor] in
      do { try executor.release(stage: "t", keeping: "/another") } catch { Issue.record("\(error)") }
      isReleased.with { $0 = true }
    }
    try await works(until: "it is cancelled") {
      cluster.state.with { $0.cancellations.contains { $0.jobs == ["101"] } }
    }
    let asked = cluster.state.with { $0.questions }
    try await works(until: "questions") { cluster.state.with { $0.questions } > asked + 5 }
    #expect(!isReleased.with { $0 })
    cluster.state.with { $0.end(["101"]) }
    thread?.join()
    #expect(isReleased.with { $0 })
    next.executor.end()
    #expect(bench.batches == [])
  }

  /// A job whose number is not known may be alive like any other.
  @Test func jobsOfAnOlderPlanAreFoundBeforeTheyAreTakenForEnded() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    let job = try await leave(cluster, jobs)
    try FileSystem.remove(job.folder.job)
    cluster.state.with {
      $0.numbers[job.batch.jobName] = job.number
      $0.endsSlowly = true
    }
    let next = try Driven(bench, cluster, run: 2)
    let isReleased = Monitor(false)
    let thread = BackgroundThread { [executor = next.executor] in
      do { try executor.release(stage: "t", keeping: "/another") } catch { Issue.record("\(error)") }
      isReleased.with { $0 = true }
    }
    try await works(until: "it is cancelled") {
      cluster.state.with { $0.cancellations.contains { $0.jobs == ["101"] } }
    }
    #expect(!isReleased.with { $0 })
    cluster.state.with { $0.end(["101"]) }
    thread?.join()
    next.executor.end()
    #expect(bench.batches == [])
  }

  // MARK: The end

  /// One task runs, one waits.
  private func twoJobs(_ jobs: Monitor<[FakeJob]>) -> FakeCluster {
    FakeCluster { job in
      jobs.with { $0.append(job) }
      return job.group == 0 ? .running(node: job.node) : .waiting(reason: "Priority")
    }
  }

  @Test func drainingLetsWhatRunsFinish() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = twoJobs(jobs)
    let driven = try Driven(bench, cluster).submit(["a", "b"])
    try await works(until: "the jobs") { jobs.with { $0.first?.folder.readJobs() } == ["101"] }
    driven.executor.stop()
    try await works(until: "the end of what waits") { driven.words == ["b": "stopped"] }
    let job = jobs.with { $0[0] }
    #expect(FileSystem.exists(job.folder.stop))
    #expect(!FileSystem.exists(job.folder.void))
    #expect(cluster.state.with { $0.cancellations.map(\.waitingOnly) } == [true])
    try job.work()
    cluster.state.with { $0.states = [:] }
    #expect(try await driven.finish(2) == ["a": "finished", "b": "stopped"])
    #expect(bench.batches == [])
  }

  /// Else the run would wait until they have had their turn.
  @Test func jobsThatAreSubmittedWhileTheRunDrainsAreTakenBack() async throws {
    let isDraining = Monitor(false)
    let cluster = FakeCluster { _ in
      _ = isDraining.wait { $0 ? true : nil }
      return .waiting(reason: "Priority")
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "the submission") { submitted(cluster).count == 1 }
    driven.executor.stop()
    // Heard while the scheduler is being asked.
    usleep(300_000)
    isDraining.with { $0 = true }
    #expect(try await driven.finish(1) == ["a": "stopped"])
    #expect(cluster.state.with { $0.cancellations.contains { $0.jobs == ["101"] && $0.waitingOnly } })
  }

  @Test(arguments: [ClusterExecutor.Ending.drain, .cancel])
  func jobsAreCancelledWhenTheSchedulerIsBack(ending: ClusterExecutor.Ending) async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = FakeCluster { job in
      jobs.with { $0.append(job) }
      return .waiting(reason: "Priority")
    }
    let driven = try Driven(bench, cluster).submit(["a"])
    try await works(until: "the job") { jobs.with { $0.first?.folder.readJobs() } == ["101"] }
    cluster.state.with { $0.isSilent = true }
    driven.executor.end(with: ending)
    try await works(until: "a notice") { driven.notices.contains("jobs cannot be cancelled: fake: is away.") }
    #expect(driven.words == [:])
    cluster.state.with { $0.isSilent = false }
    #expect(try await driven.finish(1) == ["a": "stopped"])
    #expect(cluster.state.with { $0.cancellations.last?.waitingOnly } == (ending == .drain))
    #expect(driven.notices.count { $0.hasPrefix("jobs cannot be cancelled") } == 1)
  }

  @Test func cancellingEndsAllJobs() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = twoJobs(jobs)
    let driven = try Driven(bench, cluster).submit(["a", "b"])
    try await works(until: "the jobs") { jobs.with { $0.first?.folder.readJobs() } == ["101"] }
    driven.executor.end(with: .cancel)
    #expect(try await driven.finish(2) == ["a": "stopped", "b": "stopped"])
    #expect(cluster.state.with { $0.cancellations.map(\.waitingOnly) } == [false])
    #expect(bench.batches == [])
  }

  @Test func aStrongerEndingReplacesAWeakerOne() async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = twoJobs(jobs)
    let driven = try Driven(bench, cluster).submit(["a", "b"])
    try await works(until: "the jobs") { jobs.with { $0.first?.folder.readJobs() } == ["101"] }
    driven.executor.end(with: .cancel)
    driven.executor.stop()
    #expect(try await driven.finish(2) == ["a": "stopped", "b": "stopped"])
    #expect(cluster.state.with { $0.cancellations.contains { !$0.waitingOnly } })
  }

  @Test func whatIsNotYetSubmittedIsGivenUpWhenItsRunLeaves() async throws {
    let cluster = FakeCluster(refusing: { _ in ClusterError(.silent, "sbatch", "timed out") })
    let driven = try Driven(bench, cluster)
    driven.executor.end(with: .leave)
    driven.submit(["a"])
    #expect(try await driven.finish(1) == ["a": "stopped"])
    // And what comes after the end is not begun.
    driven.submit(["b"])
    #expect(driven.words["b"] == "stopped")
    #expect(submitted(cluster).isEmpty)
    #expect(bench.batches == [])
  }

  /// Nobody reports of a task that waits for the end of jobs, except the driver.
  @Test(arguments: [ClusterExecutor.Ending.drain, .leave, .cancel])
  func tasksThatWaitForCancelledJobsAreGivenUpAtTheEnd(ending: ClusterExecutor.Ending) async throws {
    let jobs = Monitor<[FakeJob]>([])
    let cluster = waiting(jobs)
    let job = try await leave(cluster, jobs)
    try FileSystem.write([], to: job.folder.void)
    cluster.state.with { $0.endsSlowly = true }
    let next = try Driven(bench, cluster, run: 2).submit(["a"])
    try await works(until: "it is cancelled") { cluster.state.with { !$0.cancellations.isEmpty } }
    next.executor.end(with: ending)
    try await works(until: "the task is reported") { next.words == ["a": "stopped"] }
    cluster.state.with { $0.end(["101"]) }
    next.executor.end()
    #expect(submitted(cluster).count == 1)
  }

  @Test func tasksThatWaitForServersStayInTheDriver() throws {
    let text = """
      { "format": 1, "name": "p", "stages": { "get": { "use": "fake.crawl" }, "t": { "use": "test.write" },
        "mine": { "use": "test.write" } } }
      """
    let registry = StageRegistry(StageRegistry.fake.stages + StageRegistry.writing.stages)
    let graph = try Graph(PipelineSpec.parse(Array(text.utf8), path: "/p.json"), registry: registry)
    var profile = bench.profile()
    profile.driver = ["mine"]
    let executor = ClusterExecutor(FakeCluster(), profile: profile, store: bench.store)
    #expect(graph.nodes.map { executor.takes($0, phase: 0) } == [false, true, false])
  }
}
