import Glibc
import ShardKit
import TestKit
import Testing

/// Runs on hosts without a scheduler, through a real sshd.
@Suite(.serialized, .needs(HostsBench.isPossible, "needs openssh-server")) struct HostsRunTests {
  private func expectEveryTaskOnce(_ tasks: ManyTasks) throws {
    let begun = try tasks.begun("store")
    #expect(begun.filter { $0.value != 1 } == [:], "tasks that began more than once")
    #expect(Set(begun.keys) == (try tasks.finished("store")))
  }

  @Test func theArtifactsAreThoseOfALocalRun() async throws {
    let bench = try HostsBench()
    #expect(try await bench.tasks.runLocally().status == 0)
    let check = try await bench.tasks.start(["profile", "check", "--store", "store"]).ended()
    #expect(check.status == 0, "\(check.output)\(check.errors)")
    let run = try await bench.tasks.startRun(executor: "ssh").ended()
    #expect(run.status == 0, "\(run.errors)")
    #expect(try bench.tasks.artifacts("store") == bench.tasks.artifacts("local"))
    try expectEveryTaskOnce(bench.tasks)
  }

  @Test func aKilledDriverIsFollowedByOneThatFindsItsJobs() async throws {
    let bench = try HostsBench()
    var kills = 0
    while kills < 5 {
      let run = try await bench.tasks.startRun(executor: "ssh").killedLater(
        microseconds: .random(in: 200_000...2_000_000))
      if run.status != 128 + SIGKILL { break }
      kills += 1
    }
    let last = try await bench.tasks.startRun(executor: "ssh").ended()
    #expect(last.status == 0, "after \(kills) kills: \(last.errors)")
    try expectEveryTaskOnce(bench.tasks)
  }

  @Test func interruptedJobsEndIfTheyAreToldTo() async throws {
    let bench = try HostsBench()
    let gate = bench.folder + "/gate"
    try bench.write("\"environment\": { \"PIPELINE_FAULT\": \"task.started:1:\(gate)\" }")
    let run = try bench.tasks.startRun(executor: "ssh", more: ["--on-interrupt", "cancel"])
    try await run.reaches("a job") { try !bench.tasks.begun("store").isEmpty }
    run.signal(SIGINT)
    #expect(try await run.finish(opening: gate).status == 130)
    try bench.write()
    let next = try await bench.tasks.startRun(executor: "ssh").ended()
    #expect(next.status == 0, "\(next.errors)")
  }
}
