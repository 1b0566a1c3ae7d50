import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// What commands about jobs use: a preview, a probe, logs, and the job that a detached run is.
@Suite struct JobCommandTests {
  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  // MARK: Preview

  @Test func aPreviewShowsTheFirstJobsAndSubmitsNothing() throws {
    let run = try PipelineRun(graph: bench.graph, store: bench.store, settings: .init())
    let cluster = SlurmCluster(profile: bench.profile(), mostGroups: 2)
    let jobs = try JobPreview(run, cluster: cluster, profile: bench.profile()).jobs(try run.plan())
    #expect(jobs.map(\.groups) == [[1, 1], [1]])
    #expect(jobs.map(\.tasks) == [2, 1])
    #expect(jobs[0].request == JobRequest(memoryBytes: 512 << 20, seconds: 3600))
    #expect(jobs[0].script.contains("#SBATCH --array=0-1%"))
    #expect(bench.batches == [])
    #expect(try run.run() == .done)
    #expect(try JobPreview(run, cluster: cluster, profile: bench.profile()).jobs(try run.plan()).isEmpty)
  }

  // MARK: Probe

  private func probe(_ job: @escaping @Sendable (FakeJob) throws -> JobState?) throws -> ClusterProbe.Answer {
    try ClusterProbe(cluster: FakeCluster(job: job), profile: bench.profile(), store: bench.store.root).run()
  }

  @Test func aProbeNamesTheNodeThatAnswers() throws {
    let answer = try probe { job in
      try job.report(.finished)
      return .running(node: job.node)
    }
    #expect(answer.host == "n1")
    #expect(answer.clockSkewSeconds == nil)
    #expect(try FileSystem.list(bench.store.root + "/probes") == [])
  }

  @Test func aProbeFindsAClockThatIsOff() throws {
    let answer = try probe { job in
      let report = JobReport(kind: .finished, key: "probe", time: wallMilliseconds() - 3_600_000, host: "n1", job: "1")
      try FileSystem.write(Array((report.json.text() + "\n").utf8), to: job.folder.outcomes(0))
      return nil
    }
    let skew = try #require(answer.clockSkewSeconds)
    #expect((-3700 ... -3500).contains(skew))
  }

  @Test func aProbeTellsWhyAJobCannotWork() {
    let refused = #expect(throws: StageError.self) {
      _ = try probe { job in
        try job.report(.refused, message: "is another program")
        return .ended(.failed, node: job.node)
      }
    }
    #expect(refused?.description == "n1: is another program.")
    let lost = #expect(throws: StageError.self) {
      _ = try probe { job in
        try FileSystem.write(Array("bash: /bin/true: not found\n".utf8), to: job.folder.output(0))
        return .ended(.failed, node: job.node)
      }
    }
    #expect(lost?.description.hasPrefix("a job on n1: failed without a report: bash: /bin/true: not found. ") == true)
  }

  // MARK: Logs

  @Test func logsAreListedByRunTaskAndAttempt() throws {
    let logs = TaskLogs(store: bench.folder)
    #expect(logs.runs(stage: "t") == [])
    for (run, name) in [
      ("9", "run-00001.1.log"), ("10", "run-00002.1.log"), ("10", "run-00001.2.log"), ("10", "run-00001.10.log"),
      ("10", "run-a.b.1.log"), ("10", "other"), ("10", "run-00001.log"), ("x", "run-00001.1.log"),
    ] {
      let path = "\(bench.folder)/logs/\(run)/t/\(name)"
      try FileSystem.makeDirectory(ArchivePath.folder(of: path))
      try FileSystem.write(Array("line\n".utf8), to: path)
    }
    #expect(logs.runs(stage: "t") == [10, 9])
    #expect(logs.runs(stage: "u") == [])
    let found = logs.logs(stage: "t", run: 10)
    #expect(found.map(\.task) == ["run-00001", "run-00001", "run-00002", "run-a.b"])
    #expect(found.map(\.attempt) == [2, 10, 1, 1])
    #expect(found[0].bytes == 5)
    #expect(
      found[3].path == TaskLog.path(store: bench.folder, run: 10, stage: "t", phase: "run", key: "a.b", attempt: 1))
  }

  // MARK: A detached run

  /// Starts the script of a detached run around a driver that is a shell script, with an `sbatch` that takes notes.
  private func detached(_ driver: String, sbatch: String = ":") throws -> (process: ChildProcess, own: DetachedDriver) {
    for (name, body) in [
      ("driver 1", driver),
      (
        "sbatch",
        "\(sbatch); env >'\(bench.folder)/resubmitted'; echo \"$@\" >'\(bench.folder)/words'; echo '6;cluster'"
      ),
      ("scancel", "echo \"$@\" >'\(bench.folder)/cancelled'"),
    ] {
      try FileSystem.write(Array("#!/bin/bash\n\(body)\n".utf8), to: "\(bench.folder)/\(name)")
      chmod("\(bench.folder)/\(name)", 0o755)
    }
    var profile = bench.profile()
    profile.program = bench.folder + "/driver 1"
    let own = try DetachedDriver(
      profile: profile, store: bench.store.root, arguments: ["run", "it's.json"], name: "p")
    try FileSystem.makeDirectory(own.folder)
    try FileSystem.write(Array(own.text.utf8), to: own.script)
    let process = try ChildProcess(
      [own.script], program: "/bin/bash",
      environment: ["PATH": bench.folder + ":/usr/bin:/bin", "SLURM_JOB_ID": "5", "SLURM_CONF": "/etc/own.conf"])
    return (process, own)
  }

  private var isResubmitted: Bool { FileSystem.exists(bench.folder + "/resubmitted") }

  @Test(arguments: [0, 1, 130]) func aDriverThatEndsIsNotSubmittedAgain(code: Int32) throws {
    let (process, _) = try detached("printf '%s|' \"$@\"; exit \(code)")
    let result = try process.wait()
    #expect(result.status == code)
    #expect(result.output == "run|it's.json|--on-interrupt|leave|")
    #expect(!isResubmitted)
    #expect(DetachedDriver.job(store: bench.store.root) == nil)
  }

  private let waits = "trap 'echo ended; exit 130' TERM; touch \"${0%/*}/ready\"; while :; do sleep 0.02; done"

  /// Slurm's warning before the time limit.
  @Test func aDriverAtItsTimeLimitSubmitsItselfAgain() async throws {
    let (process, own) = try detached(waits)
    try await works(until: "the driver") { FileSystem.exists(bench.folder + "/ready") }
    process.signal(SIGUSR1)
    let result = try process.wait()
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "ended\nSubmitted batch job 6, in which the run goes on\n")
    #expect(file("words") == "--parsable --dependency=afterany:5 \(own.script)\n")
    #expect(DetachedDriver.job(store: bench.store.root) == "6")
    let variables = String(decoding: try FileSystem.read(bench.folder + "/resubmitted"), as: UTF8.self)
    #expect(variables.split(separator: "\n").filter { $0.hasPrefix("SLURM_") } == ["SLURM_CONF=/etc/own.conf"])
  }

  /// The warning comes before the driver has set its handlers, so that SIGTERM ends it.
  @Test func aDriverThatDoesNotKnowTheSignalYetIsFollowed() throws {
    let (process, _) = try detached("kill -USR1 $PPID; exec sleep 600")
    let result = try process.wait()
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "Submitted batch job 6, in which the run goes on\n")
    #expect(DetachedDriver.job(store: bench.store.root) == "6")
  }

  private func file(_ name: String) -> String? {
    (try? FileSystem.read("\(bench.folder)/\(name)")).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The run comes to its end while it is told to stop.
  @Test func aDriverThatIsDoneTakesItsSuccessorBack() async throws {
    let (process, _) = try detached(waits.replacing("exit 130", with: "exit 0"))
    try await works(until: "the driver") { FileSystem.exists(bench.folder + "/ready") }
    process.signal(SIGUSR1)
    #expect(try process.wait().status == 0)
    #expect(file("cancelled") == "6\n")
    #expect(DetachedDriver.job(store: bench.store.root) == nil)
  }

  /// Its job was started again on another node, after it had submitted the next one.
  @Test func aSuccessorIsNotSubmittedTwice() async throws {
    try FileSystem.makeDirectory(bench.store.root + "/driver")
    try FileSystem.write(Array("9\n".utf8), to: bench.store.root + "/driver/next.5")
    let (process, _) = try detached(waits)
    try await works(until: "the driver") { FileSystem.exists(bench.folder + "/ready") }
    #expect(DetachedDriver.job(store: bench.store.root) == "5")
    process.signal(SIGUSR1)
    #expect(try process.wait().status == 0)
    #expect(!isResubmitted)
    #expect(DetachedDriver.job(store: bench.store.root) == "9")
  }

  @Test func aDriverThatDiesCanStartAgain() throws {
    var profile = bench.profile()
    profile.environment = ["PIPELINE_ENGINE": "/it's"]
    profile.shell = "/bin/bash -l"
    func driver() throws -> DetachedDriver {
      try DetachedDriver(profile: profile, store: bench.store.root, arguments: ["run"], name: "p")
    }
    let lines = try driver().text.split(separator: "\n")
    #expect(lines.first == "#!/bin/bash -l")
    #expect(lines.contains("#SBATCH --requeue"))
    #expect(lines.contains("export PIPELINE_ENGINE='/it'\\''s'"))
    #expect(try driver().script != driver().script)
  }

  @Test func aStoreWithADriverGetsNoOther() throws {
    let driver = try DetachedDriver(profile: bench.profile(), store: bench.store.root, arguments: ["run"], name: "p")
    let lock = try StoreLock(root: bench.store.root)
    defer { withExtendedLifetime(lock) {} }
    let error = #expect(throws: RunError.self) { try driver.submit() }
    #expect(error?.code == .locked)
    #expect(!FileSystem.exists(driver.script))
  }

  @Test func aDriverThatIsCancelledIsNotSubmittedAgain() async throws {
    let (process, _) = try detached(waits)
    try await works(until: "the driver") { FileSystem.exists(bench.folder + "/ready") }
    process.signal(SIGTERM)
    let result = try process.wait()
    #expect(result.status == 130)
    #expect(!isResubmitted)
  }
}
