import ShardKit
import TestKit
import Testing

@testable import TrainerCore

@Suite struct CourseTests {
  @Test func aCourseConcernsTheStepsUntilWhichItIsAsked() throws {
    let course = TrainingCourse(
      skipSteps: [20...30, 31...35, 8...9], laterRates: [.init(0.5, after: 40), .init(0.25, after: 12)])
    #expect(course.skipSteps == [8...9, 20...35])
    #expect(course.text(until: 7) == "")
    #expect(course.text(until: 8) == "passes over 8-8")
    #expect(course.text(until: 12) == "passes over 8-9")
    #expect(course.text(until: 22) == "passes over 8-9; passes over 20-22; rate 0.25 after 12")
    #expect(course.endOfWindow(at: 20) == 35 && course.endOfWindow(at: 36) == nil)
    #expect([11, 12, 39, 40].map { course.learningRate(after: $0) } == [nil, 0.25, 0.25, 0.5])
    #expect(try JSONValue.encoding(course).decode(TrainingCourse.self) == course)
    #expect(course.steps(after: 0, until: 40) == 22 && course.steps(after: 8, until: 25) == 10)
    #expect(course.steps(after: 19, until: 35) == 0 && course.steps(after: 40, until: 40) == 0)
  }

  @Test func windowsMayEndAtTheGreatestNumber() {
    let course = TrainingCourse(skipSteps: [5...Int.max, 7...7, Int.max...Int.max])
    #expect(course.skipSteps == [5...Int.max] && course.steps(after: 0, until: 10) == 4)
  }

  @Test func aScheduleMayBeginAtALaterStep() {
    let rate = LearningRateSchedule(learningRate: 1, schedule: .linear, warmupSteps: 2, steps: 14, start: 10)
    #expect((9...14).map { rate.learningRate(after: $0) } == [0, 0, 0.5, 1, 0.5, 0])
  }
}

extension EngineTests {
  /// What a training is told after it has begun.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct TrainingRescueTests {
    private let data: String
    private let engine = TinyModel.engine

    init() throws { data = try SampleData.tokens(samples: 100, perShard: 30) }

    private struct Outcome: Equatable {
      var weights: [[Float]]
      var resumedAt = -1
      var warnings: [String] = []
      var steps: [Int] = []
      var rates: [Double] = []
    }

    @discardableResult
    private func train(_ job: TrainingJob, until stop: Int = .max) throws -> Outcome {
      var outcome = Outcome(weights: [])
      var taken = 0
      let run = try TrainingRun(
        job, engine: try #require(engine),
        listen: {
          switch $0 {
          case .began(let start): outcome.resumedAt = start.resumedAt
          case .warning(let text): outcome.warnings.append(text)
          case .step(let step):
            outcome.steps.append(step.step)
            outcome.rates.append(step.learningRate)
          default: break
          }
        },
        shouldStop: {
          taken += 1
          return taken > stop
        })
      _ = try run.run()
      outcome.weights = try run.parameters.masterWeights.tensors.map { try $0.floats() }
      return outcome
    }

    private func job(_ state: String) -> TrainingJob {
      var job = TrainingJobs.tiny(data: data, steps: 20)
      job.state = state
      job.shape.dropout = 0.1
      job.checkpointSteps = 4
      job.keep = KeepRule(keepCheckpoints: 2, keepEverySteps: 4)
      return job
    }

    @Test func aWindowIsPassedOverFromTheCheckpointBeforeIt() throws {
      let fresh = temporaryDirectory(), rescued = temporaryDirectory()
      var course = job(fresh)
      course.course = TrainingCourse(skipSteps: [10...13])
      let expected = try train(course)
      #expect(expected.steps == Array(1...9) + Array(14...20))
      #expect(expected.warnings == ["steps 10 to 13 are passed over, as the job says"])
      // The same told to a training that has come to its end without it.
      let plain = try train(job(rescued))
      #expect(plain.weights != expected.weights)
      course.state = rescued
      let outcome = try train(course)
      #expect(outcome.resumedAt == 8)
      #expect(outcome.weights == expected.weights)
      #expect(outcome.warnings.first?.hasSuffix("training resumes from step 8") == true, "\(outcome.warnings)")
      let curve = try MetricsLog.curve("\(rescued)/curve.jsonl")
      #expect(curve.map(\.step) == expected.steps)
      // Once more: now it is at its end.
      #expect(try train(course).resumedAt == 20)
      // What the other course left at step 12 is gone, and what was left out is not counted.
      for state in [fresh, rescued] {
        #expect(try TrainingCheckpoint.folders(in: "\(state)/checkpoints").map(\.step) == [4, 8, 16, 20])
        let end = try #require(try TrainingCheckpoint.latest(in: "\(state)/checkpoints").found)
        #expect(end.state.samples == 16 * 8)
      }
    }

    /// A course that is taken back before the next checkpoint has lost nothing.
    @Test func checkpointsOfAnotherCourseStayUntilTheNextOne() throws {
      let state = temporaryDirectory()
      let store = try CheckpointStore(state, keep: KeepRule(keepCheckpoints: 1, keepEverySteps: 4))
      func contents(_ step: Int, _ course: String = "") -> CheckpointContents {
        CheckpointContents(state: CheckpointState(step: step, course: course), weights: [], optimizer: [])
      }
      for step in [4, 8, 12, 16] { try store.save(contents(step)) }
      func steps() throws -> [Int] { try TrainingCheckpoint.folders(in: state).map(\.step) }
      try store.goOn(from: 8) { $0.course == "" }
      #expect(try steps() == [4, 8, 12, 16])
      #expect(store.lastGood?.step == 8)
      try store.save(contents(20, "other"))
      try store.waitForWrite()
      #expect(try steps() == [4, 8, 20])
      // One that a kill left below the newest is told by its course.
      try store.save(contents(24))
      try store.goOn(from: 24) { $0.course == "" }
      try store.save(contents(28))
      try store.waitForWrite()
      #expect(try steps() == [4, 8, 24, 28])
    }

    @Test func aTrainingWithoutAStepIsNoModel() throws {
      var job = job(temporaryDirectory())
      job.course = TrainingCourse(skipSteps: [1...20])
      let error = #expect(throws: TorchError.self) { try train(job) }
      #expect(error?.code == .diverged && error?.message == "every step is passed over")
    }

    @Test func anotherRateGoesOnFromTheCheckpointBeforeIt() throws {
      let fresh = temporaryDirectory(), rescued = temporaryDirectory()
      var course = job(fresh)
      course.course = TrainingCourse(laterRates: [.init(1e-4, after: 10)])
      let expected = try train(course)
      #expect(zip(expected.rates[10...], try train(job(rescued)).rates[10...]).allSatisfy { abs($0 - $1 / 10) < 1e-12 })
      course.state = rescued
      let outcome = try train(course)
      #expect(outcome.resumedAt == 8 && outcome.weights == expected.weights)
    }

    /// What the error says of a smaller microbatch.
    @Test func aSmallerMicrobatchGoesOnAtTheLastCheckpoint() throws {
      let whole = try train(job(temporaryDirectory()))
      let state = temporaryDirectory()
      try train(job(state), until: 9)
      var half = job(state)
      half.microbatchSize = 2
      let outcome = try train(half)
      #expect(outcome.resumedAt >= 9)
      #expect(TinyModel.relativeError(outcome.weights.flatMap { $0 }, whole.weights.flatMap { $0 }) < 1e-4)
      #expect(try MetricsLog.curve("\(state)/curve.jsonl").map(\.step) == Array(1...20))
    }

    /// With moments, step and place in the data: a training of half the steps and its end are the whole.
    @Test func aTrainingGoesOnFromAnothersCheckpoint() throws {
      let first = temporaryDirectory()
      let whole = try train(job(first))
      var rest = job(temporaryDirectory())
      rest.resume = "\(first)/checkpoints/step-00000012"
      let outcome = try train(rest)
      #expect(outcome.resumedAt == 12 && outcome.weights == whole.weights)
      // Other data begin at their beginning.
      let other = try SampleData.tokens(samples: 40, perShard: 30)
      rest.state = temporaryDirectory()
      rest.data = other
      rest.dataDigest = "other"
      #expect(try train(rest).steps == Array(13...20))
      #expect(try placeAfter(rest) == 3 * 8, "eight steps of an epoch of five")
      rest.state = temporaryDirectory()
      rest.steps = 12
      let error = #expect(throws: TorchError.self) { try train(rest) }
      #expect(error?.message == "is of step 12, and training ends at step 12")
    }

    /// Samples of its epoch that a training's last checkpoint has behind it.
    private func placeAfter(_ job: TrainingJob) throws -> Int {
      try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found).state.sampleInEpoch
    }

    /// A place in the data is one in their order: where another one was taken, the next epoch begins.
    @Test func anotherOrderBeginsAtTheNextEpoch() throws {
      let first = temporaryDirectory()
      try train(job(first))
      let folder = "\(first)/checkpoints/step-00000008"
      let begun = try TrainingCheckpoint(folder: folder).state
      #expect(begun.order == "py1e, seed 17, batches of 8" && begun.sampleInEpoch == 64)
      let changes: [(inout TrainingJob) -> Void] = [
        { $0.batchSize = 4 }, { $0.seed = 3 }, { $0.shuffle = .py1s }, { $0.learningRateSchedule.learningRate = 1e-4 },
      ]
      for (place, change) in changes.enumerated() {
        var rest = job(temporaryDirectory())
        rest.resume = folder
        rest.steps = 9
        change(&rest)
        let outcome = try train(rest)
        let end = try #require(try TrainingCheckpoint.latest(in: "\(rest.state)/checkpoints").found).state
        if place < 3 {
          #expect(end.epoch == begun.epoch + 1 && end.sampleInEpoch == rest.batchSize)
          #expect(outcome.warnings.contains { $0.contains("in another order") && $0.hasSuffix("the next epoch, 1") })
        } else {
          #expect(end.epoch == begun.epoch && end.sampleInEpoch == 72 && outcome.warnings == [])
        }
      }
    }

    @Test func stepsThatAreNoNumbersAreCountedAndTolerated() throws {
      let state = temporaryDirectory()
      var job = job(state)
      job.initial = state
      job.skipNonFinite = 2
      let engine = try #require(engine)
      let parameters = try Parameters(job.shape.parameters, engine: engine, device: .cpu)
      var sources = try parameters.sources()
      let name = "bert.encoder.layer.1.mlp.wo.bias"
      let place = try #require(sources.firstIndex { $0.name == name })
      sources[place] = TensorSource(name, shape: [48], floats: [Float](repeating: .nan, count: 48))
      try Safetensors.write(sources, to: "\(state)/weights.safetensors")
      var warnings: [String] = []
      let error = #expect(throws: TorchError.self) {
        let run = try TrainingRun(
          job, engine: engine, listen: { if case .warning(let text) = $0 { warnings.append(text) } })
        _ = try run.run()
      }
      #expect(error?.subject == "step 3" && error?.code == .diverged)
      #expect(warnings.count == 2 && warnings[1].hasPrefix("step 2 is passed over: its loss is nan"))
      #expect(warnings.last?.hasSuffix("(2 of 2 that are tolerated)") == true)
      job.state = temporaryDirectory()
      job.skipNonFinite = 100
      let none = #expect(throws: TorchError.self) { try train(job) }
      #expect(none?.message == "the loss or the gradient of all 20 steps is not finite")
      let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
      #expect(end.state.samples == 0 && end.state.tokens == 0)
    }

    /// A checkpoint whose course had more bad steps than are tolerated now is not gone on from.
    @Test func fewerToleratedStepsAreAnotherCourse() {
      var job = TrainingJobs.tiny(data: data)
      let state = CheckpointState(step: 5, badSteps: 1)
      #expect(!job.continues(state))
      job.skipNonFinite = 1
      #expect(job.continues(state))
      #expect(!job.continues(CheckpointState(step: 50)), "behind the end")
    }
  }
}
