import ShardKit
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// The loss on held-out tokens while a model is trained, and the best checkpoint.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct HeldOutTests {
    private func job(samples: Int = 0, decisive: String? = nil) throws -> TrainingJob {
      var job = TrainingJobs.tiny(data: try SampleData.tokens(samples: 100, perShard: 30), steps: 12)
      job.state = temporaryDirectory()
      job.shape.dropout = 0.1
      job.checkpointSteps = 4
      job.keep = KeepRule(keepCheckpoints: 1)
      let sets = try [37, 21].map { try SampleData.tokens(samples: $0, perShard: 10) }
      job.heldOut = HeldOutTokens(
        sources: [
          .init(name: "web", folders: [sets[0]], digest: "a"), .init(name: "books", folders: [sets[1]], digest: "b"),
        ], everySteps: 2, samples: samples, maskFraction: 0.15, decisive: decisive)
      return job
    }

    private func records(_ job: TrainingJob) throws -> [HeldOutRecord] {
      try HeldOutLog.records("\(job.state)/watch/heldout.jsonl")
    }

    private func checkpoints(_ job: TrainingJob) throws -> [Int] {
      try TrainingCheckpoint.folders(in: "\(job.state)/checkpoints").map(\.step)
    }

    /// By a way of its own: the evaluation of a finished model.
    @Test func theLossIsThatOfAnEvaluation() throws {
      var job = try job()
      job.heldOut?.everySteps = 5
      #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
      let records = try records(job)
      #expect(records.map(\.step) == [5, 10, 12] && records.allSatisfy { $0.scores.map(\.name) == ["web", "books"] })
      let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
      for (score, source) in zip(records[2].scores, job.heldOut!.sources) {
        var other = job
        other.initial = end.folder
        other.data = source.folders[0]
        other.maskFraction = 0.15
        other.microbatchSize = 7
        let evaluation = try MaskedEvaluation(other, engine: TinyModel.engine!)
        #expect(evaluation.masked == score.masked && evaluation.samples == (source.name == "web" ? 37 : 21))
        #expect(abs(evaluation.loss - score.loss) < 1e-5)
        #expect(evaluation.accuracy == score.accuracy)
      }
      #expect(records[2].loss == (records[2].scores[0].loss + records[2].scores[1].loss) / 2)
    }

    @Test func aLimitReadsTheFirstSamples() throws {
      var job = try job(samples: 10, decisive: "books")
      #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
      let record = try #require(try records(job).last)
      #expect(record.loss == record.scores[1].loss)
      let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
      job.initial = end.folder
      job.data = try SampleData.tokens(samples: 10, perShard: 10)
      job.maskFraction = 0.15
      let evaluation = try MaskedEvaluation(job, engine: TinyModel.engine!)
      #expect(record.scores.allSatisfy { $0.masked == evaluation.masked && abs($0.loss - evaluation.loss) < 1e-5 })
    }

    /// A training that diverges after its middle: the best checkpoint stays although later ones go, and a run that was
    /// stopped in between names the same one.
    @Test func theBestCheckpointStaysBesideTheLast() throws {
      var job = try job()
      job.learningRateSchedule = LearningRateSchedule(
        learningRate: 1e-3, schedule: .constant, warmupSteps: 0, steps: 12)
      job.course = TrainingCourse(laterRates: [.init(3, after: 6)])
      var parts = job
      parts.state = temporaryDirectory()
      #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
      let all = try records(job)
      let lowest = try #require(all.min { $0.loss < $1.loss })
      #expect(lowest.step == 6 && all.last { $0.isBest }?.step == 6)
      #expect(try checkpoints(job) == [6, 12])
      let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
      #expect(end.state.best == BestCheckpoint(step: 6, loss: lowest.loss, measure: job.heldOut!.identity))

      for steps in [7, 0] {
        var asked = 0
        let stopped = try TrainingRun(
          parts, engine: TinyModel.engine!,
          shouldStop: {
            asked += 1
            return asked > steps
          })
        #expect(try stopped.run() == .stopped)
      }
      #expect(try TrainingRun(parts, engine: TinyModel.engine!).run() == .done)
      #expect(try records(parts) == all && checkpoints(parts) == [6, 12])
      let other = try #require(try TrainingCheckpoint.latest(in: "\(parts.state)/checkpoints").found)
      #expect(other.state == end.state)
      let name = "checkpoints/step-00000006/weights.safetensors"
      #expect(try FileSystem.read("\(parts.state)/\(name)") == FileSystem.read("\(job.state)/\(name)"))
      let picture = String(decoding: try FileSystem.read("\(parts.state)/watch/training.svg"), as: UTF8.self)
      #expect(picture.contains("held out: books") && picture.contains("class=\"held held1\""))
      let text = String(decoding: try FileSystem.read("\(parts.state)/watch/metrics.prom"), as: UTF8.self)
      #expect(text.contains("pipeline_training_held_out_loss{set=\"web\"}"))
    }

    /// Losses that were measured otherwise are not compared, and the training itself goes on.
    @Test func anotherMeasureStartsAnew() throws {
      var job = try job()
      var asked = 0
      let stopped = try TrainingRun(
        job, engine: TinyModel.engine!,
        shouldStop: {
          asked += 1
          return asked > 6
        })
      #expect(try stopped.run() == .stopped)
      let before = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found).state
      #expect(before.best != nil)
      job.heldOut?.maskFraction = 0.3
      var warnings: [String] = []
      let rest = try TrainingRun(
        job, engine: TinyModel.engine!, listen: { if case .warning(let text) = $0 { warnings.append(text) } })
      #expect(try rest.run() == .done)
      #expect(warnings.contains { $0.contains("was measured on other tokens or at other steps") })
      let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found).state
      #expect(end.best?.measure == job.heldOut?.identity && (end.best?.step ?? 0) > before.step)
    }

    @Test func samplesThatDoNotFitAreRefusedAtTheStart() throws {
      var job = try job()
      job.sequenceLength = 8
      let error = #expect(throws: ShardError.self) { try HeldOutLoss(job, ProcessRank()) }
      #expect(error?.description.contains("the sequence length is 8") == true)
      job.heldOut?.decisive = "nowhere"
      let path = temporaryDirectory() + "/job.json"
      try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
      #expect(throws: TorchError.self) { try TrainingJob(path: path) }
    }
  }
}
