import ShardKit

/// What the first process on each machine writes down: checkpoints, metrics for people, TensorBoard and scrapers, events.
///
/// All machines hold the same weights after each step, so each writes the same checkpoints and publishes the same model.
public final class TrainingJournal {
  private let job: TrainingJob
  private let engine: Engine
  private let device: Device
  private let processes: Int
  private let listen: (TrainingEvent) -> Void
  private let store: CheckpointStore
  private var watch: TrainingWatch?
  /// Points of the curve that is published.
  private var curve: MetricsLog?
  private let began = monotonicSeconds()
  /// Where the rate is counted from: the first step also sets the device up.
  private var warm: (tokens: Int, seconds: Double)?

  public static let checkpointFolder = "checkpoints"
  public static let watchFolder = "watch"
  public static let curveName = "curve.jsonl"

  init(
    _ job: TrainingJob, engine: Engine, device: Device, place: ProcessRank, _ listen: @escaping (TrainingEvent) -> Void
  ) throws {
    self.job = job
    self.engine = engine
    self.device = device
    self.listen = listen
    processes = place.size
    store = try CheckpointStore("\(job.state)/\(Self.checkpointFolder)", keep: job.keep)
  }

  var lastGood: (step: Int, folder: String)? { store.lastGood }

  /// The checkpoint to go on from; damaged ones are named, and those that lie beyond a departure of the job's course.
  func newest() throws -> TrainingCheckpoint? {
    // One of another training altogether is found, and refused with a reason.
    let fingerprint = job.fingerprint
    let search = try store.latest { $0.fingerprint != fingerprint || job.continues($0) }
    for warning in search.warnings { warn(warning) }
    if let newer = search.unwanted.max() {
      let instead = search.found.map { "from step \($0.state.step)" } ?? "from the start"
      warn("the checkpoint of step \(newer) is not on the course that the job says: training goes on \(instead)")
    }
    return search.found
  }

  func warn(_ text: String) { listen(.warning(text)) }

  func begin(parameters: Int, step: Int) throws {
    var options = TrainingWatch.Options()
    options.totalSteps = job.steps
    options.flopsPerToken = job.shape.trainingFLOPsPerToken(
      sequenceLength: job.sequenceLength, maskedShare: job.maskFraction)
    let name = device.isCPU ? "CPU" : try engine.name(of: device)
    options.peakFLOPs = DevicePeak.bfloat16FLOPs(ofDevice: name)
    options.devices = processes
    options.title = job.title
    try store.goOn(from: step, where: job.isOwn)
    watch = try TrainingWatch("\(job.state)/\(Self.watchFolder)", resumedStep: step, options: options)
    curve = try MetricsLog("\(job.state)/\(Self.curveName)", resumedStep: step)
    listen(.began(device: name, parameters: parameters, processes: processes, resumedAt: step))
  }

  func record(_ metrics: StepMetrics) throws {
    if warm == nil { warm = (metrics.tokens, monotonicSeconds()) }
    if let written = try store.poll() {
      listen(.checkpoint(step: written.step, bytes: written.bytes))
      if let problem = written.problem { warn("older checkpoints are not removed: \(problem)") }
    }
    if metrics.step % job.curveEverySteps == 0 || metrics.step == job.steps || metrics.step == 1 {
      try curve?.add(metrics, wallTime: 0)
    }
    guard metrics.step % job.logSteps == 0 || metrics.step == job.steps || metrics.step == 1 else { return }
    guard let metrics = try watch?.record(metrics) else { return }
    listen(
      .step(
        TrainingStep(
          step: metrics.step, steps: job.steps, loss: metrics.loss, rate: metrics.learningRate,
          gradientNorm: metrics.gradientNorm ?? 0, tokensPerSecond: metrics.tokensPerSecond ?? 0,
          mfu: metrics.modelFLOPsUtilization, remainingSeconds: metrics.secondsRemaining)))
  }

  func save(_ contents: CheckpointContents) throws {
    let waited = try store.save(contents)
    if waited > 1 { listen(.warning("training stood still for \(Int(waited)) s until a checkpoint was written")) }
  }

  func end(step: Int, _ counts: TrainingCounts, isDone: Bool) throws {
    try store.waitForWrite()
    try watch?.draw()
    guard isDone else { return listen(.stopped(step: step)) }
    let now = monotonicSeconds()
    let rate = warm.map { Double(counts.tokens - $0.tokens) / max(1e-9, now - $0.seconds) } ?? 0
    listen(
      .done(
        step: step, samples: counts.samples, tokens: counts.tokens, seconds: now - began, tokensPerSecond: rate,
        peakMemoryBytes: try engine.peakMemoryBytes(device)))
  }
}
