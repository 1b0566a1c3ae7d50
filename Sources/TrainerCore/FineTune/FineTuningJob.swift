public import ShardKit

/// One fine-tuning: training and test data, and settings. A stage writes the job, a worker process reads it.
public struct FineTuningJob: JSONRecord, Equatable, Sendable {
  public static let writesNull = true

  public var task = TunedTask.benchmark(.jsts)
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
  public var beta2 = 0.999
  public var epsilon = 1e-8
  /// Larger gradients are scaled down to this norm; 0: no clipping.
  public var maximumGradientNorm = 1.0
  public var dropout = 0.1
  public var seed = 1
  /// Examples of each set at most; 0: all.
  public var maximumExamples = 0
  public var device = "cpu"
  public var precision = Parameters.Precision.float32
  public var threads = 1
  /// File of the scores.
  public var result = ""
  /// File of the head's output for each test example, one line of JSON numbers per example; empty: none.
  public var outputs = ""
  /// Folder of the model; empty: it is not kept.
  public var output = ""

  public init() {}

  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member.
  public init(path: String) throws { try self.init(jsonFile: path) }
}

/// Progress of a fine-tuning.
public struct FineTuningStep: JSONRecord, Equatable, Sendable {
  public var step: Int
  /// 0 if unknown.
  public var steps: Int
  @JSONFigure public var loss: Double

  public init(step: Int, steps: Int, loss: Double) {
    self.step = step
    self.steps = steps
    self.loss = loss
  }

  /// "step 20/96  loss 1.608"; if the number of steps is unknown, "20 texts".
  public var line: String {
    guard steps > 0 else { return "\(step) texts" }
    return "step \(step)/\(steps)" + (loss.isFinite ? "  loss \(fixed(loss, 3))" : "")
  }
}
