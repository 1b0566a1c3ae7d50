import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// Runs on a real Slurm of three nodes: the same bytes as here, whatever breaks on the way.
@Suite(.needs(SlurmBench.isPossible, "needs root, slurm-wlm and munge")) struct SlurmRunTests {
  /// Every task of `many.json` with 12 files.
  private static let tasks = 12 + 12 + 2

  private func expectEveryTaskOnce(_ bench: ManyTasks, _ store: String) throws {
    let begun = try bench.begun(store)
    #expect(begun.filter { $0.value != 1 } == [:], "tasks that began more than once")
    #expect(Set(begun.keys) == (try bench.finished(store)))
  }

  @Test func theArtifactsAreThoseOfALocalRun() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    #expect(try await bench.runLocally().status == 0)
    let remote = try await bench.startRun().ended()
    #expect(remote.status == 0, "\(remote.errors)")
    #expect(try bench.artifacts("store") == bench.artifacts("local"))
    #expect(try bench.begun("store").count == Self.tasks)
    try expectEveryTaskOnce(bench, "store")
    // Nothing is left, and nothing runs again.
    #expect(try FileSystem.list(bench.folder + "/store/jobs").isEmpty)
    let again = try await bench.startRun().ended()
    #expect(again.status == 0)
    #expect(!again.output.contains("\"event\":\"task\""))
    let lineage = try await bench.start(["lineage", "many.json", "clean", "--store", "store"]).ended()
    #expect(lineage.output.contains("used     run: 12 tasks on"), "\(lineage.output)")
  }

  @Test func aKilledDriverIsFollowedByOneThatFindsItsJobs() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    #expect(try await bench.runLocally().status == 0)
    var kills = 0
    while kills < 10 {
      let run = try await bench.startRun().killedLater(microseconds: UInt32.random(in: 50_000...1_500_000))
      if run.status != 128 + SIGKILL { break }
      kills += 1
    }
    let last = try await bench.startRun().ended()
    #expect(last.status == 0, "after \(kills) kills: \(last.errors)")
    #expect(try bench.artifacts("store") == bench.artifacts("local"))
    try expectEveryTaskOnce(bench, "store")
  }

  @Test(arguments: ["job.prepared", "job.submitted"])
  func aDriverKilledAroundItsSubmissionSubmitsNothingTwice(point: String) async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    let killed = try await bench.startRun(environment: ["PIPELINE_FAULT": "\(point):2"]).ended()
    #expect(killed.status == 128 + SIGKILL)
    let next = try await bench.startRun().ended()
    #expect(next.status == 0, "\(next.errors)")
    try expectEveryTaskOnce(bench, "store")
  }

  /// Published, but not reported: what counts is the manifest.
  @Test func aJobThatDiesAfterPublishingHasFinishedItsTask() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks(files: 3)
    let run = try await bench.startRun(environment: ["PIPELINE_FAULT": "job.published"]).ended()
    #expect(run.status == 0, "\(run.errors)")
    try expectEveryTaskOnce(bench, "store")
  }

  @Test func tasksOfALostNodeGoToOthers() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    #expect(try await bench.runLocally().status == 0)
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    let node = try await run.atGate(gate) {
      let node = try slurm.ask("squeue", "--noheader", "--states=R", "--format=%N").split(separator: "\n").first.map(
        String.init)
      let lost = try #require(node)
      try slurm.control("node", lost, "kill")
      try slurm.ask("scontrol", "update", "NodeName=\(lost)", "State=DOWN", "Reason=test")
      return lost
    }
    let result = try await run.finish(opening: gate)
    #expect(result.status == 0, "\(result.story)")
    let notices = try messages(result.output, of: "notice")
    #expect(notices.contains { $0.contains("lost its node on \(node)") }, "\(notices)")
    #expect(try bench.artifacts("store") == bench.artifacts("local"))
  }

  @Test func aControllerThatIsAwayForAWhileFailsNothing() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    try await run.atGate(gate) { try slurm.control("controller", "stop") }
    try await run.reaches("a notice") { try run.outputSoFar().contains("Slurm does not ") }
    try slurm.control("controller", "start")
    let result = try await run.finish(opening: gate)
    #expect(result.status == 0, "\(result.story)")
    let notices = try messages(result.output, of: "notice")
    #expect(notices.contains { $0.hasPrefix("Slurm does not ") }, "\(notices)")
    // Jobs that the killed controller had not written down yet are run again.
    #expect(Set(try bench.begun("store").keys) == (try bench.finished("store")))
  }

  @Test func aJobThatSomebodyCancelsStopsTheRun() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    try await run.reaches("the gate") { FileSystem.exists(gate) }
    try slurm.ask("scancel", "--user=root")
    let result = try await run.ended()
    try? FileSystem.remove(gate)
    #expect(result.status == 1)
    let failures = try messages(result.output, of: "stageFailed")
    #expect(failures.count == 1)
    #expect(failures[0].hasPrefix("its job was cancelled by somebody (job "), "\(failures)")
    let next = try await bench.startRun().ended()
    #expect(next.status == 0, "\(next.errors)")
  }

  @Test func aJobOverItsMemoryGetsTwiceAsMuch() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks(
      files: 2, profile: "\"resources\": { \"read\": { \"memory\": \"20MiB\" } }")
    // Long enough that the memory of the job is looked at.
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(environment: ["PIPELINE_FAULT": "task.files:1:\(gate)"])
    try await run.reaches("a job with more memory") { try run.outputSoFar().contains("its next job has 40MiB") }
    let result = try await run.finish(opening: gate)
    #expect(result.status == 0, "\(result.story)")
    let notices = try messages(result.output, of: "notice")
    #expect(notices.contains { $0.contains("task run/00000 ran out of memory; its next job has 40MiB") }, "\(notices)")
  }

  @Test func aJobOverItsTimeGetsTwiceAsMuch() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks(files: 1, profile: "\"time\": \"1\", \"maximumTime\": \"1-0\"")
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    // At least twice as much: Slurm looks at the time only every half minute or so.
    try await run.reaches("the time limit") {
      try run.outputSoFar().contains("reached its time limit; its next job has 00:0")
    }
    let result = try await run.finish(opening: gate)
    #expect(result.status == 0, "\(result.story)")
  }

  @Test func aTaskThatKillsItsWorkersIsGivenUpAndTheOthersGoOn() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks(files: 4, profile: "\"resources\": { \"read\": { \"secondsPerJob\": 0 } }")
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(more: ["--keep-going"], environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    // The worker of one task dies whenever it comes to it.
    try await run.reaches("the task is given up") {
      // Looked for before the victim, which must not pass the gate: it opens only if another waits and the victim does not.
      let others = try ["00000", "00001", "00003"].flatMap { try bench.workers("store", of: $0) }
      let victims = try bench.workers("store", of: "00002")
      for victim in victims { kill(victim, SIGKILL) }
      if victims.isEmpty, !others.isEmpty { try? FileSystem.remove(gate) }
      return try run.outputSoFar().contains("\"event\":\"taskFailed\"")
    }
    let result = try await run.finish(opening: gate)
    #expect(result.status == 1)
    let failures = try messages(result.output, of: "taskFailed")
    #expect(failures.count == 1)
    #expect(failures[0].contains("the task ended 3 jobs") && failures[0].contains("it reads "), "\(failures)")
    #expect(failures[0].contains("texts/0002.jsonl"), "\(failures)")
    #expect(try bench.finished("store") == ["read/run-00000", "read/run-00001", "read/run-00003"])
    let next = try await bench.startRun().ended()
    #expect(next.status == 0, "\(next.errors)")
  }

  @Test func anInterruptedRunLeavesItsJobsAndTheNextFindsThem() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    try await run.reaches("the gate") { FileSystem.exists(gate) }
    run.signal(SIGINT)
    #expect(try await run.ended().status == 130)
    #expect(!(try slurm.jobs()).isEmpty)
    let local = try await bench.start(["run", "many.json", "--store", "store"]).ended()
    #expect(local.status == 1)
    #expect(local.errors.contains("jobs of an earlier run may still work for the store"), "\(local.errors)")
    let list = try await bench.start(["jobs", "many.json", "--store", "store"]).ended()
    #expect(list.output.contains("read"), "\(list.output)")
    try FileSystem.remove(gate)
    let next = try await bench.startRun().ended()
    #expect(next.status == 0, "\(next.errors)")
    try expectEveryTaskOnce(bench, "store")
  }

  @Test func anInterruptedRunCancelsItsJobsIfItIsToldTo() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    let gate = bench.folder + "/gate"
    let run = try bench.startRun(
      more: ["--on-interrupt", "cancel"], environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    try await run.reaches("the gate") { FileSystem.exists(gate) }
    run.signal(SIGINT)
    #expect(try await run.ended().status == 130)
    try? FileSystem.remove(gate)
    for _ in 0..<6000 where !(try slurm.jobs()).isEmpty { try await Task.sleep(for: .milliseconds(100)) }
    #expect(try slurm.jobs() == [])
    #expect(try await bench.startRun().ended().status == 0)
  }

  @Test func aDetachedRunSubmitsItselfAgainBeforeItsTimeLimit() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks(files: 2, profile: "\"driverTime\": \"1\", \"driverMemory\": \"500MiB\"")
    let gate = bench.folder + "/gate"
    let submitted = try await bench.start(
      ["run", "many.json", "--store", "store", "--executor", "slurm", "--detach"],
      environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"]
    ).ended()
    #expect(submitted.status == 0, "\(submitted.errors)")
    #expect(submitted.output.hasPrefix("job 1 runs the pipeline"))
    // Its job stands in the store until the run has come to its end, which the gate holds up.
    let driver = { DetachedDriver.job(store: bench.folder + "/store") }
    for _ in 0..<30_000 where driver() ?? "1" == "1" { try await Task.sleep(for: .milliseconds(100)) }
    let log = bench.folder + "/store/driver/log"
    let said = { String(decoding: (try? FileSystem.read(log)) ?? [], as: UTF8.self) }
    #expect(driver() != nil && driver() != "1", "the driver submitted itself again: \(said())")
    let last = { try bench.finished("store").contains { $0.hasPrefix("shards/index") } }
    for _ in 0..<30_000 where !(try last()) {
      try? FileSystem.remove(gate)
      try await Task.sleep(for: .milliseconds(100))
    }
    #expect(try last(), "\(said())")
    try expectEveryTaskOnce(bench, "store")
  }

  @Test func plansChecksAndLogsShowWhatIsThere() async throws {
    let slurm = try await SlurmBench()
    let bench = try slurm.tasks()
    let plan = try await bench.start(["plan", "many.json", "--store", "store", "--executor", "slurm"]).ended()
    #expect(
      plan.output.contains("# read, phase run: 12 tasks in 3 jobs of 1 core, 384 MiB, 01:00:00"), "\(plan.output)")
    #expect(plan.output.contains("#SBATCH --array=0-2%500"))
    let check = try await bench.start(["profile", "check", "--store", "store"]).ended()
    #expect(check.status == 0, "\(check.output)\(check.errors)")
    try bench.write(profile: "\"partition\": \"mian\"")
    let wrong = try await bench.start(["doctor", "--executor", "slurm"]).ended()
    #expect(wrong.status == 1)
    #expect(wrong.output.contains("partition mian"), "\(wrong.output)")
    let refused = try await bench.startRun().ended()
    #expect(refused.status == 1)
    #expect(try messages(refused.output, of: "stageFailed")[0].hasPrefix("sbatch: refuses: "), "\(refused.output)")
    try bench.write(profile: "")
    #expect(try await bench.startRun().ended().status == 0)
    let logs = try await bench.start(["logs", "many.json", "clean", "--store", "store"]).ended()
    #expect(logs.output.split(separator: "\n").count { $0.hasPrefix("run-0") } == 12, "\(logs.output)")
  }
}
