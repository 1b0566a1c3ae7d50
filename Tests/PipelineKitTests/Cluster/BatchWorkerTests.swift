import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// What a job checks before it runs a task. Tests with a real Slurm run the tasks.
@Suite struct BatchWorkerTests {
  private let bench: ExecutorBench
  private let folder: BatchFolder
  private let node: Graph.Node

  init() throws {
    bench = try ExecutorBench()
    node = bench.node
    folder = BatchFolder(bench.store.root + "/jobs/1-1-x")
  }

  private func write(_ change: (inout JobBatch) -> Void = { _ in }) throws {
    var batch = JobBatch(
      id: "1-1-x", number: 1, jobName: "pipeline-1-1-x", run: 1, stage: "t", use: "test.write", phase: "run",
      options: "{}", canonical: Fingerprint.canonicalOptions(node.configured, phase: "run").text(sortedKeys: true),
      directory: bench.directory, keptState: bench.store.artifacts.keptState(stage: "t"),
      folder: FileSystem.realPath("."), program: try ProgramIdentity.current(),
      request: JobRequest(memoryBytes: 1 << 29, seconds: 60), groups: [[0, 1], [2]])
    change(&batch)
    let tasks = ["a", "b", "c"].map { key in
      let run = bench.attempt(key).run
      return JobTask(run.task, fingerprint: run.fingerprint, attempt: 1)
    }
    try folder.write(&batch, tasks: tasks, earlier: [:]) { _ in "" }
  }

  private func worker(_ group: Int = 0, job: String = "7_0", isLeader: Bool = true) throws -> BatchWorker {
    try BatchWorker(folder.path, group: group, registry: .writing, job: job, isLeader: isLeader)
  }

  private func refusal(_ worker: BatchWorker) throws -> String {
    let error = #expect(throws: StageError.self) { try worker.run { false } }
    #expect(error?.code == .environment)
    let reports = try JobReports.read(folder.outcomes(worker.group))
    #expect(reports.map(\.kind) == [.refused])
    return try #require(reports.first?.message)
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    try write()
    let batch = try folder.readBatch()
    #expect(try folder.readTasks(batch).map(\.key) == ["a", "b", "c"])
    #expect(try folder.readTasks(batch, group: 0).map(\.key) == ["a", "b"])
    #expect(try folder.readTasks(batch, group: 1).map(\.key) == ["c"])
    #expect(try folder.readTasks(batch, group: 1)[0].plan() == TaskPlan(key: "c"))
    var status = stat()
    #expect(stat(folder.path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o700, "options may be secrets")
  }

  @Test func aTaskKeepsAllThatDeterminesIt() throws {
    var file = ArtifactFile(
      path: "/d/x", name: "x", bytes: 5, digest: Digester.digest([1]), documents: 2, textBytes: 4)
    let written = bench.folder + "/seen"
    try FileSystem.write([1], to: written)
    file.seen = FileSystem.status(written)
    let plan = try TaskPlan(
      key: "k", inputs: [.main: [file], "other": []], payload: ["from": 1, "to": 2], memoryBytes: 9, stateKey: "s"
    ).using(cores: 3, gpus: 2, nodes: 4)
    let record = JobTask(plan, fingerprint: Digester.digest([2]), attempt: 2)
    #expect(try JobTask(json: JSONValue.parse(Array(record.json.text().utf8)).value).plan() == plan)
  }

  @Test func aSecondJobOfAGroupDoesNothing() throws {
    try write { $0.use = "test.unknown" }
    try FileSystem.write(Array("6_0\n".utf8), to: folder.claim(0))
    #expect(try worker().run { false } == .isAnothers)
    #expect(!FileSystem.exists(folder.outcomes(0)))
    // The same one, started again, goes on.
    #expect(try refusal(worker(job: "6_0")).contains("test.unknown"))
  }

  @Test func anotherProgramIsRefused() throws {
    try write { $0.program.digest = Digester.digest([]) }
    let message = try refusal(worker())
    #expect(message.contains("is not the program that started the run"), "\(message)")
    #expect(try FileSystem.read(folder.claim(0)) == Array("7_0\n".utf8))
  }

  @Test func optionsThatMeanSomethingElseAreRefused() throws {
    try write { $0.canonical = "{\"tasks\":4}" }
    let message = try refusal(worker())
    #expect(message.contains("'tasks' (4 there, 3 here)"), "\(message)")
  }

  @Test func aFolderThatIsNotThereIsRefused() throws {
    try write { $0.folder = "/nowhere/at all" }
    let message = try refusal(worker())
    #expect(message.hasPrefix("/nowhere/at all: cannot be entered on \(hostName())"), "\(message)")
    // Another node may see it.
    #expect(try JobReports.read(folder.outcomes(0))[0].mayRetry == true)
  }

  @Test(arguments: ["stop", "void"]) func nothingIsBegunWhenNobodyWaits(name: String) throws {
    try write()
    try FileSystem.write([], to: "\(folder.path)/\(name)")
    #expect(try worker().run { false } == .worked)
    #expect(!FileSystem.exists(folder.outcomes(0)))
    #expect(!FileSystem.exists(bench.directory))
  }

  @Test func nothingIsBegunAfterASignal() throws {
    try write()
    #expect(try worker().run { true } == .worked)
    #expect(!FileSystem.exists(folder.outcomes(0)))
  }

  @Test func tasksThatAreDoneAreNotBegunAgain() throws {
    try write()
    let reports = ["a", "b"].map { JobReport(kind: .finished, key: $0, job: "7_0").json.text() + "\n" }
    try FileSystem.write(Array(reports.joined().utf8), to: folder.outcomes(0))
    #expect(try worker().run { false } == .worked)
    #expect(try JobReports.read(folder.outcomes(0)).count == 2)
  }

  @Test func aFollowerClaimsNothing() throws {
    try write { $0.program.digest = Digester.digest([]) }
    #expect(throws: StageError.self) { try worker(isLeader: false).run { false } }
    #expect(try FileSystem.list(folder.groups) == ["0.failure"])
  }

  /// Its leader has left the group to another job.
  @Test func aFollowerOfASecondJobDoesNothing() throws {
    try write { $0.use = "test.unknown" }
    try FileSystem.write(Array("6_0\n".utf8), to: folder.claim(0))
    #expect(try worker(isLeader: false).run { false } == .isAnothers)
    #expect(try FileSystem.list(folder.groups) == ["0.claim"])
  }

  /// A second submission may have ended before this job began.
  @Test func aClaimTakesAwayWhatAnotherJobLeft() throws {
    try write { $0.program.digest = Digester.digest([]) }
    for path in [folder.end(0), folder.failure(0)] { try FileSystem.write(Array("77\n".utf8), to: path) }
    #expect(try refusal(worker()).contains("is not the program"))
    #expect(!FileSystem.exists(folder.end(0)) && !FileSystem.exists(folder.failure(0)))
  }

  /// The others would wait for it.
  @Test func theFirstNodeHearsWhyAnotherCannotDoItsPart() async throws {
    try write { $0.program.digest = Digester.digest([]) }
    let control = TaskControl()
    let watch = TaskWatch(control, folder: folder, group: 0, key: "a", stopping: { false }, isMuted: false, seconds: 1)
    defer { watch.end() }
    #expect(throws: StageError.self) { try worker(isLeader: false).run { false } }
    BatchWorker.tellLeader("later", folder, 0)
    try await works(until: "it is told") { control.isCancelled }
    #expect(watch.failure?.hasPrefix("\(hostName()): ") == true)
    #expect(watch.failure?.contains("is not the program that started the run") == true, "\(watch.failure ?? "")")
    #expect(try FileSystem.list(folder.groups).filter { $0.contains("failure") } == ["0.failure"])
  }

  @Test func aGroupThatIsNotThereIsAnError() throws {
    try write()
    #expect(throws: StageError.self) { try worker(2) }
    #expect(throws: ShardError.self) { try BatchWorker("/nowhere", group: 0, registry: .writing, job: "1") }
  }
}
