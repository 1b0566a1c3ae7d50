import ShardKit

/// One process's part in a training: the model, its optimizer, its share of the batches, and the loop.
///
/// Everything that decides a step follows from (seed, step): the batch, its masks, the dropout. So a run that goes on
/// from a checkpoint takes the same steps as one that never stopped, bit for bit on a CPU, and the number of processes
/// may change in between.
public final class TrainingRun {
  public enum Outcome: Equatable, Sendable { case done, stopped }

  let job: TrainingJob
  let engine: Engine
  let place: ProcessPlace
  let device: Device
  let group: ProcessGroup?
  let model: MaskedLanguageModel
  let optimizer: Optimizer
  let batches: BatchSource
  let shouldStop: () -> Bool
  /// Of the first process on each machine.
  let journal: TrainingJournal?
  private var tokens = 0
  private var pending: PendingStep?
  private var stopAgreed = false

  private var parameters: Parameters { optimizer.parameters }
  private var isFirst: Bool { place.rank == 0 }
  private var step: Int { optimizer.step }

  /// - Parameters:
  ///   - source: opens the place of a job's data that lies elsewhere.
  ///   - listen: told what happens, in the first process of each machine.
  ///   - shouldStop: asked after every step; all processes stop when one is to.
  public init(
    _ job: TrainingJob, engine: Engine, place: ProcessPlace = ProcessPlace(),
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
    let encoder = job.shape.encoder(parameters, recomputesActivations: job.recomputesActivations)
    model = MaskedLanguageModel(encoder, parameters)
    optimizer = try Optimizer(parameters, job.optimizer)
    batches = try Self.batches(job, place, source)
    journal =
      place.localRank == 0 ? try TrainingJournal(job, engine: engine, device: device, place: place, listen) : nil
  }

  private static func device(_ job: TrainingJob, _ place: ProcessPlace, _ engine: Engine) throws -> Device {
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
    _ job: TrainingJob, _ place: ProcessPlace,
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
      probability: job.maskProbability, seed: UInt64(job.seed), maskID: Int32(job.maskToken),
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
    try resume()
    while step < job.steps, !stopAgreed {
      let taken = try takeStep()
      // The step before is read while this one is on the device.
      try settle()
      pending = taken
      if step % job.checkpointEverySteps == 0 || step == job.steps {
        try settle()
        try save()
      }
    }
    try settle()
    let isDone = step == job.steps
    if !isDone { try save() }
    try journal?.end(step: step, tokens: tokens, isDone: isDone)
    return isDone ? .done : .stopped
  }

  /// The gradient of the whole batch, one step of the optimizer, and what is to be read of them later.
  private func takeStep() throws -> PendingStep {
    let rate = job.schedule.rate(after: step)
    var loss: Tensor?
    var microbatches: [Microbatch] = []
    for _ in 0..<batches.microbatchesPerStep {
      guard let microbatch = try batches.next() else { break }
      microbatches.append(microbatch)
      guard !microbatch.positions.isEmpty else { continue }
      let share = try backward(microbatch)
      loss = if let sum = loss { try sum.plus(share) } else { share }
    }
    let own = microbatches.reduce(0) { $0 + $1.tokens }
    let report = try TensorList([
      loss ?? engine.full(0, shape: [1], on: device), stopFlag(), engine.full(Double(own), shape: [1], on: device),
    ])
    if let group { try group.sum(report) }
    let norm = try optimizer.step(rate: rate, clip: job.clip, group: group)
    return PendingStep(
      step: step, rate: rate, loss: report.tensors[0], stop: report.tensors[1], norm: norm,
      tokens: report.tensors[2], epoch: microbatches.last?.epoch ?? 0, microbatches: microbatches)
  }

  /// Adds a microbatch's part of the batch's gradient; its part of the loss.
  private func backward(_ microbatch: Microbatch) throws -> Tensor {
    // Dropout follows from the step and the microbatch's number in the whole batch, whoever computes it.
    try engine.seed(Self.dropoutSeed(job.seed, step: step, microbatch: microbatch.number))
    let input = try EncoderInput(
      ids: microbatch.ids, lengths: microbatch.lengths, length: microbatch.length, engine: engine, device: device)
    let loss = try model.loss(input, at: microbatch.positions, labels: microbatch.labels, training: true)
    let share = try loss.scaled(Double(microbatch.batch) / Double(job.batchSize))
    try share.backward()
    try optimizer.accumulate()
    return try share.detached().reshape(1)
  }

  private func stopFlag() throws -> Tensor { try engine.full(shouldStop() ? 1 : 0, shape: [1], on: device) }

  static func dropoutSeed(_ seed: Int, step: Int, microbatch: Int) -> UInt64 {
    let words = Philox(key: UInt64(seed)).words(
      SIMD4(UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: microbatch), 0x6472_6f70, 0))
    return UInt64(words[0]) << 32 | UInt64(words[1])
  }

  /// Reads the figures of the step before; here a loss that is no number ends the training.
  private func settle() throws {
    guard let last = pending else { return }
    pending = nil
    let loss = try last.loss.item(), norm = try last.norm.item()
    stopAgreed = try last.stop.item() > 0
    tokens += Int(try last.tokens.item())
    try LossGuard.check(loss: loss, gradientNorm: norm, step: last.step, lastGood: journal?.lastGood) {
      last.microbatches.flatMap { (try? batches.documents(of: $0)) ?? [] }
    }
    let metrics = StepMetrics(
      step: last.step, loss: loss, learningRate: last.rate, gradientNorm: norm, epoch: last.epoch,
      samples: last.step * job.batchSize, tokens: tokens)
    try journal?.record(metrics)
  }

  // MARK: Checkpoints

  /// Goes on from the newest whole checkpoint. The first process of all reads it and gives it to the others, on
  /// whatever machine.
  private func resume() throws {
    var began = 0
    if isFirst, let checkpoint = try journal?.newest() {
      try checkpoint.check(fingerprint: job.fingerprint)
      try parameters.load(checkpoint, optimizer)
      tokens = checkpoint.state.tokens
      began = checkpoint.state.step
    }
    if let group {
      let state = try engine.tensor([Int64(began), Int64(tokens)], on: device)
      try group.broadcast(TensorList([state]))
      let read = try state.integers()
      (began, tokens) = (Int(read[0]), Int(read[1]))
      for list in [parameters.masters, optimizer.first, optimizer.second] { try group.broadcast(list) }
      try parameters.refresh()
    }
    optimizer.resume(step: began)
    try batches.seek(sample: began * job.batchSize)
    try journal?.begin(parameters: job.shape.parameterCount, step: began)
  }

  private func save() throws {
    guard let journal else { return }
    let state = CheckpointState(
      step: step, epoch: batches.state.epoch, sampleInEpoch: batches.state.sampleInEpoch, samples: step * job.batchSize,
      tokens: tokens, seed: UInt64(job.seed), fingerprint: job.fingerprint)
    try journal.save(try optimizer.contents(state))
  }
}

/// A step that the device may still be at.
private struct PendingStep {
  var step: Int
  var rate: Double
  /// Summed over all processes; `tokens` counts those that are not padding.
  var loss, stop, norm, tokens: Tensor
  var epoch: Int
  var microbatches: [Microbatch]
}
