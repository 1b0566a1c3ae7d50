public import ShardKit

/// What the first process of each machine says while it works, one JSON object a line.
public enum TrainingEvent: Equatable, Sendable {
  /// `resumedAt`: the checkpoint's step that training goes on from; 0 for a start.
  case began(device: String, parameters: Int, processes: Int, resumedAt: Int)
  case step(TrainingStep)
  /// It is durable.
  case checkpoint(step: Int, bytes: Int)
  case warning(String)
  /// `seconds` with the start; `tokensPerSecond` from the first step's end on.
  case done(step: Int, samples: Int, tokens: Int, seconds: Double, tokensPerSecond: Double, peakMemoryBytes: Int)
  /// It was asked to stop and has written a checkpoint.
  case stopped(step: Int)
}

/// Figures of a step, as they are shown and logged.
public struct TrainingStep: Equatable, Sendable {
  public var step: Int
  public var steps: Int
  /// Nats.
  public var loss: Double
  public var rate: Double
  /// Before clipping.
  public var gradientNorm: Double
  public var tokensPerSecond: Double
  /// 0…1 of the device's bf16 peak; nil where that is not known.
  public var mfu: Double?
  public var remainingSeconds: Double?

  public init(
    step: Int, steps: Int, loss: Double, rate: Double, gradientNorm: Double, tokensPerSecond: Double, mfu: Double?,
    remainingSeconds: Double?
  ) {
    self.step = step
    self.steps = steps
    self.loss = loss
    self.rate = rate
    self.gradientNorm = gradientNorm
    self.tokensPerSecond = tokensPerSecond
    self.mfu = mfu
    self.remainingSeconds = remainingSeconds
  }
}

extension TrainingEvent {
  public var json: JSONValue {
    switch self {
    case .began(let device, let parameters, let processes, let resumedAt):
      [
        "event": "began", "device": .string(device), "parameters": .integer(parameters),
        "processes": .integer(processes), "resumedAt": .integer(resumedAt),
      ]
    case .step(let step):
      [
        "event": "step", "step": .integer(step.step), "steps": .integer(step.steps), "loss": .number(step.loss),
        "rate": .number(step.rate), "gradientNorm": .number(step.gradientNorm),
        "tokensPerSecond": .number(step.tokensPerSecond), "mfu": step.mfu.map { .number($0) } ?? .null,
        "remainingSeconds": step.remainingSeconds.map { .number($0) } ?? .null,
      ]
    case .checkpoint(let step, let bytes):
      [
        "event": "checkpoint", "step": .integer(step), "bytes": .integer(bytes),
      ]
    case .warning(let text): ["event": "warning", "text": .string(text)]
    case .done(let step, let samples, let tokens, let seconds, let tokensPerSecond, let peak):
      [
        "event": "done", "step": .integer(step), "samples": .integer(samples), "tokens": .integer(tokens),
        "seconds": .number(seconds), "tokensPerSecond": .number(tokensPerSecond), "peakMemoryBytes": .integer(peak),
      ]
    case .stopped(let step): ["event": "stopped", "step": .integer(step)]
    }
  }

  /// nil for a line that is no event.
  public init?(line: [UInt8]) {
    guard let json = try? JSONValue.parse(line).value, let event = json["event"]?.string else { return nil }
    func integer(_ key: String) -> Int { json[key]?.integer ?? 0 }
    func number(_ key: String) -> Double { json[key]?.double ?? 0 }
    switch event {
    case "began":
      self = .began(
        device: json["device"]?.string ?? "", parameters: integer("parameters"), processes: integer("processes"),
        resumedAt: integer("resumedAt"))
    case "step":
      self = .step(
        TrainingStep(
          step: integer("step"), steps: integer("steps"), loss: json["loss"]?.double ?? .nan, rate: number("rate"),
          gradientNorm: json["gradientNorm"]?.double ?? .nan, tokensPerSecond: number("tokensPerSecond"),
          mfu: json["mfu"]?.double,
          remainingSeconds: json["remainingSeconds"]?.double))
    case "checkpoint":
      self = .checkpoint(step: integer("step"), bytes: integer("bytes"))
    case "warning": self = .warning(json["text"]?.string ?? "")
    case "done":
      self = .done(
        step: integer("step"), samples: integer("samples"), tokens: integer("tokens"), seconds: number("seconds"),
        tokensPerSecond: number("tokensPerSecond"), peakMemoryBytes: integer("peakMemoryBytes"))
    case "stopped": self = .stopped(step: integer("step"))
    default: return nil
    }
  }
}
