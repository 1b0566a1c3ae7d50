import ShardKit
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// The loop itself, in this process.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct TrainingRunTests {
    private func job(_ state: String, steps: Int = 12, data: String) -> TrainingJob {
      var job = TrainingJobs.tiny(data: data, steps: steps)
      job.shape.dropout = 0.1
      job.state = state
      job.logSteps = TrainingJob().logSteps
      return job
    }

    private func weights(_ state: String, step: Int) throws -> [UInt8] {
      let latest = try #require(try TrainingCheckpoint.latest(in: "\(state)/checkpoints").found)
      #expect(latest.state.step == step)
      return try FileSystem.read("\(latest.folder)/weights.safetensors")
    }

    /// A dropout, a mask, a rate or a moment that depends on anything but the step would show in the weights.
    @Test func aStoppedTrainingComesToTheSameBitsAsAWholeOne() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      let whole = temporaryDirectory(), parts = temporaryDirectory()
      #expect(try TrainingRun(job(whole, data: data), engine: TinyModel.engine!).run() == .done)
      var asked = 0
      var events: [TrainingEvent] = []
      let stopped = try TrainingRun(
        job(parts, data: data), engine: TinyModel.engine!, listen: { events.append($0) },
        shouldStop: {
          asked += 1
          return asked > 6
        })
      #expect(try stopped.run() == .stopped)
      // A run that is not the same must not be gone on from.
      var other = job(parts, data: data)
      other.learningRateSchedule.learningRate = 2e-3
      let refused = #expect(throws: TorchError.self) { try TrainingRun(other, engine: TinyModel.engine!).run() }
      #expect(refused?.description.contains("other options") == true)
      events = []
      let rest = try TrainingRun(job(parts, data: data), engine: TinyModel.engine!, listen: { events.append($0) })
      #expect(try rest.run() == .done)
      guard case .began(let start) = events[0] else { return #expect(Bool(false), "no beginning") }
      #expect((6...9).contains(start.resumedAt))
      #expect(try weights(parts, step: 12) == weights(whole, step: 12))
      let curve = try MetricsLog.curve("\(parts)/watch/metrics.jsonl")
      #expect(curve.map(\.step) == [1, 10, 12], "no step stands twice")
    }

    @Test func aLossThatIsNoNumberNamesTheStepAndTheDocuments() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      let state = temporaryDirectory()
      var job = job(state, data: data)
      job.initial = state
      let parameters = try Parameters(job.shape.parameters, engine: TinyModel.engine!, device: .cpu)
      var sources = try parameters.sources()
      let name = "bert.encoder.layer.1.mlp.wo.bias"
      let place = try #require(sources.firstIndex { $0.name == name })
      sources[place] = TensorSource(name, shape: [48], floats: [Float](repeating: .nan, count: 48))
      try Safetensors.write(sources, to: "\(state)/weights.safetensors")
      let error = #expect(throws: TorchError.self) { try TrainingRun(job, engine: TinyModel.engine!).run() }
      #expect(error?.code == .diverged)
      #expect(error?.subject == "step 1")
      #expect(error?.description.contains("its batch has the documents doc ") == true, "\(error!)")
    }

    @Test func dropoutFollowsFromTheStep() {
      let seeds = (0..<4).flatMap { step in (0..<4).map { MaskedTokens.dropoutSeed(17, step: step, microbatch: $0) } }
      #expect(Set(seeds).count == 16)
      #expect(MaskedTokens.dropoutSeed(18, step: 0, microbatch: 0) != seeds[0])
    }

    @Test func jobsAreReadAsWritten() throws {
      var job = job("/state", data: "/data")
      job.initial = "/model"
      job.keep = KeepRule(keepCheckpoints: 2, keepEverySteps: 100)
      let path = temporaryDirectory() + "/job.json"
      try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
      #expect(try TrainingJob(path: path) == job)
      job.data = "/elsewhere"
      job.microbatchSize = 1
      job.threads = 7
      job.course = TrainingCourse(skipSteps: [3...4], laterRates: [.init(0.1, after: 7)])
      job.skipNonFinite = 3
      #expect(try TrainingJob(path: path).fingerprint == job.fingerprint, "places, cuts and course are no part of it")
      try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
      #expect(try TrainingJob(path: path) == job)
      job.seed += 1
      #expect(try TrainingJob(path: path).fingerprint != job.fingerprint)
    }
  }
}

@Suite struct LearningRateTests {
  @Test func warmUpThenFall() {
    let rate = LearningRateSchedule(
      learningRate: 1, schedule: .cosine, warmupSteps: 10, steps: 110, finalRateFraction: 0.1)
    #expect(rate.learningRate(after: 0) == 0 && rate.learningRate(after: 5) == 0.5 && rate.learningRate(after: 10) == 1)
    #expect(abs(rate.learningRate(after: 60) - 0.55) < 1e-12)
    #expect(
      abs(rate.learningRate(after: 110) - 0.1) < 1e-12 && rate.learningRate(after: 500) == rate.learningRate(after: 110)
    )
    let linear = LearningRateSchedule(learningRate: 2, schedule: .linear, warmupSteps: 0, steps: 4)
    #expect((0...4).map { linear.learningRate(after: $0) } == [2, 1.5, 1, 0.5, 0])
    #expect(
      LearningRateSchedule(learningRate: 3, schedule: .constant, warmupSteps: 0, steps: 4).learningRate(after: 4) == 3)
  }

  @Test func warmUpThenConstantThenFall() throws {
    var rate = LearningRateSchedule(
      learningRate: 1, schedule: .sqrt, warmupSteps: 10, steps: 100, finalRateFraction: 0.2, decaySteps: 16)
    #expect([5, 10, 50, 84].map(rate.learningRate(after:)) == [0.5, 1, 1, 1])
    #expect(abs(rate.learningRate(after: 88) - 0.6) < 1e-12 && abs(rate.learningRate(after: 100) - 0.2) < 1e-12)
    rate.schedule = .linear
    #expect(abs(rate.learningRate(after: 92) - 0.6) < 1e-12)
    #expect(try JSONValue.encoding(rate).decode(LearningRateSchedule.self) == rate)
    // A schedule without it is written as before: older checkpoints are of the same training.
    rate.decaySteps = nil
    #expect(try JSONValue.encoding(rate)["decaySteps"] == nil)
  }

  /// A branch off a constant training goes on at its rate, and decays.
  @Test func aBranchContinuesAtTheConstantRate() {
    let trunk = LearningRateSchedule(learningRate: 1, schedule: .linear, warmupSteps: 10, steps: 1000, decaySteps: 100)
    let branch = LearningRateSchedule(learningRate: 1, schedule: .linear, warmupSteps: 10, steps: 450, decaySteps: 50)
    #expect((0...400).allSatisfy { trunk.learningRate(after: $0) == branch.learningRate(after: $0) })
    #expect(branch.learningRate(after: 425) == 0.5 && branch.learningRate(after: 450) == 0)
  }
}
