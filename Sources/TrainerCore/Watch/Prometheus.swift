public import ShardKit

/// Metrics in the text format that Prometheus scrapes, version 0.0.4.
public enum PrometheusText {
  /// - Parameters:
  ///   - nonFiniteSteps: steps so far whose loss or gradient was not finite.
  ///   - heldOut: the newest scores on held-out tokens.
  ///   - labels: on every sample, such as `stage`; in this order.
  public static func text(
    _ metrics: StepMetrics, nonFiniteSteps: Int = 0, heldOut: [HeldOutScore] = [],
    labels: [(name: String, value: String)] = []
  ) -> String {
    let labels = labels.map { MetricFamily.Label($0.name, $0.value) }
    var out = ""
    func add(_ name: String, _ help: String, _ value: Double?, _ kind: MetricFamily.Kind = .gauge) {
      guard let value else { return }
      out += MetricFamily("pipeline_training_" + name, help, kind, [.init(value, labels)]).text
    }
    add("steps_total", "Optimizer steps done.", Double(metrics.step), .counter)
    add("samples_total", "Samples seen.", Double(metrics.samples), .counter)
    add("tokens_total", "Tokens seen.", Double(metrics.tokens), .counter)
    add("nonfinite_steps_total", "Steps whose loss or gradient was not finite.", Double(nonFiniteSteps), .counter)
    add("epoch", "Epoch of the data.", Double(metrics.epoch))
    add("loss", "Loss of the last step.", metrics.loss)
    add("learning_rate", "Learning rate of the last step.", metrics.learningRate)
    add("gradient_norm", "Norm of the gradient before clipping.", metrics.gradientNorm)
    add("tokens_per_second", "Tokens per second over the last steps.", metrics.tokensPerSecond)
    add("mfu", "Floating point operations of the model as a fraction of the peak.", metrics.modelFLOPsUtilization)
    add("remaining_seconds", "Estimated time to the last step.", metrics.secondsRemaining)
    func addSources(_ name: String, _ help: String, _ kind: MetricFamily.Kind, _ value: (SourceMetrics) -> Double) {
      let samples = metrics.sources.map { MetricFamily.Sample(value($0), labels + [.init("source", $0.name)]) }
      out += MetricFamily("pipeline_training_source_" + name, help, kind, samples).text
    }
    addSources("samples_total", "Samples seen of each set of tokens.", .counter) { Double($0.samples) }
    addSources("tokens_total", "Tokens seen of each set of tokens.", .counter) { Double($0.tokens) }
    addSources("epochs", "How often each set of tokens was read.", .gauge) { $0.epochs }
    func addScores(_ name: String, _ help: String, _ value: (HeldOutScore) -> Double) {
      guard !heldOut.isEmpty else { return }
      let samples = heldOut.map { MetricFamily.Sample(value($0), labels + [.init("set", $0.name)]) }
      out += MetricFamily("pipeline_training_held_out_" + name, help, .gauge, samples).text
    }
    addScores("loss", "Loss on each set of held-out tokens.") { $0.loss }
    addScores("accuracy", "Accuracy on each set of held-out tokens.") { $0.accuracy }
    for other in metrics.others { add(snakeCase(other.name), "\(other.name).", other.value) }
    return out
  }

  /// `metrics/eval/MaskedAccuracy` to `metrics/eval/masked_accuracy`.
  private static func snakeCase(_ name: String) -> String {
    name.replacing(#/([a-z0-9])([A-Z])/#) { "\($0.1)_\($0.2)" }.lowercased()
  }
}

/// A file with the newest metrics, for node_exporter's textfile collector: replaced atomically, at limited intervals.
public final class PrometheusFile {
  public let path: String
  private let minimumSeconds: Double
  private var written = -Double.infinity

  public init(_ path: String, minimumSeconds: Double = 5) {
    self.path = path
    self.minimumSeconds = minimumSeconds
  }

  /// - Parameter force: writes even if the last write was very recent.
  /// - Throws: `ShardError` if the file cannot be written.
  public func update(_ text: String, force: Bool = false) throws(ShardError) {
    let now = monotonicSeconds()
    guard force || now - written >= minimumSeconds else { return }
    try FileSystem.write(Array(text.utf8), to: path)
    written = now
  }
}
