import ShardKit

/// What the first process on each machine writes: checkpoints, metrics for people, TensorBoard and scrapers, and
/// events.
///
/// All machines have the same weights after each step, so each writes the same checkpoints and publishes the same
/// model. A follower, whose files another machine writes, only reports.
public final class TrainingJournal {
  private let job: TrainingJob
  private let engine: Engine
  private let device: Device
  private let processes: Int
  private let listen: (TrainingEvent) -> Void
  /// nil in a follower.
  private let store: CheckpointStore?
  private var watch: TrainingWatch?
  /// The published curve.
  private var curve: MetricsLog?
  /// Losses on held-out tokens, which are published too.
  private var heldOut: HeldOutLog?
  private let began = monotonicSeconds()
  /// Where throughput is measured from: the first step also sets up the device.
  private var warm: (tokens: Int, seconds: Double)?

  public static let checkpointFolder = "checkpoints"
  public static let watchFolder = "watch"
  public static let heldOutName = "heldout.jsonl"
  public static let curveName = "curve.jsonl"

  init(
    _ job: TrainingJob, engine: Engine, device: Device, place: ProcessRank, _ listen: @escaping (TrainingEvent) -> Void
  ) throws {
    self.job = job
    self.engine = engine
    self.device = device
    self.listen = listen
    processes = place.size
    store = job.isFollower ? nil : try CheckpointStore("\(job.state)/\(Self.checkpointFolder)", keep: job.keep)
  }

  var writesCheckpoints: Bool { store != nil }

  var lastGood: (step: Int, folder: String)? { store?.lastGood }

  /// The checkpoint to resume; damaged ones, and those beyond a departure of the job's course, are named in warnings.
  func newest() throws -> TrainingCheckpoint? {
    // A checkpoint of another training is found, and later refused with a reason.
    guard let store else { return nil }
    let fingerprint = job.fingerprint
    let search = try store.latest { $0.fingerprint != fingerprint || job.continues($0) }
    for warning in search.warnings { warn(warning) }
    if let newer = search.unwanted.max() {
      let instead = search.found.map { "from step \($0.state.step)" } ?? "from the start"
      warn("the checkpoint of step \(newer) does not follow the job's course: training resumes \(instead)")
    }
    return search.found
  }

  func warn(_ text: String) { listen(.warning(text)) }

  /// - Parameter microbatches: of a step, in this process.
  func begin(parameters: Int, microbatches: Int, step: Int) throws {
    let name = device.isCPU ? "CPU" : try engine.name(of: device)
    if let store {
      try store.goOn(from: step, where: job.isOwn)
      try openLogs(device: name, step: step)
    }
    listen(
      .began(
        TrainingStart(
          device: name, parameters: parameters, resumedAt: step, batchSize: job.batchSize,
          tokensPerStep: job.batchSize * job.sequenceLength, microbatches: microbatches,
          microbatchSize: min(job.microbatchSize, job.batchSize), processes: processes)))
  }

  private func openLogs(device name: String, step: Int) throws {
    var options = TrainingWatch.Options()
    options.totalSteps = job.steps
    options.flopsPerToken = job.shape.trainingFLOPsPerToken(
      sequenceLength: job.sequenceLength, maskFraction: job.maskFraction)
    options.peakFLOPs = DeviceKind.ofDevice(name)?.bfloat16FLOPs
    options.devices = processes
    options.title = job.title
    watch = try TrainingWatch("\(job.state)/\(Self.watchFolder)", resumedStep: step, options: options)
    curve = try MetricsLog("\(job.state)/\(Self.curveName)", resumedStep: step)
    if job.heldOut != nil {
      heldOut = try HeldOutLog("\(job.state)/\(Self.watchFolder)/\(Self.heldOutName)", resumedStep: step)
    }
  }

  func record(_ metrics: StepMetrics) throws {
    if warm == nil { warm = (metrics.tokens, monotonicSeconds()) }
    if let written = try store?.poll() {
      listen(.checkpoint(step: written.step, bytes: written.bytes))
      if let problem = written.problem { warn("older checkpoints are not removed: \(problem)") }
    }
    if metrics.step % job.curveEverySteps == 0 || metrics.step == job.steps || metrics.step == 1 {
      try curve?.add(metrics, wallTime: 0)
    }
    let isLogged =
      metrics.step % job.logSteps == 0 || metrics.step == job.steps || metrics.step == 1 || !metrics.isFinite
    guard isLogged else { return }
    let metrics = try watch?.record(metrics) ?? metrics
    listen(
      .step(
        TrainingStep(
          step: metrics.step, steps: job.steps, loss: metrics.loss, learningRate: metrics.learningRate,
          gradientNorm: metrics.gradientNorm ?? 0, tokensPerSecond: metrics.tokensPerSecond ?? 0,
          mfu: metrics.modelFLOPsUtilization, remainingSeconds: metrics.secondsRemaining)))
  }

  func record(_ record: HeldOutRecord) throws {
    try heldOut?.add(record)
    try watch?.record(record)
    listen(.heldOut(record))
  }

  /// Whether there is a complete checkpoint of a step.
  func holds(_ step: Int) -> Bool { store.map { (try? $0.checkpoint(ofStep: step)) != nil } ?? true }

  func save(_ contents: CheckpointContents) throws {
    guard let waited = try store?.save(contents), waited > 1 else { return }
    listen(.warning("training waited \(Int(waited)) s until a checkpoint was written"))
  }

  func end(step: Int, _ counts: TrainingCounts, isDone: Bool) throws {
    try store?.waitForWrite()
    try watch?.draw(heldOut: heldOut?.records ?? [])
    guard isDone else { return listen(.stopped(step: step)) }
    let now = monotonicSeconds()
    let rate = warm.map { Double(counts.tokens - $0.tokens) / max(1e-9, now - $0.seconds) } ?? 0
    listen(
      .done(
        TrainingEnd(
          step: step, samples: counts.samples, tokens: counts.tokens, seconds: now - began, tokensPerSecond: rate,
          peakMemoryBytes: try engine.peakMemoryBytes(device))))
  }
}
