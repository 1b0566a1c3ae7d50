import ShardKit

/// One process's part in a training: the model, its optimizer, its share of the batches, and the loop.
///
/// Everything that decides a step follows from (seed, step): the batch, its masks, the dropout. So a run that goes on
/// from a checkpoint takes the same steps as one that never stopped, bit for bit on a CPU. The loss is the mean over the
/// step's masked tokens, and dropout knows samples, not microbatches: so processes, devices and the microbatch may change
/// in between, and weights agree to rounding. Dropout of attention on a GPU alone knows microbatches.
public final class TrainingRun {
  public enum Outcome: Equatable, Sendable { case done, stopped }

  let job: TrainingJob
  let engine: Engine
  let place: ProcessRank
  let device: Device
  let group: ProcessGroup?
  let model: MaskedLanguageModel
  let optimizer: Optimizer
  let batches: BatchSource
  let shouldStop: () -> Bool
  /// Of the first process on each machine.
  let journal: TrainingJournal?
  /// Where the training stands: what is counted, besides the optimizer's steps.
  var counts = TrainingCounts()
  var stopAgreed = false
  /// Steps of checkpoints that the first process has: one that is durable, and the one that was begun after it.
  var saved: (durable: Int, begun: Int) = (0, 0)
  private var pending: PendingStep?

  var parameters: Parameters { optimizer.parameters }
  var isFirst: Bool { place.rank == 0 }
  var step: Int { optimizer.step }

  /// - Parameters:
  ///   - source: opens the place of a job's data that lies elsewhere.
  ///   - listen: told what happens, in the first process of each machine.
  ///   - shouldStop: asked after every step; all processes stop when one is to.
  public init(
    _ job: TrainingJob, engine: Engine, place: ProcessRank = ProcessRank(),
    source: (RemoteData) throws -> any ShardSource = { FolderSource($0.place) },
    listen: @escaping (TrainingEvent) -> Void = { _ in }, shouldStop: @escaping () -> Bool = { false }
  ) throws {
    self.job = job
    self.engine = engine
    self.place = place
    self.shouldStop = shouldStop
    device = try Self.device(job, place, engine)
    if device.isCPU { try engine.setThreads(job.threads) }
    group =
      place.size > 1
      ? try ProcessGroup(
        engine, host: place.host, port: place.port, rank: place.rank, size: place.size, device: device) : nil
    let parameters = try Parameters(
      job.shape.parameters, engine: engine, device: device, precision: job.precision, seed: UInt64(job.seed),
      deviation: job.shape.initialDeviation, padding: job.shape.padding)
    if let initial = job.initial { try parameters.load(folder: initial) }
    let encoder = job.shape.encoder(parameters, recomputeActivations: job.recomputeActivations)
    model = MaskedLanguageModel(encoder, parameters)
    optimizer = try Optimizer(parameters, job.optimizer)
    batches = try Self.batches(job, place, source)
    journal =
      place.localRank == 0 ? try TrainingJournal(job, engine: engine, device: device, place: place, listen) : nil
  }

  private static func device(_ job: TrainingJob, _ place: ProcessRank, _ engine: Engine) throws -> Device {
    guard job.device == "cuda" else { return .cpu }
    guard engine.deviceCount > 0 else {
      throw TorchError(
        .engine, "device", "there is no GPU that the engine can use (torch \(engine.version))",
        hint: "Set \"device\" to \"cpu\", or build the engine against a torch with CUDA.")
    }
    // Launchers that give each process one visible GPU number it 0.
    return .cuda(place.localRank < engine.deviceCount ? place.localRank : 0)
  }

  static func batches(
    _ job: TrainingJob, _ place: ProcessRank,
    _ source: (RemoteData) throws -> any ShardSource = { FolderSource($0.place) }
  ) throws -> BatchSource {
    let data =
      if let remote = job.remote {
        try MDSDataset(
          index: job.data + "/index.json", source: source(remote), cache: remote.cache, limitBytes: remote.cacheBytes)
      } else {
        try MDSDataset(folder: job.data)
      }
    let samples = try TokenSamples([data])
    let masking = try TokenMasking(
      probability: job.maskFraction, seed: UInt64(job.seed), maskID: Int32(job.maskToken),
      vocabulary: job.vocabularySize, specialIDs: job.specialTokens.map(Int32.init))
    var options = BatchOptions(
      sequenceLength: job.sequenceLength, globalBatch: job.batchSize, microbatch: job.microbatchSize)
    options.rank = place.rank
    options.world = place.size
    options.shuffle = job.shuffle
    options.shuffleSeed = job.seed
    options.paddingID = Int32(job.shape.padding)
    return try BatchSource(samples, masking: masking, options)
  }

  // MARK: The loop

  public func run() throws -> Outcome {
    if let group { try JobAgreement(job: job, engine: engine, device: device).check(group) }
    try resume()
    while step < job.steps, !stopAgreed {
      if let last = job.course.endOfWindow(at: step + 1) {
        try passOver(until: min(last, job.steps))
      } else {
        let taken = try takeStep()
        // The step before is read while this one is on the device.
        try settle()
        pending = taken
      }
      guard job.isCheckpoint(step) else { continue }
      try settle()
      try save()
    }
    try settle()
    let isDone = step == job.steps
    if isDone { try checkThatAnyStepCounts() } else { try save() }
    try journal?.end(step: step, counts, isDone: isDone)
    return isDone ? .done : .stopped
  }

  private func passOver(until last: Int) throws {
    try settle()
    let count = last - step
    journal?.warn("steps \(step + 1) to \(last) are passed over, as the job says")
    batches.skip(steps: count)
    optimizer.resume(step: last)
  }

  /// Weights that no step has changed are no model.
  private func checkThatAnyStepCounts() throws {
    let taken = job.course.steps(after: job.firstStep, until: job.steps)
    guard counts.badSteps >= taken else { return }
    throw TorchError(
      .diverged, "training",
      taken == 0 ? "every step is passed over" : "the loss or the gradient of every step, \(taken), is no number",
      hint: "Pass over fewer with \"skipSteps\", or lower the rate and \"skipNonFinite\".")
  }

  /// The gradient of the whole batch, one step of the optimizer, and what is to be read of them later.
  private func takeStep() throws -> PendingStep {
    FaultPoint.reach("training.step")
    let rate = job.rate(after: step)
    var loss: Tensor?
    var microbatches: [Microbatch] = []
    for _ in 0..<batches.microbatchesPerStep {
      guard let microbatch = try batches.next() else { break }
      microbatches.append(microbatch)
      guard !microbatch.positions.isEmpty else { continue }
      let share = try backward(microbatch)
      loss = if let sum = loss { try sum.plus(share) } else { share }
    }
    let report = try StepReport(self, loss: loss, microbatches, isToStop: shouldStop())
    // So little that it is nothing beside one token, but no division by 0 where no token of the step is masked.
    let divisor = try report.masked.scaled(1, plus: 1e-9).to(.float32, device: device)
    let norm = try optimizer.step(
      rate: rate, maximumGradientNorm: job.maximumGradientNorm, dividedBy: divisor, loss: report.loss, group: group)
    return PendingStep(
      step: step, rate: rate, report: report, norm: norm, epoch: microbatches.last?.epoch ?? 0,
      microbatches: microbatches)
  }

  /// Adds the gradient of a microbatch's sum of losses; the sum itself. Divided by all of the step's masked tokens they
  /// are the gradient and the loss of the step, however it is cut.
  private func backward(_ microbatch: Microbatch) throws -> Tensor {
    // Dropout follows from the step and the samples' numbers in the whole batch, whoever computes it. cuDNN's attention
    // alone knows sequences by their place in the microbatch.
    let number = device.isCPU || job.shape.attentionDropout == 0 ? 0 : microbatch.number
    try engine.seed(Self.dropoutSeed(job.seed, step: step, microbatch: number))
    let first = Int64(microbatch.firstInBatch)
    let input = try EncoderInput(
      ids: microbatch.ids, lengths: microbatch.lengths, length: microbatch.length,
      samples: (0..<Int64(microbatch.batch)).map { first + $0 }, engine: engine, device: device)
    let loss = try model.loss(
      input, at: microbatch.positions, labels: microbatch.labels, training: true, sum: true)
    try loss.backward()
    try optimizer.accumulate()
    return try loss.detached().reshape(1)
  }

  static func dropoutSeed(_ seed: Int, step: Int, microbatch: Int) -> UInt64 {
    let words = Philox(key: UInt64(seed)).words(
      SIMD4(UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: microbatch), 0x6472_6f70, 0))
    return UInt64(words[0]) << 32 | UInt64(words[1])
  }

  /// Reads the figures of the step before; here a loss that is no number ends the training, or is counted.
  private func settle() throws {
    guard let last = pending else { return }
    pending = nil
    let figures = try last.report.figures()
    let norm = try last.norm.item()
    stopAgreed = figures.isToStop
    if figures.loss.isFinite && norm.isFinite {
      counts.samples += job.batchSize
      counts.tokens += figures.tokens
    } else {
      try tolerate(last, figures, norm)
    }
    let metrics = StepMetrics(
      step: last.step, loss: figures.loss, learningRate: last.rate, gradientNorm: norm, epoch: last.epoch,
      samples: counts.samples, tokens: counts.tokens)
    try journal?.record(metrics)
  }

  /// As this process knows it. A checkpoint that was begun is durable when the next one is.
  var lastGood: (step: Int, folder: String?)? {
    if let own = journal?.lastGood, own.step >= saved.durable { return (own.step, own.folder) }
    return saved.durable > 0 ? (saved.durable, nil) : nil
  }

  /// Counts a step whose figures are no numbers, which the optimizer has not taken; ends the training where that is one
  /// too many.
  private func tolerate(_ last: PendingStep, _ figures: StepReport.Figures, _ norm: Double) throws {
    counts.badSteps += 1
    guard counts.badSteps > job.toleratedSteps else {
      journal?.warn(
        "step \(last.step) is passed over: its loss is \(figures.loss), its gradient's norm \(norm)"
          + " (\(counts.badSteps) of \(job.toleratedSteps) that are tolerated)")
      return
    }
    try LossGuard.check(
      loss: figures.loss, gradientNorm: norm, step: last.step, lastGood: lastGood,
      place: LossGuard.Place(rank: place.rank, size: place.size, culprits: figures.culprits)
    ) {
      last.microbatches.flatMap { (try? batches.documents(of: $0)) ?? [] }
    }
  }
}

/// What a training counts from its first step on.
struct TrainingCounts: Equatable {
  /// Of the steps that were taken.
  var samples = 0
  /// Of the same, without padding.
  var tokens = 0
  /// Steps that were passed over because their figures were no numbers.
  var badSteps = 0
}

/// A step that the device may still be at.
private struct PendingStep {
  var step: Int
  var rate: Double
  var report: StepReport
  var norm: Tensor
  var epoch: Int
  var microbatches: [Microbatch]
}
