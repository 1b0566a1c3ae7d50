public import ShardKit

/// One process of a training: the model, its optimizer, its part of the batches, and the loop.
///
/// Everything that determines a step follows from (seed, step): the batch, its masks, the dropout. So a run that
/// resumes from a checkpoint takes the same steps as one that never stopped, bit for bit on a CPU. The loss is the mean
/// over the step's masked tokens, and dropout depends on samples, not microbatches. So processes, devices and the
/// microbatch size may change in between, and weights agree up to rounding. Only dropout of attention on a GPU depends
/// on microbatches.
public final class TrainingRun {
  public enum Outcome: Equatable, Sendable { case done, stopped }

  let job: TrainingJob
  let engine: Engine
  let place: ProcessRank
  let device: Device
  let group: ProcessGroup?
  private let watch: GroupWatch?
  let optimizer: Optimizer
  let batches: BatchSource
  /// nil if the job has no held-out tokens.
  let heldOut: HeldOutLoss?
  private let loop: TrainingLoop<MaskedTokens>
  private let sizes: StepSizes
  let shouldStop: () -> Bool
  /// Of the first process on each machine.
  let journal: TrainingJournal?
  /// What is counted, in addition to the optimizer's steps.
  var counts = TrainingCounts()
  var stopAgreed = false
  /// Of this training, by its loss on held-out tokens; nil: none was measured.
  var best: BestCheckpoint?
  /// Steps of the first process's checkpoints: one that is durable, and the one that was started after it.
  var saved: (durable: Int, begun: Int) = (0, 0)

  var parameters: Parameters { optimizer.parameters }
  var isFirst: Bool { place.rank == 0 }
  var step: Int { optimizer.step }

  /// Loads or draws the weights, opens the data, and joins the other processes.
  /// - Parameters:
  ///   - source: opens the place of data that are stored elsewhere.
  ///   - listen: told what happens, in the first process of each machine.
  ///   - shouldStop: asked at every step; all processes stop if one is to.
  ///   - onLoss: called on another thread, with the reason, if another process is lost and this one has not noticed it
  ///     seconds later, as NCCL does not. It should end the process.
  /// - Throws: `TorchError` if there is no GPU (`engine`), files do not fit the model (`file`), or processes are
  ///   missing (`group`); `ShardError` if files cannot be read.
  public init(
    _ job: TrainingJob, engine: Engine, place: ProcessRank = ProcessRank(),
    source: (RemoteData) throws -> any ShardSource = { FolderSource($0.place) },
    listen: @escaping (TrainingEvent) -> Void = { _ in }, shouldStop: @escaping () -> Bool = { false },
    onLoss: @escaping @Sendable (TorchError) -> Void = { _ in }
  ) throws {
    self.job = job
    sizes = job.stepSizes
    self.engine = engine
    self.place = place
    self.shouldStop = shouldStop
    device = try engine.device(named: job.device, localRank: place.localRank)
    if device.isCPU { try engine.setThreads(job.threads) }
    group =
      place.size > 1
      ? try ProcessGroup(
        engine, host: place.host, port: place.port, rank: place.rank, size: place.size, device: device) : nil
    watch = place.size > 1 ? try GroupWatch(engine, place, onLoss: onLoss) : nil
    do {
      let parameters = try Parameters(
        job.shape.parameters, engine: engine, device: device, precision: job.precision, seed: UInt64(job.seed),
        deviation: job.shape.initialDeviation(of:), padding: job.shape.padding)
      if let initial = job.initial { try parameters.load(folder: initial) }
      let encoder = job.shape.encoder(parameters, recomputeActivations: job.recomputeActivations)
      optimizer = try Optimizer(
        parameters, job.optimizer, overlapping: job.bucketBytes > 0 ? group : nil, bucketBytes: job.bucketBytes)
      batches = try Self.batches(job, place, source)
      heldOut = try HeldOutLoss(job, place)
      let objective = MaskedTokens(job: job, model: MaskedLanguageModel(encoder, parameters), batches: batches)
      loop = TrainingLoop(
        objective, optimizer, maximumGradientNorm: job.maximumGradientNorm, group: group,
        learningRate: job.learningRate(after:))
      journal =
        place.localRank == 0 ? try TrainingJournal(job, engine: engine, device: device, place: place, listen) : nil
    } catch {
      watch?.fail("\(error)")
      watch?.end()
      throw error
    }
  }

  deinit { watch?.end() }

  static func batches(
    _ job: TrainingJob, _ place: ProcessRank,
    _ source: (RemoteData) throws -> any ShardSource = { FolderSource($0.place) }
  ) throws -> BatchSource {
    let samples = try TokenSamples(try datasets(job, source))
    return try BatchSource(samples, masking: try job.masking(), job.batches(place))
  }

  private static func datasets(
    _ job: TrainingJob, _ source: (RemoteData) throws -> any ShardSource
  ) throws -> [MDSDataset] {
    if let remote = job.remote {
      return [
        try MDSDataset(
          index: job.data + "/index.json", source: source(remote), cache: remote.cache, limitBytes: remote.cacheBytes)
      ]
    }
    guard let mixture = job.mixture else { return [try MDSDataset(folder: job.data)] }
    let indices = try mixture.folders.map { try MDSIndex(path: $0 + "/index.json") }
    return try zip(mixture.folders, zip(indices, mixture.memory(indices))).map { folder, own in
      try MDSDataset(folder: folder, own.0, memoryBytes: own.1)
    }
  }

  // MARK: The loop

  /// Trains to the end of the job, or until asked to stop: in both cases with a checkpoint.
  /// - Throws: `TorchError` if loss or gradient are not finite (`diverged`), a checkpoint is of another training
  ///   (`file`), or processes are lost (`group`); `ShardError` if data cannot be read or checkpoints not written.
  public func run() throws -> Outcome {
    defer { watch?.end() }
    do { return try train() } catch { throw explained(error) }
  }

  /// The same error, or what another process failed of. The others are told what this one fails of.
  private func explained(_ error: any Error) -> any Error {
    guard let watch, let group else { return error }
    if group.isBroken, let error = error as? TorchError, error.code == .group { return watch.explain(error) }
    watch.fail("\(error)")
    return error
  }

  private func train() throws -> Outcome {
    if let group { try JobAgreement(job: job, engine: engine, device: device).check(group) }
    try resume()
    while step < job.steps, !stopAgreed {
      if let last = job.course.endOfWindow(at: step + 1) {
        try passOver(until: min(last, job.steps))
      } else {
        FaultPoint.reach("training.step")
        if let last = try loop.advance(shouldStop: shouldStop) { try record(last) }
      }
      let isBest = try measure()
      guard job.isCheckpoint(step) || isBest else { continue }
      try settle()
      try save()
    }
    try settle()
    let isDone = step == job.steps
    try optimizer.gather()
    // From here on no process waits for another one.
    watch?.end()
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

  /// Measures the loss on held-out tokens if it is time for it. A checkpoint of the same step follows, if any.
  /// - Returns: whether it is the lowest so far, so that a checkpoint is to be written.
  private func measure() throws -> Bool {
    guard let heldOut, heldOut.tokens.isDue(step, of: job.steps) else { return false }
    try settle()
    let scores = try heldOut.measure(loop.objective.model, group)
    let loss = heldOut.tokens.loss(of: scores)
    let isBest = loss.isFinite && best.map { loss < $0.loss } ?? true
    if isBest { best = BestCheckpoint(step: step, loss: loss, measure: heldOut.tokens.identity) }
    try journal?.record(HeldOutRecord(step: step, loss: loss, isBest: isBest, scores: scores, heldOut.tokens))
    return isBest
  }

  /// Weights that no step has changed are not a model.
  private func checkThatAnyStepCounts() throws {
    let taken = job.course.steps(after: job.firstStep, until: job.steps)
    guard counts.badSteps >= taken else { return }
    throw TorchError(
      .diverged, "training",
      taken == 0 ? "every step is passed over" : "the loss or the gradient of all \(taken) steps is not finite",
      hint: "Pass over fewer steps with \"skipSteps\", or lower \"learningRate\" and \"skipNonFinite\".")
  }

  /// Reads the figures of the step that is still on the device.
  private func settle() throws {
    if let last = try loop.settle() { try record(last) }
  }

  /// A loss or gradient that is not finite ends the training, or is counted.
  private func record(_ last: TakenStep<Microbatch>) throws {
    stopAgreed = last.isToStop
    if last.isFinite {
      counts.samples += sizes.size(after: last.step - 1)
      counts.tokens += last.tokens
      for (place, count) in last.sources.enumerated() { counts.sources[place] += count }
    } else {
      try tolerate(last)
    }
    var metrics = StepMetrics(
      step: last.step, loss: last.loss, learningRate: last.learningRate, gradientNorm: last.gradientNorm,
      epoch: last.microbatches.last?.epoch ?? 0, samples: counts.samples, tokens: counts.tokens)
    metrics.sources = zip(job.mixture?.sources ?? [], counts.sources).map { SourceMetrics($0, $1) }
    try journal?.record(metrics)
  }

  /// As far as this process knows. A checkpoint that was started is durable once the next one is started.
  var lastGood: (step: Int, folder: String?)? {
    if let own = journal?.lastGood, own.step >= saved.durable { return (own.step, own.folder) }
    return saved.durable > 0 ? (saved.durable, nil) : nil
  }

  /// Counts a step with a loss or gradient that is not finite; the optimizer has not taken it. Ends the training if
  /// that is one too many.
  private func tolerate(_ last: TakenStep<Microbatch>) throws {
    counts.badSteps += 1
    guard counts.badSteps > job.skipNonFinite else {
      journal?.warn(
        "step \(last.step) is passed over: its loss is \(last.loss), its gradient norm \(last.gradientNorm)"
          + " (\(counts.badSteps) of \(job.skipNonFinite) that are tolerated)")
      return
    }
    try LossGuard.check(
      loss: last.loss, gradientNorm: last.gradientNorm, step: last.step, lastGood: lastGood,
      process: LossGuard.ReportingProcess(rank: place.rank, size: place.size, culprits: last.culprits)
    ) {
      last.microbatches.flatMap { (try? batches.documents(of: $0)) ?? [] }
    }
  }
}

/// What a training counts from its first step.
struct TrainingCounts: Equatable {
  /// Of the steps that were taken.
  var samples = 0
  /// Of the same, without padding.
  var tokens = 0
  /// Of the same, by source of the mixture.
  var sources: [SourceCount] = []
  /// Steps that were passed over because their loss or gradient was not finite.
  var badSteps = 0
}
