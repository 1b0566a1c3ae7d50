import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages
import Synchronization
import TrainerCore

/// The commands that stages start as child processes; not for direct use.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Do a stage's work in a separate process.", shouldDisplay: false,
    subcommands: [
      Task.self, Train.self, Evaluate.self, ModelFinetune.self, Contrast.self, Embed.self, AllReduce.self,
      Batches.self,
      EngineReport.self, Supervise.self,
    ])

  /// One process of a training run.
  struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Train according to a job file.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      do {
        let run = try TrainingRun(
          TrainingJob(path: job), engine: Engine(), place: ProcessRank.current(),
          source: { try RemoteTokens($0) }, listen: { WorkerLife.emit($0.json) }, shouldStop: { WorkerLife.shouldStop },
          onLoss: { error in
            Self.tell(error)
            _exit(WorkerLife.becauseOfOthers)
          })
        _ = try run.run()
      } catch let error as TorchError where error.code == .group {
        Self.tell(error)
        throw ExitCode(WorkerLife.becauseOfOthers)
      }
    }

    /// Print the error that made all other workers end.
    static func tell(_ error: TorchError) {
      let line = Array("error: \(error)\n".utf8)
      _ = write(STDERR_FILENO, line, line.count)
    }
  }

  /// A masked-language-model evaluation.
  struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Evaluate according to a job file.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    @Option(help: "Maximum number of samples. 0: all.")
    var limit = 0

    func run() throws {
      WorkerLife.begin()
      var told = 0.0
      let result = try MaskedEvaluation(TrainingJob(path: job), engine: Engine(), limit: limit > 0 ? limit : nil) {
        if $0 - told >= 0.01 {
          told = $0
          WorkerLife.emit(["done": .number($0)])
        }
      }
      WorkerLife.emit([
        "loss": .number(result.loss), "perplexity": .number(result.perplexity), "accuracy": .number(result.accuracy),
        "unigramPerplexity": .number(result.unigramPerplexity), "masked": .integer(result.masked),
        "samples": .integer(result.samples), "tokens": .integer(result.tokens),
      ])
    }
  }

  /// Writes the batches of a training run, for comparison with other implementations.
  struct Batches: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write the first batches of a training run as safetensors.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    @Option(help: "Number of steps to write.")
    var steps = 200

    @Option(help: "The folder to write to.")
    var output: String

    func run() throws {
      try BatchRecording.write(TrainingJob(path: job), steps: steps, engine: Engine(), to: output)
    }
  }

  /// Describes the training engine of this machine.
  struct EngineReport: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "engine", abstract: "Load the engine and describe it.")

    func run() throws {
      WorkerLife.begin()
      let engine = try Engine()
      WorkerLife.emit([
        "torch": .string(engine.version), "gpus": .integer(engine.deviceCount), "path": .string(engine.path),
      ])
    }
  }
}

/// The life cycle of a worker: it ends with its runner, treats SIGTERM and SIGUSR1 as requests to stop, and reports in JSON lines.
enum WorkerLife {
  /// See `WorkerGroup.becauseOfOthers`.
  static let becauseOfOthers: Int32 = 75
  private static let stops = Atomic<Int>(0)

  static var shouldStop: Bool { stops.load(ordering: .relaxed) > 0 }

  static func begin() {
    endWithTheRunner()
    // Schedulers may signal all processes of a job, not only the runner.
    for number in [SIGTERM, SIGUSR1] {
      signal(number) { _ in WorkerLife.stops.add(1, ordering: .relaxed) }
    }
    signal(SIGPIPE, SIG_IGN)
  }

  /// Standard input is a pipe that the runner holds open; end of file means that the runner has ended.
  private static func endWithTheRunner() {
    let thread = BackgroundThread {
      var byte: UInt8 = 0
      while read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR {}
      _exit(137)
    }
    thread?.detach()
  }

  static func emit(_ json: JSONValue) {
    var line = Array(json.text().utf8)
    line.append(0x0A)
    var rest = line[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }
}
