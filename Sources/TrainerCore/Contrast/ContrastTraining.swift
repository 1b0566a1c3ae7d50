public import ShardKit
import TextKit

/// One process of a contrastive training: an encoder that learns vectors from examples of texts that belong together.
///
/// Everything that determines a step follows from (seed, step): a run that resumes from a checkpoint takes the same steps
/// as one that never stopped, bit for bit on a CPU.
public final class ContrastTraining {
  private let job: ContrastJob
  private let engine: Engine
  private let device: Device
  private let group: ProcessGroup?
  private let watch: GroupWatch?
  let objective: ContrastObjective
  let optimizer: Optimizer
  private let loop: TrainingLoop<ContrastObjective>
  private let store: CheckpointStore?
  private let count: Int
  private let pairsLeftOut: Int
  private let listen: (FineTuningStep) -> Void
  /// The losses of all steps so far, also of those before a resumption.
  private(set) var losses: [Float] = []
  private var isToStop = false

  /// Loads the model, the tokenizer and the examples, and joins the other processes.
  /// - Parameters:
  ///   - listen: told after every tenth step and the last one, in the first process.
  ///   - onLoss: see `TrainingRun`.
  /// - Throws: `TorchError`, `ShardError` or `TokenizerError` if files cannot be read or do not fit, there is no such
  ///   device, or processes are missing.
  public init(
    _ job: ContrastJob, engine: Engine, place: ProcessRank = ProcessRank(),
    listen: @escaping (FineTuningStep) -> Void = { _ in },
    onLoss: @escaping @Sendable (TorchError) -> Void = { _ in }
  ) throws {
    self.job = job
    self.engine = engine
    self.listen = place.rank == 0 ? listen : { _ in }
    let device = try engine.device(named: job.device, localRank: place.localRank)
    self.device = device
    try engine.setThreads(max(1, job.threads))
    let group =
      place.size > 1
      ? try ProcessGroup(
        engine, host: place.host, port: place.port, rank: place.rank, size: place.size, device: device) : nil
    self.group = group
    watch = place.size > 1 ? try GroupWatch(engine, place, onLoss: onLoss) : nil
    do {
      let model = try Self.model(job, engine, device)
      let tokenizer = try Tokenizer(path: job.tokenizer)
      try model.encoder.shape.check(tokenizer)
      let sequences = try SequenceEncoder(
        tokenizer, dictionary: job.dictionary, maximumLength: model.encoder.shape.length(atMost: job.maximumLength))
      let read = try Self.examples(job, processes: place.size), examples = read.examples
      (count, pairsLeftOut) = (examples.count, read.pairsLeftOut)
      objective = ContrastObjective(job, model, examples, sequences, group: group)
      optimizer = try Optimizer(
        model.parameters, AdamW(beta1: 0.9, beta2: job.beta2, epsilon: job.epsilon, weightDecay: job.weightDecay))
      let steps = objective.steps
      let schedule = LearningRateSchedule(
        learningRate: job.learningRate, schedule: .linear,
        warmupSteps: Int((Double(steps) * job.warmupFraction).rounded(.up)), steps: steps)
      loop = TrainingLoop(
        objective, optimizer, maximumGradientNorm: job.maximumGradientNorm, group: group,
        learningRate: schedule.learningRate(after:))
      store =
        place.rank == 0 && !job.state.isEmpty
        ? try CheckpointStore("\(job.state)/checkpoints", keep: KeepRule(keepCheckpoints: 1, keepEverySteps: 0)) : nil
    } catch {
      watch?.fail("\(error)")
      watch?.end()
      throw error
    }
  }

  deinit { watch?.end() }

  private static func examples(_ job: ContrastJob, processes: Int) throws -> ContrastExamples {
    let read = try ContrastExamples(job.examples, limit: job.maximumExamples, minimumScore: job.minimumScore)
    let files = job.examples.joined(separator: ", ")
    guard read.examples.count >= max(2, processes), job.batchSize >= processes else {
      let leftOut =
        read.pairsLeftOut > 0
        ? "; \(read.pairsLeftOut) pairs are left out, whose label is a number below minimumScore (\(job.minimumScore)) "
          + "or not 'entailment'" : ""
      throw TorchError(
        .file, files,
        "there are \(read.examples.count) examples, in batches of \(job.batchSize): too few for \(processes) "
          + "processes\(leftOut)",
        hint: "Contrast needs at least two examples, and one per process.")
    }
    guard job.dropout > 0 || read.examples.allSatisfy({ $0.positive != nil }) else {
      throw TorchError(
        .file, files, "there are examples without a positive, whose two vectors are equal without dropout",
        hint: "Raise 'dropout', or give each example a positive.")
    }
    return read
  }

  /// The checkpoint's encoder, with the dropout of this training. A missing pooler begins at random.
  private static func model(_ job: ContrastJob, _ engine: Engine, _ device: Device) throws -> SentenceEncoder {
    var shape = try ModelShape(path: "\(job.checkpoint)/\(ModelShape.fileName)")
    shape.dropout = job.dropout
    shape.attentionDropout = shape.kind == .bert ? job.dropout : 0
    let pooler = try SentenceEncoder.poolingParameters(shape, job.pooling)
    let parameters = try Parameters(
      shape.encoderParameters + pooler, engine: engine, device: device, precision: job.precision,
      seed: UInt64(job.seed), deviation: shape.initialDeviation(of:), padding: shape.padding)
    let weights = try SafetensorsFile("\(job.checkpoint)/\(ModelShape.weightsName)")
    let isNew = !pooler.contains { weights[$0.name] != nil }
    try parameters.load { parameter throws(TorchError) in
      if isNew, pooler.contains(parameter) { return nil }
      do { return try weights.floats(of: parameter.name) } catch { throw TorchError(.file, "", "\(error)") }
    }
    weights.release()
    return SentenceEncoder(encoder: shape.encoder(parameters), parameters: parameters, pooling: job.pooling)
  }

  // MARK: The loop

  /// Trains to the end, or until asked to stop: then with a checkpoint.
  /// - Parameter shouldStop: asked at every step; all processes stop if one is to.
  /// - Throws: `TorchError` if the loss or the gradient is not finite (`diverged`), a checkpoint is of another training
  ///   (`file`), or processes are lost (`group`); `ShardError` if files cannot be read or written.
  public func run(shouldStop: () -> Bool = { false }) throws -> ContrastEnd {
    defer { watch?.end() }
    do { return try train(shouldStop) } catch {
      if let watch, let group, group.isBroken, let error = error as? TorchError, error.code == .group {
        throw watch.explain(error)
      }
      watch?.fail("\(error)")
      throw error
    }
  }

  private func train(_ shouldStop: () -> Bool) throws -> ContrastEnd {
    try resume()
    let steps = objective.steps
    while optimizer.step < steps, !isToStop {
      FaultPoint.reach("training.step")
      if let last = try loop.advance(shouldStop: shouldStop) { try record(last) }
      guard optimizer.step % job.checkpointSteps == 0, optimizer.step < steps else { continue }
      if let last = try loop.settle() { try record(last) }
      try save()
    }
    if let last = try loop.settle() { try record(last) }
    // From here on no process waits for another one.
    watch?.end()
    let isDone = optimizer.step == steps
    if isDone { try writeModel() } else { try save() }
    try store?.waitForWrite()
    let tail = losses.suffix(max(1, losses.count / 10)).map(Double.init)
    return ContrastEnd(
      steps: optimizer.step, examples: count, pairsLeftOut: pairsLeftOut, lastLoss: Correlation.mean(tail),
      isDone: isDone)
  }

  private func record(_ last: TakenStep<ContrastObjective.Microbatch>) throws {
    losses.append(Float(last.loss))
    isToStop = isToStop || last.isToStop
    if let fault = LossGuard.fault(loss: last.loss, gradientNorm: last.gradientNorm) {
      throw TorchError(
        .diverged, "contrast", "\(fault) at step \(last.step)",
        hint: "Lower the learning rate, or raise the temperature. With bfloat16, try float32.")
    }
    guard last.step % 10 == 0 || last.step == objective.steps else { return }
    listen(FineTuningStep(step: last.step, steps: objective.steps, loss: last.loss))
  }

  // MARK: Checkpoints

  private static let lossesTensor = "losses"

  /// The first process reads the newest complete checkpoint and sends it to the others.
  private func resume() throws {
    let parameters = optimizer.parameters
    var step = 0
    if let found = try store?.latest().found {
      try found.check(fingerprint: job.fingerprint)
      step = found.state.step
      losses = try found.optimizer.floats(of: Self.lossesTensor)
      try parameters.load(found, optimizer)
    }
    if let group {
      let state = try engine.tensor([Int64(step)], on: device)
      try group.broadcast(TensorList([state]))
      step = Int(try state.integers()[0])
      for list in [parameters.masterWeights, optimizer.first, optimizer.second] { try group.broadcast(list) }
      try parameters.refresh()
    }
    optimizer.resume(step: step)
  }

  private func save() throws {
    guard let store else { return }
    var contents = try optimizer.contents(
      CheckpointState(step: optimizer.step, seed: UInt64(job.seed), fingerprint: job.fingerprint))
    contents.optimizer.append(TensorSource(Self.lossesTensor, shape: [losses.count], floats: losses))
    try store.save(contents)
  }

  private func writeModel() throws {
    guard group?.rank ?? 0 == 0, !job.output.isEmpty else { return }
    try FileSystem.makeDirectory(job.output)
    try Safetensors.write(try optimizer.parameters.sources(), to: "\(job.output)/\(ModelShape.weightsName)")
    var table = "step,loss\n"
    for (place, loss) in losses.enumerated() { table += "\(place + 1),\(loss)\n" }
    try FileSystem.write(Array(table.utf8), to: "\(job.output)/\(ContrastJob.lossesName)")
  }
}
