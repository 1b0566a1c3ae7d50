import ShardKit

/// One fine-tuning: what to learn from, what to be tested on, and how. A stage writes it, a worker process reads it.
public struct FineTuningJob: Equatable, Sendable {
  public var task = JGLUETask.jsts
  /// Folder of model.json and weights.safetensors.
  public var checkpoint = ""
  public var tokenizer = ""
  public var dictionary: String?
  public var train: [String] = []
  public var test: [String] = []
  public var learningRate = 5e-5
  public var epochs = 4
  public var batchSize = 32
  public var maximumLength = 128
  public var warmup = 0.1
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

  public init(path: String) throws {
    let json = try JSONValue.parse(try FileSystem.read(path, limit: 1 << 20)).value
    guard let task = json["task"]?.string.flatMap(JGLUETask.init(rawValue:)) else {
      throw TorchError(.file, path, "is no fine-tuning job")
    }
    self.task = task
    checkpoint = json["checkpoint"]?.string ?? ""
    tokenizer = json["tokenizer"]?.string ?? ""
    dictionary = json["dictionary"]?.string
    train = json["train"]?.array?.compactMap(\.string) ?? []
    test = json["test"]?.array?.compactMap(\.string) ?? []
    learningRate = json["learningRate"]?.double ?? learningRate
    epochs = json["epochs"]?.integer ?? epochs
    batchSize = json["batchSize"]?.integer ?? batchSize
    maximumLength = json["maximumLength"]?.integer ?? maximumLength
    warmup = json["warmup"]?.double ?? warmup
    weightDecay = json["weightDecay"]?.double ?? weightDecay
    dropout = json["dropout"]?.double ?? dropout
    seed = json["seed"]?.integer ?? seed
    maximumExamples = json["maximumExamples"]?.integer ?? 0
    device = json["device"]?.string ?? device
    precision = json["precision"]?.string.flatMap(Parameters.Precision.init(rawValue:)) ?? .float32
    threads = json["threads"]?.integer ?? threads
    result = json["result"]?.string ?? ""
    output = json["output"]?.string ?? ""
  }

  public var json: JSONValue {
    [
      "task": .string(task.rawValue), "checkpoint": .string(checkpoint), "tokenizer": .string(tokenizer),
      "dictionary": dictionary.map { .string($0) } ?? .null, "train": .strings(train), "test": .strings(test),
      "learningRate": .number(learningRate), "epochs": .integer(epochs), "batchSize": .integer(batchSize),
      "maximumLength": .integer(maximumLength), "warmup": .number(warmup), "weightDecay": .number(weightDecay),
      "dropout": .number(dropout),
      "seed": .integer(seed), "maximumExamples": .integer(maximumExamples), "device": .string(device),
      "precision": .string(precision.rawValue), "threads": .integer(threads), "result": .string(result),
      "output": .string(output),
    ]
  }
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
