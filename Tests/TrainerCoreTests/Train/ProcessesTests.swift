import Glibc
import ShardKit
import Synchronization
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// Two ranks as two threads of this process, over gloo.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) final class ProcessesTests {
    private let engine = TinyModel.engine

    /// What each of two ranks comes to.
    private func together(_ jobs: [TrainingJob]) throws -> [Result<TrainingRun.Outcome, TorchError>] {
      let port = try freePort()
      let engine = try #require(engine)
      let outcomes = Outcomes()
      let threads = jobs.indices.map { rank in
        var place = ProcessRank()
        place.rank = rank
        place.localRank = rank
        place.size = jobs.count
        place.port = port
        let job = jobs[rank], here = place
        return BackgroundThread {
          let outcome: Result<TrainingRun.Outcome, TorchError>
          do {
            let run = try TrainingRun(job, engine: engine, place: here)
            outcome = .success(try run.run())
            outcomes.lastGood.withLock { $0[rank] = run.lastGood?.step }
          } catch {
            outcome = .failure(error as? TorchError ?? TorchError(.file, "", "\(error)"))
          }
          outcomes.all.withLock { $0[rank] = outcome }
        }
      }
      for thread in threads { thread?.join() }
      let all = outcomes.all.withLock { $0 }
      lastGood.withLock { $0 = outcomes.lastGood.withLock { $0 } }
      return try jobs.indices.map { try #require(all[$0]) }
    }

    /// By rank, the checkpoint that it would name in an error at the end of the training before.
    private let lastGood = Mutex<[Int: Int]>([:])

    private final class Outcomes: Sendable {
      let lastGood = Mutex<[Int: Int]>([:])
      let all = Mutex<[Int: Result<TrainingRun.Outcome, TorchError>]>([:])
    }

    private func job(_ data: String, _ kind: ModelShape.Kind = .mosaicBERT) -> TrainingJob {
      var job = TrainingJobs.tiny(data: data, kind, steps: 3)
      job.state = temporaryDirectory()
      return job
    }

    /// A document that was edited on one machine alone.
    @Test func machinesCompareTheirJobsBeforeTheFirstStep() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var other = job(data)
      other.learningRateSchedule.learningRate = 2e-3
      other.microbatchSize = 2
      let outcomes = try together([job(data), other])
      for (rank, outcome) in outcomes.enumerated() {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "rank \(rank) trains") }
        #expect(
          error.description.hasPrefix(
            "process \(rank) of 2: trains something else than process \(1 - rank): they differ in 'learningRateSchedule', "
              + "'microbatchSize'."), "\(error)")
      }
      #expect(try together([job(data), job(data)]).allSatisfy { (try? $0.get()) == .done })
    }

    /// At a checkpoint figures are read that are else read a step later: processes that disagree there would wait for
    /// one another when one is to stop.
    @Test func machinesCompareWhenTheyWriteCheckpoints() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var other = job(data)
      other.checkpointSteps = 2
      other.keep = KeepRule(keepCheckpoints: 1, keepEverySteps: 3)
      for outcome in try together([job(data), other]) {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "they train") }
        #expect(error.message.hasSuffix("they differ in 'checkpointSteps', 'keepEverySteps'"), "\(error)")
      }
    }

    /// A rank without checkpoints of its own knows those of the first one, also of a run before.
    @Test func everyRankNamesTheLastCheckpoint() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var jobs = [job(data), job(data)]
      for rank in 0..<2 { jobs[rank].checkpointSteps = 2 }
      #expect(try together(jobs).allSatisfy { (try? $0.get()) == .done })
      #expect(lastGood.withLock { $0 } == [0: 3, 1: 2], "the last one may still be on its way")
      #expect(try together(jobs).allSatisfy { (try? $0.get()) == .done })
      #expect(lastGood.withLock { $0 } == [0: 3, 1: 3])
    }

    /// What an operator does on GPUs: after a stop half the microbatch and two processes. Without dropout, since these two
    /// ranks share a generator.
    @Test func moreProcessesGoOnAtTheLastCheckpoint() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      func weights(_ job: TrainingJob) throws -> [Float] {
        let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
        #expect(end.state.step == 12)
        return try job.shape.parameters.flatMap { try end.weights.floats(of: $0.name) }
      }
      var whole = TrainingJobs.tiny(data: data)
      whole.state = temporaryDirectory()
      #expect(try TrainingRun(whole, engine: try #require(engine)).run() == .done)
      var part = whole
      part.state = temporaryDirectory()
      var asked = 0
      let stopped = try TrainingRun(
        part, engine: try #require(engine),
        shouldStop: {
          asked += 1
          return asked > 6
        })
      #expect(try stopped.run() == .stopped)
      part.microbatchSize = 2
      var second = part
      second.state = temporaryDirectory()
      #expect(try together([part, second]).allSatisfy { (try? $0.get()) == .done })
      #expect(try MetricsLog.curve("\(part.state)/curve.jsonl").map(\.step) == Array(1...12))
      let error = try TinyModel.relativeError(weights(part), weights(whole))
      #expect(error < 1e-4)
    }

    /// A model whose last position is no number, and a step whose one long sample is on one rank.
    @Test func theRankWithTheBadSampleNamesItsDocuments() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var job = job(data, .bert)
      // Two samples of each rank, so that all of their documents are named.
      job.batchSize = 4
      job.microbatchSize = 1
      let engine = try #require(engine)
      // The first step's samples by rank, and a length that only one rank has.
      let lengths = try (0..<2).map { rank in
        var place = ProcessRank()
        (place.rank, place.size) = (rank, 2)
        let batches = try TrainingRun.batches(job, place)
        return try (0..<batches.microbatchesPerStep).compactMap { _ in try batches.next() }
      }
      let longest = lengths.map { $0.map { Int($0.lengths[0]) }.max()! }
      let culprit = longest[0] > longest[1] ? 0 : 1
      try #require(longest[0] != longest[1])
      let bad = longest[culprit] - 1
      let parameters = try Parameters(job.shape.parameters, engine: engine, device: .cpu, seed: 1)
      var sources = try parameters.sources()
      let name = "bert.embeddings.position_embeddings.weight"
      let place = try #require(sources.firstIndex { $0.name == name })
      var table = [Float](repeating: 0.01, count: 32 * 48)
      for i in 0..<48 { table[bad * 48 + i] = .nan }
      sources[place] = TensorSource(name, shape: [32, 48], floats: table)
      let folder = temporaryDirectory()
      try Safetensors.write(sources, to: "\(folder)/weights.safetensors")
      job.initial = folder
      var second = job
      second.state = temporaryDirectory()
      let outcomes = try together([job, second])
      for (rank, outcome) in outcomes.enumerated() {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "rank \(rank) trains") }
        if rank == culprit {
          let sample = lengths[rank].first { Int($0.lengths[0]) == longest[rank] }!.sampleIDs[0]
          #expect(error.code == .diverged && error.message.contains("doc \(sample)"), "\(error)")
        } else {
          #expect(
            error.code == .group && error.message.contains("the loss of process \(culprit) is not a number"), "\(error)"
          )
        }
      }
    }
  }
}
