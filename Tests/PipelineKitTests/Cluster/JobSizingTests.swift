import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// What jobs ask for, and which tasks they run.
@Suite struct JobSizingTests {
  // MARK: Packing

  private func pack(_ seconds: [Double], target: Double = 10, alone: Set<Int> = []) -> [[Int]] {
    JobSizing.pack(seconds, target: target, isAlone: alone.contains)
  }

  @Test func tasksShareAJobUntilItIsLongEnough() {
    #expect(pack([]) == [])
    #expect(pack([4, 4, 4, 4, 4]) == [[0, 1], [2, 3], [4]])
    #expect(pack([5, 5, 1]) == [[0, 1], [2]])
    // One that is too long has a job of its own, and what comes behind it begins another.
    #expect(pack([1, 30, 1, 1]) == [[0], [1], [2, 3]])
    #expect(pack([1, 1, 1], target: 0) == [[0], [1], [2]])
  }

  @Test func someTasksShareWithNoOther() {
    #expect(pack([1, 1, 1, 1, 1], alone: [2]) == [[0, 1], [2], [3, 4]])
    #expect(pack([1, 1, 1], alone: [0, 1, 2]) == [[0], [1], [2]])
  }

  // MARK: With a store

  private let bench: ExecutorBench
  init() throws { bench = try ExecutorBench() }

  private func sizing(_ change: (inout SiteProfile) -> Void = { _ in }) -> JobSizing {
    var profile = SiteProfile()
    change(&profile)
    return JobSizing(profile: profile, store: bench.store)
  }

  private func request(_ sizing: JobSizing, memory: Int) -> JobRequest {
    sizing.request(TaskPlan(key: "0", memoryBytes: memory), bench.node, phase: "run")
  }

  @Test func anEstimateGetsAMarginAndWholeBlocks() {
    // 256 MiB of the program and five quarters, in blocks of 64 MiB.
    #expect(request(sizing(), memory: 1 << 30).memoryBytes == 1536 << 20)
    #expect(request(sizing(), memory: (1 << 30) + 1000).memoryBytes == 1600 << 20)
    #expect(request(sizing(), memory: 0).memoryBytes == 512 << 20, "no less than the profile says")
    #expect(request(sizing(), memory: .max).memoryBytes == 64 << 30, "no more than the profile allows")
  }

  @Test func whatTasksHaveUsedReplacesTheirEstimate() throws {
    let sizing = sizing()
    #expect(request(sizing, memory: 4 << 30).memoryBytes == 5376 << 20)
    try bench.record(peakBytes: 1 << 30)
    try bench.record(peakBytes: 3000 << 20)
    // Known for a while without asking again.
    #expect(request(sizing, memory: 4 << 30).memoryBytes == 5376 << 20)
    sizing.forget()
    // The largest, three tenths more, and a block.
    #expect(request(sizing, memory: 4 << 30).memoryBytes == 3968 << 20)
    // A larger task: at least half of its estimate.
    #expect(request(sizing, memory: 16 << 30).memoryBytes == 10_368 << 20)
    #expect(sizing.request(TaskPlan(key: "0"), bench.node, phase: "other").memoryBytes == 512 << 20)
  }

  @Test func theProfileDecidesWhatItNames() throws {
    var own = SiteResources()
    own.memory = .gibibytes(9)
    own.cores = 3
    own.gpus = 2
    own.nodes = 4
    own.time = TimeLimit(seconds: 7200)
    let asked = request(sizing { $0.resources = ["test.*": own] }, memory: 1 << 30)
    #expect(asked == JobRequest(memoryBytes: 9 << 30, cores: 3, gpus: 2, nodes: 4, seconds: 7200))
    let plan = TaskPlan(key: "0").using(cores: 5, gpus: 1, nodes: 2)
    let planned = sizing().request(plan, bench.node, phase: "run")
    #expect(planned == JobRequest(memoryBytes: 512 << 20, cores: 5, gpus: 1, nodes: 2, seconds: 3600))
    #expect(planned.words == "2 nodes, 5 cores, 1 GPU, 512 MiB, 01:00:00")
    #expect(sizing { $0.maximumCores = 4 }.request(plan, bench.node, phase: "run").cores == 4)
  }

  @Test func coresAndMemoryFollowTheProfilesGPUs() throws {
    var own = SiteResources()
    own.gpus = 8
    let plan = TaskPlan(key: "0", memoryBytes: 1 << 30).using(cores: 4, gpus: 1)
    let asked = sizing { $0.resources = ["test.*": own] }.request(plan, bench.node, phase: "run")
    #expect(asked.cores == 32 && asked.gpus == 8)
    #expect(asked.memoryBytes == (10 << 30) + (256 << 20))
  }

  @Test(
    arguments: [
      ("{}", 1, nil), (#"{"processes": 8}"#, 8, "gpus: is 2 in the profile's resources, but 't' states 8 processes"),
      (#"{"processes": 2}"#, 2, nil), (#"{"processes": 8, "device": "cpu"}"#, 0, nil),
      (#"{"device": "auto"}"#, 0, #"device: is "auto", which means the CPU on this machine"#),
      (#"{"device": "auto"}"#, 1, nil),
    ] as [(String, Int, String?)])
  func whatWouldFailOnTheNodeIsSaidBefore(options: String, gpus: Int, problem: String?) throws {
    let text = #"{ "format": 1, "name": "p", "stages": { "t": { "use": "test.device", "options": \#(options) } } }"#
    let graph = try Graph(
      PipelineSpec.parse(Array(text.utf8), path: "/p.json"),
      registry: StageRegistry([StageDescription(DeviceStage.self)])
    )
    var own = SiteResources()
    own.gpus = 2
    let sizing = sizing { $0.resources = ["test.*": own] }
    let plan = TaskPlan(key: "0").using(gpus: gpus)
    do throws(StageError) {
      try sizing.check(plan, graph.nodes[0])
      #expect(problem == nil)
    } catch { #expect(problem.map { "\(error)".hasPrefix($0) } == true, "\(error)") }
  }

  @Test func whatIsNotEnoughIsSaid() throws {
    let sizing = sizing()
    _ = request(sizing, memory: 16 << 30)
    #expect(sizing.shortage("t") == nil)
    #expect(request(sizing, memory: 64 << 30).memoryBytes == 64 << 30)
    #expect(
      sizing.shortage("t") == "its tasks are estimated to need 82176MiB of memory, but the profile allows 64GiB "
        + "('maximumMemory'): they may run out of it")
    var own = SiteResources()
    own.maximumMemory = .gibibytes(100)
    let other = self.sizing { $0.resources = ["t": own] }
    #expect(request(other, memory: 64 << 30).memoryBytes == 82_176 << 20)
    #expect(other.shortage("t") == nil)
  }

  @Test func theTimeLimitIsThreeTimesWhatIsExpected() {
    let sizing = sizing { $0.maximumTime = TimeLimit(seconds: 20_000) }
    let request = JobRequest(memoryBytes: 1, seconds: 3600)
    #expect(sizing.seconds(request, longest: 300, bench.node) == 3600)
    #expect(sizing.seconds(request, longest: 3000, bench.node) == 9000 + 180 + 60)
    #expect(sizing.seconds(request, longest: 30_000, bench.node) == 20_000)
    // What was asked for is not cut down.
    let long = JobRequest(memoryBytes: 1, seconds: 50_000)
    #expect(sizing.seconds(long, longest: 30_000, bench.node) == 50_000)
  }

  private func tasks(_ count: Int, bytes: Int64 = 0) -> [LiveTask] {
    (0..<count).map { number in
      let file = ArtifactFile(path: "/f", name: "f", bytes: bytes, digest: Digester.digest([]))
      let plan = TaskPlan(key: TaskPlan.padded(number), inputs: [.main: [file]])
      return LiveTask(
        JobTask(plan, fingerprint: Digester.digest([]), attempt: 1), directory: "/d", phase: "run",
        request: JobRequest(memoryBytes: 1, seconds: 1))
    }
  }

  @Test func aBatchHasNoMoreGroupsThanTheClusterTakes() {
    let sizing = sizing { $0.secondsPerJob = 1 }
    // A second each.
    let groups = sizing.groups(tasks(7, bytes: 8_000_000), bench.node, phase: "run", most: 3)
    #expect(groups.map(\.places) == [[[0], [1], [2]], [[3], [4], [5]], [[6]]])
    #expect(groups.map(\.seconds) == [1, 1, 1])
    #expect(sizing.groups([], bench.node, phase: "run", most: 3).isEmpty)
  }

  @Test func knownTimesDecideHowManyTasksShareAJob() throws {
    let all = tasks(10)
    // Nothing is known: 0.2 s each.
    let sizing = sizing { $0.secondsPerJob = 60 }
    #expect(sizing.groups(all, bench.node, phase: "run", most: 100).map { $0.places.count } == [1])
    try bench.record(taskMilliseconds: 20_000)
    sizing.forget()
    let groups = sizing.groups(all, bench.node, phase: "run", most: 100)
    #expect(groups.map { $0.places.map(\.count) } == [[3, 3, 3, 1]])
    #expect(groups[0].seconds == 60)
  }

  @Test func aTaskThatEndedAJobGetsOneOfItsOwn() {
    let all = tasks(4)
    all[1].record.deaths = 1
    all[3].request.nodes = 2
    #expect(sizing().groups(all, bench.node, phase: "run", most: 9)[0].places == [[0], [1], [2], [3]])
  }

  @Test func tasksOfOneRequestAndPlanShareABatch() {
    let all = tasks(4)
    all[1].request.memoryBytes = 2
    all[3].request.memoryBytes = 2
    #expect(sizing().alike(all).map { $0.map(\.record.key) } == [["00000", "00002"], ["00001", "00003"]])
  }
}

/// Has the options that say what a task needs of a machine.
private struct DeviceStage: SinglePhaseStage {
  struct Options: StageOptions {
    @Option("Where it runs.") var device = "cuda"
    @Option("How many processes.") var processes = 0
  }

  static let name = "test.device"
  static let revision = 1
  static let summary = "Runs somewhere."
  static let outputs = [Output<Files>("files", "None.").port]
  init(options: Options) {}
  func tasks(in context: PlanningContext) -> [TaskPlan] { [] }
  func run(_ workspace: Workspace) throws {}
}
