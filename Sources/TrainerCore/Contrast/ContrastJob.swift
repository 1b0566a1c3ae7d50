public import ShardKit

/// One contrastive training: examples, and settings. A stage writes the job, each worker process reads it.
public struct ContrastJob: JSONRecord, Equatable, Sendable {
  public static let writesNull = true

  /// Folder of model.json and weights.safetensors.
  public var checkpoint = ""
  public var tokenizer = ""
  public var dictionary: String?
  /// Files of JSON lines, see `ContrastExample`.
  public var examples: [String] = []
  /// Digest of the model, the tokenizer and the examples: a checkpoint of others is refused.
  public var inputsDigest = ""
  public var pooling = Pooling.mean
  /// Before each query: the anchors.
  public var queryPrefix = ""
  /// Before each document: the positives and the negatives.
  public var documentPrefix = ""
  /// What cosines are divided by.
  public var temperature = 0.05
  public var learningRate = 3e-5
  public var epochs = 1
  /// Optimizer steps at most; 0: those of the epochs.
  public var maximumSteps = 0
  /// Examples of an optimizer step, over all processes. Each example's documents are negatives of all others.
  public var batchSize = 128
  /// Examples that go through the model at once, at most; 0: all of a process.
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
  /// The first examples that count; 0: all.
  public var maximumExamples = 0
  /// Of pairs with a number as their label, those with at least this one belong together.
  public var minimumScore = 4.0
  /// Steps between checkpoints.
  public var checkpointSteps = 500
  /// "cpu" or "cuda".
  public var device = "cpu"
  public var precision = Parameters.Precision.float32
  public var threads = 1
  /// Folder of checkpoints during training.
  public var state = ""
  /// Folder of the trained weights and the losses.
  public var output = ""

  public static let lossesName = "losses.csv"

  public init() {}

  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member.
  public init(path: String) throws { try self.init(jsonFile: path) }

  /// Identifies this training: checkpoints of another one are refused. Paths, threads, devices, and how a step is split
  /// are not part of it.
  var fingerprint: String {
    var plain = self
    (plain.checkpoint, plain.tokenizer, plain.dictionary, plain.examples) = ("", "", nil, [])
    (plain.state, plain.output, plain.device, plain.threads) = ("", "", "", 1)
    (plain.microbatchSize, plain.checkpointSteps) = (0, 1)
    return Digester.digest(Array(plain.json.text().utf8)).hex
  }

  /// The last examples of an epoch that do not fill a batch wait for another epoch's order.
  func stepsPerEpoch(examples: Int) -> Int { max(1, examples / batchSize) }

  func steps(examples: Int) -> Int {
    let whole = stepsPerEpoch(examples: examples) * epochs
    return maximumSteps > 0 ? min(maximumSteps, whole) : whole
  }
}

/// The end of a contrastive training.
public struct ContrastEnd: JSONRecord, Equatable, Sendable {
  public var steps: Int
  public var examples: Int
  /// Pairs that do not belong together.
  public var pairsLeftOut: Int
  /// The mean of the last tenth of the steps.
  @JSONFigure public var lastLoss: Double
  public var isDone: Bool
}
