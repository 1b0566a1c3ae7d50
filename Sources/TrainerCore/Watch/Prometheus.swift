public import ShardKit

/// Metrics in the text format that Prometheus scrapes, version 0.0.4.
public enum PrometheusText {
  /// - Parameter labels: on every sample, such as `stage`; in this order.
  public static func text(_ metrics: StepMetrics, labels: [(name: String, value: String)] = []) -> String {
    let label = labels.map { "\(identifier($0.name))=\"\(escaped($0.value))\"" }.joined(separator: ",")
    let braces = label.isEmpty ? "" : "{\(label)}"
    var out = ""
    func add(_ name: String, _ help: String, _ value: Double?, type: String = "gauge") {
      guard let value else { return }
      out += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n\(name)\(braces) \(number(value))\n"
    }
    add("pipeline_training_steps_total", "Optimizer steps done.", Double(metrics.step), type: "counter")
    add("pipeline_training_samples_total", "Samples seen.", Double(metrics.samples), type: "counter")
    add("pipeline_training_tokens_total", "Tokens seen.", Double(metrics.tokens), type: "counter")
    add("pipeline_training_epoch", "Epoch of the data.", Double(metrics.epoch))
    add("pipeline_training_loss", "Loss of the last step.", metrics.loss)
    add("pipeline_training_learning_rate", "Learning rate of the last step.", metrics.learningRate)
    add("pipeline_training_gradient_norm", "Norm of the gradient before clipping.", metrics.gradientNorm)
    add("pipeline_training_tokens_per_second", "Tokens per second over the last steps.", metrics.tokensPerSecond)
    add(
      "pipeline_training_mfu", "Floating point operations of the model as a fraction of the peak.",
      metrics.modelFLOPsUtilization)
    add("pipeline_training_remaining_seconds", "Estimated time to the last step.", metrics.secondsRemaining)
    for other in metrics.others {
      add("pipeline_training_" + identifier(other.name), "\(escapedHelp(other.name)).", other.value)
    }
    return out
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return Int(exactly: value).map { "\($0)" } ?? "\(value)"
  }

  /// Letters, digits and `_`, not a digit first.
  private static func identifier(_ name: String) -> String {
    let scalars = name.unicodeScalars.map { scalar -> String in
      scalar.isASCII && scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) ? String(scalar) : "_"
    }
    let joined = scalars.joined()
    return joined.first?.isNumber ?? true ? "_" + joined : joined
  }

  private static func escaped(_ value: String) -> String { escapedHelp(value).replacing("\"", with: "\\\"") }

  private static func escapedHelp(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
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
