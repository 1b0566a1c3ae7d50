public import ShardKit

/// Everything for following a training: metrics.jsonl, TensorBoard events, Prometheus text, the chart.
///
/// One object passes each step's values to all of them. For one thread.
public final class TrainingWatch {
  public struct Options: Sendable {
    /// The last step; nil: unknown.
    public var totalSteps: Int?
    /// `ModelShape.trainingFLOPsPerToken`; nil: no utilization.
    public var flopsPerToken: Double?
    /// Of one device (`DeviceKind`); nil: no utilization.
    public var peakFLOPs: Double?
    public var devices = 1
    /// Labels of every Prometheus sample, such as the stage.
    public var labels: [(name: String, value: String)] = []
    /// Title of the chart.
    public var title = "Training"

    public init() {}
  }

  public static let logName = "metrics.jsonl"
  public static let prometheusName = "metrics.prom"
  public static let chartName = "training.svg"

  public let folder: String
  private let options: Options
  private let log: MetricsLog
  private let events: EventFile
  private let prometheus: PrometheusFile
  private var throughput = Throughput()
  private var last: StepMetrics?
  private var nonFiniteSteps = 0
  /// The newest scores on held-out tokens.
  private var scores: [HeldOutScore] = []

  /// - Parameter resumedStep: the step of the checkpoint that training resumes from, 0 at the start; records of later
  ///   steps are removed.
  /// - Throws: `ShardError` if the folder or its files cannot be written.
  public init(_ folder: String, resumedStep: Int, options: Options = Options()) throws(ShardError) {
    self.folder = folder
    self.options = options
    try FileSystem.makeDirectory(folder)
    log = try MetricsLog("\(folder)/\(Self.logName)", resumedStep: resumedStep)
    // Events of an attempt that ended before its first checkpoint must be removed too.
    events = try EventFile(folder: folder, firstStep: resumedStep + 1)
    prometheus = PrometheusFile("\(folder)/\(Self.prometheusName)")
  }

  /// Takes a step's values, adds rates and remaining time, and passes them on.
  /// - Returns: the values with what was added.
  /// - Throws: `ShardError` if a file cannot be written.
  @discardableResult
  public func record(_ metrics: StepMetrics) throws(ShardError) -> StepMetrics {
    throughput.record(step: metrics.step, tokens: metrics.tokens)
    var metrics = metrics
    metrics.devices = options.devices
    metrics.tokensPerSecond = throughput.tokensPerSecond
    metrics.secondsRemaining = options.totalSteps.flatMap { throughput.secondsRemaining(until: $0) }
    metrics.modelFLOPsUtilization = options.flopsPerToken.flatMap {
      throughput.modelFLOPsUtilization(
        flopsPerToken: $0, peakFLOPs: options.peakFLOPs.map { $0 * Double(options.devices) })
    }
    try log.add(metrics)
    try events.add(metrics.scalars, step: metrics.step)
    if !metrics.isFinite { nonFiniteSteps += 1 }
    last = metrics
    try updatePrometheus(force: !metrics.isFinite)
    return metrics
  }

  private func updatePrometheus(force: Bool) throws(ShardError) {
    guard let last else { return }
    let text = PrometheusText.text(last, nonFiniteSteps: nonFiniteSteps, heldOut: scores, labels: options.labels)
    try prometheus.update(text, force: force)
  }

  /// Passes on scores on held-out tokens. The time that they took does not count as training.
  /// - Throws: `ShardError` if a file cannot be written.
  func record(_ record: HeldOutRecord) throws(ShardError) {
    pause()
    scores = record.scores
    try updatePrometheus(force: true)
    try events.add(record.scalars, step: record.step)
  }

  /// The time until the next step does not count as training.
  public func pause() { throughput.restart() }

  /// Updates the chart and the Prometheus file.
  /// - Parameter heldOut: scores on held-out tokens, by step.
  /// - Throws: `ShardError` if a file cannot be written.
  public func draw(heldOut: [HeldOutRecord] = []) throws(ShardError) {
    try updatePrometheus(force: true)
    let picture = TrainingChart.svg(
      try MetricsLog.curve(log.path), heldOut: heldOut, title: options.title)
    try FileSystem.write(Array(picture.utf8), to: "\(folder)/\(Self.chartName)")
  }
}
