public import ShardKit

/// What the first process of each machine reports while it works, as one JSON object per line: `{"event":"step",…}`.
public enum TrainingEvent: Equatable, Sendable {
  case began(TrainingStart)
  case step(TrainingStep)
  /// The loss on held-out tokens was measured.
  case heldOut(HeldOutRecord)
  /// The checkpoint of this step is durable.
  case checkpoint(step: Int, bytes: Int)
  case warning(String)
  case done(TrainingEnd)
  /// The training was asked to stop and has written a checkpoint.
  case stopped(step: Int)
}

/// What a training is about to do.
public struct TrainingStart: Codable, Equatable, Sendable {
  /// The name of the device, or "CPU".
  public var device: String
  public var parameters: Int
  /// The step of the checkpoint that is resumed; 0: none.
  public var resumedAt: Int
  /// Samples of a step, over all processes.
  public var batchSize: Int
  /// Tokens of a step, over all processes, if all samples are full.
  public var tokensPerStep: Int
  /// Microbatches of a step in each process, whose gradients are accumulated.
  public var microbatches: Int
  /// Samples of a microbatch, at most.
  public var microbatchSize: Int
  public var processes: Int

  public init(
    device: String, parameters: Int, resumedAt: Int, batchSize: Int, tokensPerStep: Int, microbatches: Int,
    microbatchSize: Int, processes: Int
  ) {
    self.device = device
    self.parameters = parameters
    self.resumedAt = resumedAt
    self.batchSize = batchSize
    self.tokensPerStep = tokensPerStep
    self.microbatches = microbatches
    self.microbatchSize = microbatchSize
    self.processes = processes
  }

  /// "2048 samples, up to 262144 tokens per step: 2 processes × 4 microbatches of up to 256 samples"
  public var batchLine: String {
    let processes = processes == 1 ? "1 process" : "\(processes) processes"
    let microbatches = microbatches == 1 ? "1 microbatch" : "\(microbatches) microbatches"
    return "\(batchSize) samples, up to \(tokensPerStep) tokens per step: \(processes) × \(microbatches) of up to"
      + " \(microbatchSize) samples"
  }
}

/// Figures of a step, as they are shown and logged.
public struct TrainingStep: Codable, Equatable, Sendable {
  public var step: Int
  public var steps: Int
  /// Nats.
  @JSONFigure public var loss: Double
  public var learningRate: Double
  /// Before clipping.
  @JSONFigure public var gradientNorm: Double
  public var tokensPerSecond: Double
  /// Model FLOPs utilization: the fraction of the device's bfloat16 peak; nil if that is unknown.
  public var mfu: Double?
  public var remainingSeconds: Double?

  public init(
    step: Int, steps: Int, loss: Double, learningRate: Double, gradientNorm: Double, tokensPerSecond: Double,
    mfu: Double?, remainingSeconds: Double?
  ) {
    self.step = step
    self.steps = steps
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.tokensPerSecond = tokensPerSecond
    self.mfu = mfu
    self.remainingSeconds = remainingSeconds
  }
}

/// What a finished training has done.
public struct TrainingEnd: Codable, Equatable, Sendable {
  public var step: Int
  public var samples: Int
  public var tokens: Int
  /// With the start.
  public var seconds: Double
  /// From the first step's end on.
  public var tokensPerSecond: Double
  public var peakMemoryBytes: Int

  public init(
    step: Int, samples: Int, tokens: Int, seconds: Double, tokensPerSecond: Double, peakMemoryBytes: Int
  ) {
    self.step = step
    self.samples = samples
    self.tokens = tokens
    self.seconds = seconds
    self.tokensPerSecond = tokensPerSecond
    self.peakMemoryBytes = peakMemoryBytes
  }
}

extension TrainingEvent: JSONRecord {
  private enum CodingKeys: String, CodingKey { case event, step, bytes, text }
  private enum Name: String, Codable, CaseIterable {
    case began, step, heldOut, checkpoint, warning, done, stopped
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .began(let start):
      try container.encode(Name.began, forKey: .event)
      try start.encode(to: encoder)
    case .step(let step):
      try container.encode(Name.step, forKey: .event)
      try step.encode(to: encoder)
    case .heldOut(let record):
      try container.encode(Name.heldOut, forKey: .event)
      try record.encode(to: encoder)
    case .checkpoint(let step, let bytes):
      try container.encode(Name.checkpoint, forKey: .event)
      try container.encode(step, forKey: .step)
      try container.encode(bytes, forKey: .bytes)
    case .warning(let text):
      try container.encode(Name.warning, forKey: .event)
      try container.encode(text, forKey: .text)
    case .done(let end):
      try container.encode(Name.done, forKey: .event)
      try end.encode(to: encoder)
    case .stopped(let step):
      try container.encode(Name.stopped, forKey: .event)
      try container.encode(step, forKey: .step)
    }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func step() throws -> Int { try container.decode(Int.self, forKey: .step) }
    switch try container.decode(Name.self, forKey: .event) {
    case .began: self = .began(try TrainingStart(from: decoder))
    case .step: self = .step(try TrainingStep(from: decoder))
    case .heldOut: self = .heldOut(try HeldOutRecord(from: decoder))
    case .checkpoint: self = .checkpoint(step: try step(), bytes: try container.decode(Int.self, forKey: .bytes))
    case .warning: self = .warning(try container.decode(String.self, forKey: .text))
    case .done: self = .done(try TrainingEnd(from: decoder))
    case .stopped: self = .stopped(step: try step())
    }
  }

  /// nil for a line that is not an event.
  public init?(line: [UInt8]) {
    guard let event = try? JSONValue.parse(line).decode(TrainingEvent.self) else { return nil }
    self = event
  }
}
