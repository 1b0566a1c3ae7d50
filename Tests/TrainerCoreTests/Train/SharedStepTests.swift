import ShardKit
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// A training is one training, however its steps are cut into microbatches and shared out.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct SharedStepTests {
    private let engine = TinyModel.engine
    private let data: String

    init() throws { data = try SampleData.tokens(samples: 100, perShard: 30) }

    private func job(_ kind: ModelShape.Kind = .mosaicBERT) -> TrainingJob { TrainingJobs.tiny(data: data, kind) }

    private func train(_ job: TrainingJob) throws -> [[Float]] {
      var job = job
      job.state = temporaryDirectory()
      defer { try? FileSystem.removeTree(job.state) }
      let run = try TrainingRun(job, engine: try #require(engine))
      #expect(try run.run() == .done)
      return try run.parameters.masterWeights.tensors.map { try $0.floats() }
    }

    private func difference(_ a: [[Float]], _ b: [[Float]]) -> Double {
      TinyModel.relativeError(a.flatMap { $0 }, b.flatMap { $0 })
    }

    /// With dropout, which knows samples and not microbatches; with samples of 3 to 32 tokens, whose means would weigh
    /// otherwise in each cut.
    @Test(arguments: ModelShape.Kind.allCases)
    func theMicrobatchIsAMatterOfMemory(_ kind: ModelShape.Kind) throws {
      var job = job(kind)
      job.shape.dropout = 0.2
      job.shape.attentionDropout = kind == .bert ? 0.2 : 0
      job.microbatchSize = 8
      let whole = try train(job)
      for size in [4, 3, 1, 100] {
        job.microbatchSize = size
        let cut = try train(job)
        #expect(difference(cut, whole) < 1e-4, "\(size)")
      }
      job.seed += 1
      #expect(try difference(train(job), whole) > 0.1, "the measure sees a difference")
    }

    /// On the CPU every sum has one order: 'threads' has no part in a fingerprint.
    @Test(arguments: ModelShape.Kind.allCases, Parameters.Precision.allCases)
    func threadsDoNotChangeABit(_ kind: ModelShape.Kind, _ precision: Parameters.Precision) throws {
      let engine = try #require(engine)
      defer { try? engine.setThreads(1) }
      var job = job(kind)
      job.precision = precision
      job.shape.hiddenSize = 60
      job.shape.dropout = 0.1
      job.shape.attentionDropout = kind == .bert ? 0.1 : 0
      job.shape.vocabularySize = 1027
      job.shape.intermediateSize = 1101
      job.batchSize = 64
      job.microbatchSize = 64
      job.steps = 4
      var runs: [[[Float]]] = []
      for threads in [1, 2, 3, 8] {
        job.threads = threads
        runs.append(try train(job))
      }
      for run in runs.dropFirst() { #expect(run == runs[0]) }
    }

    /// Losses count by their tokens: a mean of the microbatches' means would be another number.
    @Test func theLossIsTheMeanOverTheTokens() throws {
      let engine = try #require(engine)
      let shape = TinyModel.shape(.mosaicBERT)
      let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, seed: 3)
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      var job = job()
      job.shape = shape
      job.state = temporaryDirectory()
      job.seed = 3
      job.steps = 1
      job.microbatchSize = 1
      defer { try? FileSystem.removeTree(job.state) }
      var losses: [Double] = []
      let batches = try TrainingRun.batches(job, ProcessRank())
      var sum = 0.0, count = 0
      for _ in 0..<job.batchSize {
        let batch = try #require(try batches.next())
        guard !batch.positions.isEmpty else { continue }
        let input = try EncoderInput(
          ids: batch.ids, lengths: batch.lengths, length: batch.length, engine: engine, device: .cpu)
        sum += try model.loss(input, at: batch.positions, labels: batch.labels, training: false, sum: true).item()
        count += batch.positions.count
      }
      _ = try TrainingRun(
        job, engine: engine, listen: { if case .step(let step) = $0 { losses.append(step.loss) } }
      ).run()
      #expect(losses.count == 1 && abs(losses[0] - sum / Double(count)) < 1e-5)
    }

    /// On a GPU a loss has rows that do not count, so that batches share a size.
    @Test(arguments: [true, false]) func rowsThatDoNotCountChangeNothing(_ sum: Bool) throws {
      let engine = try #require(engine)
      let shape = TinyModel.shape(.mosaicBERT)
      let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, seed: 3)
      var model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      #expect(!model.fillsRows)
      let batch = TinyModel.batch(shape, sequences: 5, ragged: true, seed: 4)
      let input = try batch.input(engine)
      var rows = input.rows(at: batch.positions), labels = batch.labels
      let count = rows.count
      MaskedLanguageModel.fill(&rows, &labels, tokens: input.tokens)
      #expect(rows.count > count && rows.count % 8 == 0 && rows.count < count + 8 && labels.count == rows.count)
      #expect(MaskedLanguageModel.rowMultiple(tokens: 16_384) == 128)
      #expect(MaskedLanguageModel.rowMultiple(tokens: 131_072) == 1024)
      func outcome(fills: Bool) throws -> (loss: Double, gradients: [Float]) {
        model.fillsRows = fills
        let loss = try model.loss(input, at: batch.positions, labels: batch.labels, training: true, sum: sum)
        try loss.backward()
        var gradients: [Float] = []
        for tensor in parameters.working.tensors {
          gradients += try #require(try tensor.gradient()).floats()
          try tensor.clearGradient()
        }
        return (try loss.item(), gradients)
      }
      let plain = try outcome(fills: false), filled = try outcome(fills: true)
      #expect(abs(plain.loss - filled.loss) < 1e-5 * plain.loss)
      let error = TinyModel.relativeError(filled.gradients, plain.gradients)
      #expect(error < 1e-5)
    }

    /// A process, or a step, without a masked token must not step with the gradient of the step before.
    @Test(arguments: Parameters.Precision.allCases)
    func noMaskedTokenIsNoGradient(_ precision: Parameters.Precision) throws {
      let engine = try #require(engine)
      let shape = TinyModel.shape(.mosaicBERT)
      let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, precision: precision, seed: 3)
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      var options = AdamW()
      options.weightDecay = 0
      options.beta1 = 0
      let optimizer = try Optimizer(parameters, options)
      let batch = TinyModel.batch(shape, ragged: true, seed: 4)
      try model.loss(try batch.input(engine), at: batch.positions, labels: batch.labels, training: true).backward()
      try optimizer.accumulate()
      #expect(try optimizer.step(learningRate: 0.01, maximumGradientNorm: 1).item() > 0)
      let before = try parameters.masterWeights.tensors.map { try $0.floats() }
      let none = try engine.full(1e-9, shape: [1])
      #expect(try optimizer.step(learningRate: 0.01, maximumGradientNorm: 1, dividedBy: none).item() == 0)
      #expect(try parameters.masterWeights.tensors.map { try $0.floats() } == before)
    }

    /// Weights and moments stay as they are; the next step finds them good.
    @Test(arguments: [true, false])
    func aStepThatIsNoNumberIsNotTaken(_ inTheLoss: Bool) throws {
      let engine = try #require(engine)
      let shape = TinyModel.shape(.mosaicBERT)
      let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, seed: 3)
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      let optimizer = try Optimizer(parameters, AdamW())
      let batch = TinyModel.batch(shape, ragged: true, seed: 4)
      func step(_ factor: Double) throws -> Double {
        let loss = try model.loss(try batch.input(engine), at: batch.positions, labels: batch.labels, training: true)
        try loss.scaled(inTheLoss ? 1 : factor).backward()
        try optimizer.accumulate()
        let figure = try engine.full(factor, .float64, shape: [1])
        return try optimizer.step(learningRate: 0.01, maximumGradientNorm: 1, loss: inTheLoss ? figure : nil).item()
      }
      _ = try step(1)
      let all = parameters.masterWeights.tensors + optimizer.first.tensors + optimizer.second.tensors
      let before = try all.map { try $0.floats() }
      let norm = try step(.nan)
      #expect(norm.isNaN == !inTheLoss)
      #expect(try all.map { try $0.floats() } == before)
      #expect(try step(1).isFinite)
      #expect(try all.map { try $0.floats() } != before)
    }
  }
}

/// Jobs of tiny trainings.
enum TrainingJobs {
  static func tiny(data: String, _ kind: ModelShape.Kind = .mosaicBERT, steps: Int = 12) -> TrainingJob {
    var job = TrainingJob()
    job.shape = TinyModel.shape(kind)
    job.data = data
    job.sequenceLength = 32
    job.batchSize = 8
    job.microbatchSize = 4
    job.steps = steps
    job.learningRateSchedule = LearningRateSchedule(learningRate: 1e-3, schedule: .linear, warmupSteps: 2, steps: steps)
    job.maximumGradientNorm = 1
    job.checkpointSteps = 5
    job.vocabularySize = 100
    job.maskToken = 4
    job.specialTokens = [0, 1, 2, 3, 4]
    job.logSteps = 1
    return job
  }

  /// A training that is stopped in the middle, and gone on with to its end.
  static func runInParts(_ job: TrainingJob) throws {
    var asked = 0
    let stopped = try TrainingRun(
      job, engine: TinyModel.engine!,
      shouldStop: {
        asked += 1
        return asked > 5
      })
    #expect(try stopped.run() == .stopped)
    #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
  }
}
