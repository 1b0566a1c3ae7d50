import ArgumentParser
import Stages
import TrainerCore

extension WorkerCommand {
  /// One fine-tuning.
  struct ModelFinetune: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "finetune", abstract: "Fine-tune and score as a job file says.")

    @Argument(help: "The job, as the stage wrote it.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      let tuning = try FineTuning(FineTuningJob(path: job), engine: Engine())
      _ = try tuning.run(listen: { WorkerLife.say($0.json) }, shouldStop: { WorkerLife.shouldStop })
    }
  }

  /// Sentence vectors, or a search by them.
  struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Turn texts into vectors as a job file says.")

    @Argument(help: "The job, as the stage wrote it.")
    var job: String

    func run() throws {
      WorkerLife.begin()
      try Embedding(EmbeddingJob(path: job), engine: Engine()).run(listen: { WorkerLife.say($0.json) })
    }
  }
}
