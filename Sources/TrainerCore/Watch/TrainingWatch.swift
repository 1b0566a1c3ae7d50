public import ShardKit

/// Everything by which people follow a training: metrics.jsonl, TensorBoard's events, Prometheus text, the picture.
///
/// One object takes each step's values and hands them to all. One thread calls it.
public final class TrainingWatch {
  public struct Options: Sendable {
    /// Where training ends; nil if that is open.
    public var totalSteps: Int?
    /// `ModelShape.trainingFLOPsPerToken`; nil leaves the utilization out.
    public var flopsPerToken: Double?
    /// Of one device (`DevicePeak`); nil leaves the utilization out.
    public var peakFLOPs: Double?
    public var devices = 1
    /// On every sample for Prometheus, such as the stage.
    public var labels: [(name: String, value: String)] = []
    /// Over the picture.
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
  private var lastText = ""

  /// - Parameter resumedStep: the step of the checkpoint that training goes on from, 0 at the start; later records of
  ///   earlier attempts go.
  public init(_ folder: String, resumedStep: Int, options: Options = Options()) throws(ShardError) {
    self.folder = folder
    self.options = options
    try FileSystem.makeDirectory(folder)
    log = try MetricsLog("\(folder)/\(Self.logName)", resumedStep: resumedStep)
    // Events of an attempt that was given up before its first checkpoint must go too.
    events = try EventFile(folder: folder, firstStep: resumedStep + 1)
    prometheus = PrometheusFile("\(folder)/\(Self.prometheusName)")
  }

  /// Takes a step's values, adds rates and remaining time, and passes them on; what it made of them.
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
    lastText = PrometheusText.text(metrics, labels: options.labels)
    try prometheus.update(lastText)
    return metrics
  }

  /// The time until the next step is not one of training.
  public func pause() { throughput.restart() }

  /// Brings the picture and the Prometheus file up to date.
  public func draw() throws(ShardError) {
    if !lastText.isEmpty { try prometheus.update(lastText, force: true) }
    let picture = TrainingChart.svg(try MetricsLog.curve(log.path), title: options.title)
    try FileSystem.write(Array(picture.utf8), to: "\(folder)/\(Self.chartName)")
  }
}
