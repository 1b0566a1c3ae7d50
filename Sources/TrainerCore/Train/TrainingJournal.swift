import ShardKit

/// What the first process of a training writes down: checkpoints, metrics for people, TensorBoard and scrapers, events.
final class TrainingJournal {
  private let job: TrainingJob
  private let engine: Engine
  private let device: Device
  private let processes: Int
  private let listen: (TrainingEvent) -> Void
  private let store: CheckpointStore
  private var watch: TrainingWatch?
  private let began = monotonicSeconds()

  static let checkpointFolder = "checkpoints"
  static let watchFolder = "watch"

  init(
    _ job: TrainingJob, engine: Engine, device: Device, place: ProcessPlace, _ listen: @escaping (TrainingEvent) -> Void
  ) throws {
    self.job = job
    self.engine = engine
    self.device = device
    self.listen = listen
    processes = place.size
    store = try CheckpointStore("\(job.state)/\(Self.checkpointFolder)", keep: job.keep)
  }

  var lastGood: (step: Int, folder: String)? { store.lastGood }

  /// The checkpoint to go on from; damaged ones are named.
  func newest() throws -> TrainingCheckpoint? {
    let search = try store.latest()
    for warning in search.warnings { listen(.warning(warning)) }
    return search.found
  }

  func begin(parameters: Int, step: Int) throws {
    var options = TrainingWatch.Options()
    options.totalSteps = job.steps
    options.flopsPerToken = job.shape.trainingFLOPsPerToken(
      sequenceLength: job.sequenceLength, maskedShare: job.maskProbability)
    let name = device.isCPU ? "CPU" : try engine.name(of: device)
    options.peakFLOPs = DevicePeak.bfloat16FLOPs(ofDevice: name)
    options.devices = processes
    options.title = job.title
    watch = try TrainingWatch("\(job.state)/\(Self.watchFolder)", resumedStep: step, options: options)
    listen(.began(device: name, parameters: parameters, processes: processes, resumedAt: step))
  }

  func record(_ metrics: StepMetrics) throws {
    if let written = try store.poll() {
      listen(.checkpoint(step: written.step, bytes: written.bytes))
    }
    guard metrics.step % job.logEverySteps == 0 || metrics.step == job.steps || metrics.step == 1 else { return }
    guard let metrics = try watch?.record(metrics) else { return }
    listen(
      .step(
        TrainingStep(
          step: metrics.step, steps: job.steps, loss: metrics.loss, rate: metrics.learningRate,
          gradientNorm: metrics.gradientNorm ?? 0, tokensPerSecond: metrics.tokensPerSecond ?? 0,
          mfu: metrics.modelFLOPsUtilisation, remainingSeconds: metrics.secondsRemaining)))
  }

  func save(_ contents: CheckpointContents) throws {
    let waited = try store.save(contents)
    if waited > 1 { listen(.warning("training stood still for \(Int(waited)) s until a checkpoint was written")) }
  }

  func end(step: Int, tokens: Int, isDone: Bool) throws {
    try store.waitForWrite()
    try watch?.draw()
    guard isDone else { return listen(.stopped(step: step)) }
    listen(
      .done(
        step: step, samples: step * job.batchSize, tokens: tokens, seconds: monotonicSeconds() - began,
        peakMemoryBytes: try engine.peakMemoryBytes(device)))
  }
}
