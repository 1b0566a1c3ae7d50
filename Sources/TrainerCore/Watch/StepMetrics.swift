import ShardKit

/// Figures of training after a step.
public struct StepMetrics: Equatable, Sendable {
  /// Optimizer steps done.
  public var step: Int
  public var loss: Double
  public var learningRate: Double
  /// Before clipping; nil: not measured.
  public var gradientNorm: Double?
  public var epoch: Int
  /// Since the first step.
  public var samples: Int
  public var tokens: Int
  /// Of all devices.
  public var tokensPerSecond: Double?
  public var devices = 1
  /// Fraction of the devices' peak.
  public var modelFLOPsUtilization: Double?
  public var secondsRemaining: Double?
  /// Of a mixture.
  public var sources: [SourceMetrics] = []
  /// Other figures by name, such as `metrics/eval/MaskedAccuracy`.
  public var others: [Named] = []

  public struct Named: Equatable, Sendable {
    public var name: String
    public var value: Double

    public init(_ name: String, _ value: Double) {
      self.name = name
      self.value = value
    }
  }

  public init(
    step: Int, loss: Double, learningRate: Double, gradientNorm: Double? = nil, epoch: Int = 0, samples: Int = 0,
    tokens: Int = 0
  ) {
    self.step = step
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.epoch = epoch
    self.samples = samples
    self.tokens = tokens
  }

  /// Whether loss and gradient are numbers.
  var isFinite: Bool { loss.isFinite && gradientNorm?.isFinite ?? true }

  /// Every number under the name that Composer uses in logs, in fixed order.
  public var scalars: [Named] {
    var list = [
      Named(MetricNames.loss, loss), Named(MetricNames.learningRate, learningRate),
      Named(MetricNames.epoch, Double(epoch)), Named(MetricNames.samples, Double(samples)),
      Named(MetricNames.tokens, Double(tokens)),
    ]
    let measured = [
      (MetricNames.gradientNorm, gradientNorm), (MetricNames.tokensPerSecond, tokensPerSecond),
      (MetricNames.deviceTokensPerSecond, tokensPerSecond.map { $0 / Double(max(1, devices)) }),
      (MetricNames.modelFLOPsUtilization, modelFLOPsUtilization), (MetricNames.secondsRemaining, secondsRemaining),
    ]
    for (name, value) in measured { if let value { list.append(Named(name, value)) } }
    return list + sources.flatMap(\.scalars) + others
  }
}

/// What was learned from a source of a mixture, since the first step.
public struct SourceMetrics: Equatable, Sendable {
  public var name: String
  public var samples: Int
  public var tokens: Int
  /// `samples` as a multiple of the samples that the source has.
  public var epochs: Double

  public init(_ source: TokenMixture.Source, _ learned: SourceCount) {
    name = source.name
    samples = learned.samples
    tokens = learned.tokens
    epochs = Double(learned.samples) / Double(max(1, source.samples))
  }

  var scalars: [StepMetrics.Named] {
    [
      StepMetrics.Named("data/\(name)/samples", Double(samples)),
      StepMetrics.Named("data/\(name)/tokens", Double(tokens)),
      StepMetrics.Named("data/\(name)/epochs", epochs),
    ]
  }
}

/// Composer's names, so that its dashboards work.
public enum MetricNames {
  public static let loss = "loss/train/total"
  public static let learningRate = "lr-AdamW/group0"
  public static let gradientNorm = "l2_norm/grad/global"
  public static let epoch = "time/epoch"
  public static let samples = "time/sample"
  public static let tokens = "time/token"
  public static let tokensPerSecond = "throughput/tokens_per_sec"
  public static let deviceTokensPerSecond = "throughput/device/tokens_per_sec"
  public static let modelFLOPsUtilization = "throughput/device/mfu"
  public static let secondsRemaining = "time/remaining_estimate"
}
