import Glibc
public import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// The options of every stage that runs a model on texts: the MeCab dictionary, the device and the precision.
public struct ComputeOptions: StageOptions {
  @Option("Folder of the MeCab dictionary. null: the system default.") var mecabDictionary: String? = nil
  // The order of additions depends on the device, and for heads also on the number of threads: the last digits differ.
  @Option("Where the model runs. 'auto': a GPU if the engine finds one, otherwise the CPU.")
  var device = ModelPretrain.Device.auto
  @Option("Number format of the computation. 'auto': bfloat16 on a GPU, float32 on the CPU.")
  var precision = ModelPretrain.Precision.auto
  @Option(
    "CPU threads per task. Several tasks may run at once. Another number may change the last digits of results.",
    in: 1...1024)
  var threads = 1

  public init() {}
}

extension ComputeOptions {
  /// `cpu` or `cuda`, and the resulting precision.
  func resolved(_ engine: TrainingEngine) -> (device: String, precision: Parameters.Precision) {
    let usesGPU = engine.usesGPU(device)
    return (usesGPU ? "cuda" : "cpu", precision.resolved(isGPU: usesGPU))
  }

  /// Tasks that run the model wired to a stage: each reads its tokenizer and its checkpoint, then files of its own.
  /// - Parameters:
  ///   - weightCopies: the memory of a task in sizes of the weights: gradients and moments count as well.
  ///   - besides: bytes for everything else.
  func modelTasks(
    _ tasks: [(key: String, inputs: TaskInputs)], _ context: PlanningContext, weightCopies: Int, besides: Int = 1 << 30
  ) throws -> [TaskPlan] {
    let tokenizer = try TokenizerInput.files(context), checkpoint = try CheckpointInput.files(context)
    let model: TaskInputs = [TokenizerInput.role: tokenizer, CheckpointInput.role: checkpoint]
    let words = try TokenizerInput.wordsIdentity(tokenizer, dictionary: mecabDictionary)
    let memoryBytes = CheckpointInput.weightsBytes(checkpoint) * weightCopies + besides
    return try tasks.map { key, inputs in
      try TaskPlan(key: key, inputs: model, memoryBytes: memoryBytes).with(inputs: inputs, payload: words)
        .using(cores: threads, gpus: device.isGPU ? 1 : 0)
    }
  }
}

/// Runs an evaluation job in a child process and reports its progress.
struct EvaluationWorker {
  /// The worker's name: the argument after `worker`.
  var command: String
  var job: JSONValue
  var engine: TrainingEngine
  var usesGPU: Bool
  /// Arguments after the job's path.
  var arguments: [String] = []
  var slots = DeviceSlots.shared

  /// Waits for a GPU if the job uses one.
  /// - Returns: the last JSON object that the worker printed.
  @discardableResult
  func run(_ workspace: Workspace) throws -> JSONValue? {
    let folder = try workspace.temporaryDirectory()
    let path = "\(folder)/job.json", errors = "\(folder)/errors.log"
    try FileSystem.write(Array(job.prettyText().utf8), to: path)
    func start(_ environment: [String: String]) throws -> JSONValue? {
      try watch(
        try WorkerProcess(["worker", command, path] + arguments, environment: environment, errors: errors), workspace)
    }
    guard usesGPU else { return try start([:]) }
    return try slots.one(of: max(1, engine.gpus), workspace.control) { slot in
      try start(["CUDA_VISIBLE_DEVICES": DeviceSlots.visible(slot)])
    }
  }

  private func watch(_ worker: WorkerProcess, _ workspace: Workspace) throws -> JSONValue? {
    var last: JSONValue?
    watching: while true {
      switch worker.next(timeoutMilliseconds: 200) {
      case .line(let line):
        guard let json = try? JSONValue.parse(line).value, json.members != nil else { continue }
        last = json
        if let status = Self.status(json) { workspace.control.report(status) }
      case .nothing: break
      case .end: break watching
      }
      try workspace.control.check()
    }
    try check(worker)
    return last
  }

  private static func status(_ json: JSONValue) -> TaskStatus? {
    if let done = json["done"]?.double { return TaskStatus(fraction: done, text: "evaluating") }
    return (try? FineTuningStep(json: json)).map { step in
      TaskStatus(fraction: Double(step.step) / Double(max(1, step.step, step.steps)), text: step.line)
    }
  }

  private func check(_ worker: WorkerProcess) throws {
    guard worker.wait() != 0 else { return }
    throw worker.failure(command, "its process", hint: "Out of memory? Run fewer tasks at once with --jobs.")
  }
}

extension JGLUEBenchmark: OptionChoice {}
