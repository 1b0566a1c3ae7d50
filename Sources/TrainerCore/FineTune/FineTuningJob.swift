public import ShardKit

/// One fine-tuning: what to learn from, what to be tested on, and how. A stage writes it, a worker process reads it.
public struct FineTuningJob: JSONRecord, Equatable, Sendable {
  public static let writesNull = true

  public var task = JGLUEBenchmark.jsts
  /// Folder of model.json and weights.safetensors.
  public var checkpoint = ""
  public var tokenizer = ""
  public var dictionary: String?
  public var train: [String] = []
  public var test: [String] = []
  public var learningRate = 5e-5
  public var epochs = 4
  /// Examples of an optimizer step.
  public var batchSize = 32
  /// Examples that go through the model at once; 0: those of the step.
  public var microbatchSize = 0
  public var maximumLength = 128
  public var warmupFraction = 0.1
  public var weightDecay = 0.0
  public var dropout = 0.1
  public var seed = 1
  /// Examples of training and of testing at most; 0 for all.
  public var maximumExamples = 0
  public var device = "cpu"
  public var precision = Parameters.Precision.float32
  public var threads = 1
  /// Where the scores go.
  public var result = ""
  /// Where the model goes; empty to let it go.
  public var output = ""

  public init() {}

  public init(path: String) throws { try self.init(jsonFile: path) }
}

/// How far a fine-tuning has come.
public struct FineTuningStep: Equatable, Sendable {
  public var step: Int
  public var steps: Int
  public var loss: Double

  public var json: JSONValue {
    ["event": "step", "step": .integer(step), "steps": .integer(steps), "loss": .number(loss)]
  }

  public init(step: Int, steps: Int, loss: Double) {
    self.step = step
    self.steps = steps
    self.loss = loss
  }

  /// "step 20/96  loss 1.608"; without a known end, texts.
  public var line: String {
    guard steps > 0 else { return "\(step) texts" }
    return "step \(step)/\(steps)" + (loss.isFinite ? "  loss \(fixed(loss, 3))" : "")
  }

  public init?(_ json: JSONValue) {
    guard json["event"] == "step", let step = json["step"]?.integer, let steps = json["steps"]?.integer else {
      return nil
    }
    self.init(step: step, steps: steps, loss: json["loss"]?.double ?? .nan)
  }
}
