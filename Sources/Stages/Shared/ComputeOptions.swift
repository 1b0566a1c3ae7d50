import Glibc
public import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// The options of every stage that computes with a model on texts: how words are cut, where and in what numbers.
public struct ComputeOptions: StageOptions {
  @Option("Folder of MeCab's dictionary; null for the system's choice.") var mecabDictionary: String? = nil
  // A device adds up in an order of its own, and heads may do so with a number of threads: the last digits differ.
  @Option("'auto': a GPU where the engine finds one, else the CPU.") var device = ModelPretrain.Device.auto
  @Option("What the model computes in; 'auto': bfloat16 on a GPU, float32 on the CPU.")
  var precision = ModelPretrain.Precision.auto
  @Option(
    "Threads of one task on the CPU. Tasks run beside one another. Another number may change the last digits.",
    in: 1...1024)
  var threads = 1

  public init() {}
}

extension ComputeOptions {
  /// `cpu` or `cuda`, and the precision that this means.
  func resolved(_ engine: TrainingEngine) -> (device: String, precision: Parameters.Precision) {
    let usesGPU = engine.usesGPU(device)
    return (usesGPU ? "cuda" : "cpu", precision.resolved(isGPU: usesGPU))
  }
}

/// Runs a job of evaluation in a child process, and passes on what it says of its progress.
struct EvaluationWorker {
  /// The worker's name, behind `worker`.
  var command: String
  var job: JSONValue
  var engine: TrainingEngine
  var usesGPU: Bool
  /// What follows the job's path.
  var arguments: [String] = []
  var slots = DeviceSlots.shared

  /// Waits for its turn on a GPU, where it uses one.
  /// - Returns: the last JSON object that the worker said.
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
    return FineTuningStep(json).map { step in
      TaskStatus(fraction: Double(step.step) / Double(max(1, step.step, step.steps)), text: step.line)
    }
  }

  private func check(_ worker: WorkerProcess) throws {
    let code = worker.wait()
    guard code != 0 else { return }
    let message = worker.lastErrors(lines: 1)
    guard code < 128, !message.isEmpty else {
      throw StageError(
        .environment, command, "its process ended \(code > 128 ? "by signal \(code - 128)" : "with code \(code)")",
        hint: "Out of memory? Run fewer tasks at once with --jobs.")
    }
    throw StageError(.check, "", message)
  }
}

extension JGLUEBenchmark: OptionChoice {}
extension Pooling: OptionChoice {}
