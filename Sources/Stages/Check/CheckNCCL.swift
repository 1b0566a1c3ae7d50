public import PipelineKit
public import ShardKit
import TrainerCore

/// Measures how fast processes sum messages over all of them, by size: what a training's exchange of gradients can
/// expect, and whether the network between machines does what it should.
///
/// Processes are started as those of `model.pretrain` are: one per GPU over NCCL, or several on the CPU over gloo. With
/// a launcher's variables they join those of other machines. A measurement holds for its moment, so it is a report.
public struct CheckNCCL: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Where to measure. 'auto': GPUs if the engine finds one, otherwise the CPU.")
    public var device = ModelPretrain.Device.auto
    @Option("Processes on each machine. 0: one per GPU, two on the CPU.", in: 0...1024) public var processes = 0
    @Option("Machines that exchange messages; see model.pretrain.", in: 1...1 << 16) public var nodes = 1
    @Option("Size of the smallest message. Each size is twice the one before.")
    public var minimumBytes = ByteCount(4096)
    @Option("Maximum size of messages; each device needs twice this memory.")
    public var maximumBytes = ByteCount.gibibytes(1)
    @Option("Messages of each size that are timed.", in: 1...100_000) public var iterations = 20
    @Option("The stage fails if the best bus bandwidth is below this many GB/s. 0: no limit.", in: 0...1e6)
    public var minimumBusGigabytesPerSecond = 0.0
    @Option("Any new value measures again.") public var snapshot = ""

    public init() {}
  }

  public static let name = "check.nccl"
  public static let revision = 1
  public static let summary = "Measures all-reduce bandwidth by message size over the processes of a training."
  static let report = Output<Report>(
    "report", "all-reduce.json, all-reduce.md and all-reduce.svg: algorithm and bus bandwidth by message size.")
  public static let inputs: [InputPort] = []
  public static let outputs = [report.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public var settled: [String: JSONValue] { ["device": .string(options.device.jobName)] }

  public func validate() throws {
    for (name, size) in [("minimumBytes", options.minimumBytes), ("maximumBytes", options.maximumBytes)] {
      guard AllReduceJob.possibleSizes.contains(size.bytes) else {
        throw StageError(
          .options, name, "\(size.bytes) bytes are not a size of messages",
          hint: "Use 4 bytes, a single number, up to 64 GiB.")
      }
    }
    guard options.minimumBytes <= options.maximumBytes else {
      throw StageError(
        .options, "minimumBytes", "\(options.minimumBytes.bytes) exceeds maximumBytes, \(options.maximumBytes.bytes)",
        hint: "Lower it.")
    }
    guard options.processes != 1 || options.nodes > 1 else {
      throw StageError(
        .options, "processes", "a single process has nobody to exchange messages with",
        hint: "Use 2 or more, or 0 for one per GPU, or several machines.")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let isGPU = options.device.isGPU, processes = try plannedProcesses(gpus: ModelPretrain.Device.visibleGPUs)
    // On the CPU each process holds a message and gloo's copy of it.
    let messages = isGPU ? 0 : 2 * processes * options.maximumBytes.bytes
    return [
      TaskPlan(key: "all-reduce", memoryBytes: messages + 1 << 30)
        .using(cores: processes, gpus: isGPU ? processes : 0, nodes: options.nodes)
    ]
  }

  /// Processes on each machine, for what the task asks for.
  /// - Parameter gpus: what this machine shows, which may be another than those that measure.
  func plannedProcesses(gpus: Int) throws(StageError) -> Int {
    if options.processes > 0 { return options.processes }
    guard options.device.isGPU else { return 2 }
    guard gpus > 0 else {
      throw StageError(
        .options, "processes", "is 0, one per GPU, but this machine shows no GPU to count",
        hint: "Set \"processes\" to the GPUs of each machine that measures, such as 8.")
    }
    return gpus
  }

  /// A sum over one process moves nothing: its bandwidth of 0 would say that the network is broken, or pass without a limit.
  func requireSeveral(_ launch: LaunchEnvironment) throws(StageError) {
    guard launch.processes < 2 else { return }
    throw StageError(
      .options, "processes", "\(options.processes) gives a single process, which has nobody to exchange messages with",
      hint: "Measure over several GPUs, or set \"nodes\" to the number of machines that exchange messages.")
  }

  public func run(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let folder = try workspace.temporaryDirectory()
    let usesGPU = engine.usesGPU(options.device)
    let processes = options.processes > 0 ? options.processes : usesGPU ? max(1, engine.gpus) : 2
    let launch = try LaunchEnvironment.of(nodes: options.nodes, processesPerNode: processes, for: "the measurement")
    try requireSeveral(launch)
    var job = AllReduceJob()
    job.device = usesGPU ? "cuda" : "cpu"
    job.minimumBytes = options.minimumBytes.bytes
    job.maximumBytes = options.maximumBytes.bytes
    job.iterations = options.iterations
    job.threads = max(1, availableProcessors() / processes)
    let path = "\(folder)/job.json"
    try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
    var group = WorkerGroup(
      job: path, launch: launch, gpus: usesGPU ? max(1, engine.gpus) : 0, errors: "\(folder)/errors")
    group.command = "allreduce"
    let result = try measure(group, workspace)
    // The first machine publishes the same figures.
    if !workspace.isFollower { try publish(result, workspace) }
  }

  private func measure(_ group: WorkerGroup, _ workspace: Workspace) throws -> AllReduceResult {
    var result: AllReduceResult?
    try group.run(workspace) { line in
      // Nothing is kept of a measurement that is stopped.
      try workspace.control.checkStop()
      guard let json = try? JSONValue.parse(line).value else { return }
      if let point = try? AllReducePoint(json: json) {
        let done = Double(point.bytes) / Double(options.maximumBytes.bytes)
        workspace.control.report(TaskStatus(fraction: min(1, done), text: AllReduceTable.line(point)))
      } else if let whole = try? AllReduceResult(json: json) {
        result = whole
      }
    }
    guard let result else {
      throw StageError(.check, "all-reduce", "its process ended without a result", hint: "Run again.")
    }
    return result
  }

  private func publish(_ result: AllReduceResult, _ workspace: Workspace) throws {
    let best = (result.best?.busBytesPerSecond ?? 0) / 1e9
    guard best >= options.minimumBusGigabytesPerSecond else {
      throw StageError(
        .check, "all-reduce",
        "the best bus bandwidth is \(rounded(best, 2)) GB/s, below the \(options.minimumBusGigabytesPerSecond) asked for",
        hint: "On several machines, check that NCCL uses the fast network: NCCL_DEBUG=INFO prints what it chose.")
    }
    try workspace.write(Self.report, name: "all-reduce.json", Array(result.json.prettyText().utf8))
    try workspace.write(Self.report, name: "all-reduce.md", Array(AllReduceTable(result).markdown.utf8))
    try workspace.write(Self.report, name: "all-reduce.svg", Array(BandwidthChart.svg(result).utf8))
  }
}
