import Glibc
import PipelineKit
import ShardKit
import TrainerCore

/// The child processes of one training on this machine, which connect through a free port.
///
/// If a launcher has started the training on several machines, they join those of the others. Training resumes from the
/// checkpoints of rank 0.
struct WorkerGroup {
  var job: String
  var launch: LaunchEnvironment
  /// The GPUs of this machine; 0 if training runs on the CPU.
  var gpus: Int
  /// Prefix of the files with the processes' messages: `errors-RANK.log`.
  var errors: String
  /// Whether these files outlive the task; otherwise a failed process's goes to standard error.
  var keepsErrors = true
  /// The file in which the training keeps its newest figures.
  var metricsFile: String?
  /// The name of the workers' command.
  var command = "train"

  /// The exit code of a process that stopped because of another one.
  static let becauseOfOthers: Int32 = 75

  /// What a finished training has reported.
  struct Summary: Sendable {
    var start: TrainingStart
    var end: TrainingEnd
  }

  private var processes: Int { launch.processesPerNode }

  func train(_ workspace: Workspace) throws -> Summary {
    var progress = Progress()
    try run(workspace) { if let event = TrainingEvent(line: $0) { handle(event, &progress, workspace) } }
    if let step = progress.stoppedAt {
      throw StageError(.cancelled, "", "training stopped at step \(step), with a checkpoint")
    }
    guard let start = progress.start, let end = progress.end else {
      throw StageError(.check, "training", "its process ended without a result", hint: "Run again.")
    }
    return Summary(start: start, end: end)
  }

  /// Runs the processes to their ends, on GPUs that no other task uses or on the CPU.
  /// - Parameter hear: told each line that the first process prints; if it throws, the processes are ended.
  /// - Throws: `StageError` of the process that failed first; what `hear` throws.
  func run(_ workspace: Workspace, hear: ([UInt8]) throws -> Void) throws {
    guard gpus > 0 else { return try run(workspace, on: nil, hear) }
    guard processes <= gpus else {
      throw StageError(
        .options, "processes", "\(processes) processes cannot train on \(gpus == 1 ? "one GPU" : "\(gpus) GPUs")",
        hint: "Each needs one for itself: lower \"processes\", or ask for more GPUs.")
    }
    try DeviceSlots.shared.several(processes, of: gpus, workspace.control) { try run(workspace, on: $0, hear) }
  }

  private func log(_ local: Int) -> String { "\(errors)-\(local).log" }

  private func run(_ workspace: Workspace, on devices: [Int]?, _ hear: ([UInt8]) throws -> Void) throws {
    for local in 0..<processes { try? FileSystem.remove(log(local)) }
    let workers = try start(on: devices)
    var toldToStop = false
    defer { if toldToStop { TaskControl.endSaving() } }
    watching: while true {
      switch workers[0].next(timeoutMilliseconds: 200) {
      case .line(let line): try hear(line)
      case .nothing: break
      case .end: break watching
      }
      if workspace.control.isCancelled { break }
      if workspace.control.shouldStop, !toldToStop {
        toldToStop = true
        TaskControl.beginSaving()
        for worker in workers { worker.signal(SIGTERM) }
      }
      // The other processes would wait for one that has died.
      if workers.dropFirst().contains(where: { $0.hasFailed }) { throw failure(workers) }
    }
    try workspace.control.check()
    for worker in workers where worker.wait() != 0 { throw failure(workers) }
  }

  // MARK: Starting

  private func start(on devices: [Int]?) throws -> [WorkerProcess] {
    let port = launch.nodes > 1 ? launch.port : try Self.freePort()
    return try (0..<processes).map { local in
      var environment = [
        "WORLD_SIZE": "\(launch.processes)", "RANK": "\(launch.nodeRank * processes + local)", "LOCAL_RANK": "\(local)",
        "MASTER_ADDR": launch.host, "MASTER_PORT": "\(port)",
      ]
      if let devices {
        environment["CUDA_VISIBLE_DEVICES"] = DeviceSlots.visible(devices[local % devices.count])
      }
      return try WorkerProcess(["worker", command, job], environment: environment, errors: log(local))
    }
  }

  /// A port that is currently free.
  static func freePort() throws -> Int {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard listener >= 0, isBound else { throw FileSystem.error("127.0.0.1", "has no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  // MARK: Listening

  private struct Progress {
    var start: TrainingStart?
    var end: TrainingEnd?
    var stoppedAt: Int?
    /// The newest loss on held-out tokens.
    var heldOut = ""
  }

  private func handle(_ event: TrainingEvent, _ progress: inout Progress, _ workspace: Workspace) {
    switch event {
    case .began(let start):
      progress.start = start
      workspace.control.report(TaskStatus(fraction: 0, text: start.batchLine))
    case .step(let step):
      workspace.control.report(
        TaskStatus(
          fraction: Double(step.step) / Double(max(1, step.steps)),
          text: step.line + progress.heldOut + (progress.start.map { "  \($0.shortBatchLine)" } ?? ""),
          remainingSeconds: step.remainingSeconds, metricsFile: metricsFile))
    case .heldOut(let record):
      progress.heldOut = "  validation \(rounded(record.loss, 3))" + (record.isBest ? " (best)" : "")
    case .checkpoint: break
    case .warning(let text): workspace.warn("training", text)
    case .done(let end): progress.end = end
    case .stopped(let step): progress.stoppedAt = step
    }
  }

  /// The error of the process that failed first. Others end because of it, as their exit code shows.
  private func failure(_ workers: [WorkerProcess]) -> StageError {
    // The others end soon, or wait for the dead process. Processes on other machines learn from them what happened.
    let end = monotonicNanoseconds() + 15_000_000_000
    while monotonicNanoseconds() < end, workers.contains(where: { !$0.hasEnded }) {
      if launch.nodes == 1, workers.contains(where: { $0.hasFailed && $0.wait() != Self.becauseOfOthers }) { break }
      usleep(20_000)
    }
    let failed = workers.indices.filter { workers[$0].hasFailed }
    let culprit = failed.first { workers[$0].wait() != Self.becauseOfOthers } ?? failed.first ?? 0
    if !keepsErrors { tell(log(culprit)) }
    let place = keepsErrors ? log(culprit) : "the log of the job on this machine"
    let rank = launch.nodeRank * processes + culprit
    var error = workers[culprit].failure(
      "training", launch.processes > 1 ? "process \(rank) of \(launch.processes)" : "its process",
      hint: "Its messages are in \(place). Out of memory? Lower microbatchSize. "
        + "The next run resumes from the last checkpoint.")
    // What was lost may be there at the next attempt.
    if error.code == .check, Self.passing.contains(where: error.message.contains) { error.code = .environment }
    return error
  }

  /// Words of failures of a device or a network, which another attempt, perhaps elsewhere, may not meet.
  private static let passing = [
    ProcessGroup.lossWords, "cannot reach the others", "NCCL error", "NCCL communicator", "unhandled system error",
    "ECC error", "unspecified launch failure", "CUDA error: unknown error", "hardware error",
  ]

  private static let toldBytes = 1 << 16

  private func tell(_ path: String) {
    guard let text = try? FileSystem.read(path, limit: 1 << 24) else { return }
    let end = Array(text.suffix(Self.toldBytes))
    _ = write(STDERR_FILENO, end, end.count)
  }
}

/// "380k", "9500"
private func shortCount(_ count: Int) -> String { count >= 10_000 ? "\(count / 1000)k" : "\(count)" }

extension TrainingStart {
  /// "262k tok/step (2 × 4 × 256 samples)": processes, microbatches of each, samples of these.
  var shortBatchLine: String {
    "\(shortCount(tokensPerStep)) tok/step (\(processes) × \(microbatches) × \(microbatchSize) samples)"
  }
}

extension TrainingStep {
  /// "step 1200/70000  loss 2.314  380k tok/s  MFU 34%"
  var line: String {
    var parts = ["step \(step)/\(steps)", "loss \(rounded(loss, 3))"]
    if tokensPerSecond > 0 { parts.append("\(shortCount(Int(tokensPerSecond))) tok/s") }
    if let mfu { parts.append("MFU \(fixed(mfu * 100, 0))%") }
    return parts.joined(separator: "  ")
  }
}
