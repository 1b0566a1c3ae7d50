import Glibc
import PipelineKit
import ShardKit
import Synchronization
import TrainerCore

/// The options of every stage that computes with a model on texts: how words are cut, where and in what numbers.
protocol ComputeOptions: StageOptions {
  var mecabDictionary: String? { get set }
  var device: Pretrain.Device { get set }
  var precision: Pretrain.Precision { get set }
  var threads: Int { get set }
}

extension ComputeOptions {
  static var computeFields: [OptionField<Self>] {
    [
      OptionField(
        "mecabDictionary", \Self.mecabDictionary, "Folder of MeCab's dictionary; null for the system's choice."),
      // A device and a number of threads each add up in an order of their own, so the last digits differ.
      OptionField("device", \Self.device, "'auto': a GPU where the engine finds one, else the CPU."),
      OptionField(
        "precision", \Self.precision, "What the model computes in; 'auto': bfloat16 on a GPU, float32 on the CPU."),
      OptionField(
        "threads", \Self.threads,
        "Threads of one task on the CPU. Tasks run beside one another. Another number changes the last digits.",
        in: 1...1024),
    ]
  }

  /// `cpu` or `cuda`, and the precision that this means.
  func resolved(_ engine: TrainingEngine) -> (device: String, precision: Parameters.Precision) {
    let usesGPU = engine.usesGPU(device)
    let precision: Parameters.Precision =
      switch precision {
      case .auto: usesGPU ? .bfloat16 : .float32
      case .float32: .float32
      case .bfloat16: .bfloat16
      }
    return (usesGPU ? "cuda" : "cpu", precision)
  }
}

/// Hands out GPUs to tasks that run at once, the least busy first.
enum DeviceSlots {
  private static let busy = Mutex<[Int]>([])

  static func with<R>(of count: Int, _ body: (Int) throws -> R) rethrows -> R {
    let slot = busy.withLock { busy in
      while busy.count < count { busy.append(0) }
      let slot = busy.indices.min { (busy[$0], $0) < (busy[$1], $1) } ?? 0
      if !busy.isEmpty { busy[slot] += 1 }
      return slot
    }
    defer { busy.withLock { if slot < $0.count { $0[slot] -= 1 } } }
    return try body(slot)
  }
}

/// Runs a job of evaluation in a child process, and passes on what it says of its progress.
struct EvaluationWorker {
  /// The worker's name, behind `worker`.
  var command: String
  var job: JSONValue
  var engine: TrainingEngine
  var usesGPU: Bool

  func run(_ workspace: Workspace) throws {
    let folder = try workspace.temporaryDirectory()
    let path = "\(folder)/job.json", errors = "\(folder)/errors.log"
    try FileSystem.write(Array(job.prettyText().utf8), to: path)
    try DeviceSlots.with(of: usesGPU ? max(1, engine.gpus) : 0) { slot in
      var environment: [String: String] = [:]
      if usesGPU, getenv("CUDA_VISIBLE_DEVICES") == nil { environment["CUDA_VISIBLE_DEVICES"] = "\(slot)" }
      let worker = try WorkerProcess(["worker", command, path], environment: environment, errors: errors)
      try watch(worker, workspace)
    }
  }

  private func watch(_ worker: WorkerProcess, _ workspace: Workspace) throws {
    watching: while true {
      switch worker.next(timeoutMilliseconds: 200) {
      case .line(let line):
        guard let json = try? JSONValue.parse(line).value, let step = FineTuningStep(json) else { continue }
        workspace.control.report(
          TaskStatus(
            fraction: Double(step.step) / Double(max(1, step.step, step.steps)), text: step.line, remainingSeconds: nil)
        )
      case .nothing: break
      case .end: break watching
      }
      try workspace.control.check()
    }
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
