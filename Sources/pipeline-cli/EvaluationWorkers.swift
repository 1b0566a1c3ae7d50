import ArgumentParser
import Glibc
import ShardKit
import Stages
import TrainerCore

extension WorkerCommand {
  /// Runs one fine-tuning job.
  struct ModelFinetune: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "finetune", abstract: "Fine-tune and score according to a job file.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      let tuning = try FineTuning(FineTuningJob(path: job), engine: Engine())
      _ = try tuning.run(listen: { WorkerLife.emit($0.json) }, shouldStop: { WorkerLife.shouldStop })
    }
  }

  /// One process of a contrastive training.
  struct Contrast: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Train vectors by contrast according to a job file.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      do {
        let place = try ProcessRank.current()
        let training = try ContrastTraining(
          ContrastJob(path: job), engine: Engine(), place: place, listen: { WorkerLife.emit($0.json) },
          onLoss: { error in
            Train.tell(error)
            _exit(WorkerLife.becauseOfOthers)
          })
        let end = try training.run(shouldStop: { WorkerLife.shouldStop })
        if place.rank == 0 { WorkerLife.emit(end.json) }
      } catch let error as TorchError where error.code == .group {
        Train.tell(error)
        throw ExitCode(WorkerLife.becauseOfOthers)
      }
    }
  }

  /// Computes sentence vectors, or searches with them.
  struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Embed texts according to a job file.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      try Embedding(EmbeddingJob(path: job), engine: Engine()).run(listen: { WorkerLife.emit($0.json) })
    }
  }
  /// One process of a measurement of all-reduce bandwidth.
  struct AllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "allreduce", abstract: "Measure all-reduce bandwidth according to a job file.")

    @Argument(help: "The job file written by the stage.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      do {
        let check = try AllReduceCheck(
          AllReduceJob(path: job), engine: Engine(), place: ProcessRank.current(),
          onLoss: { error in
            Train.tell(error)
            _exit(WorkerLife.becauseOfOthers)
          })
        let result = try check.run(listen: { WorkerLife.emit($0.json) })
        if let result { WorkerLife.emit(result.json) }
      } catch let error as TorchError where error.code == .group {
        Train.tell(error)
        throw ExitCode(WorkerLife.becauseOfOthers)
      }
    }
  }
}
