public import PipelineKit
import ShardKit
import TrainerCore

/// The options of every stage that fine-tunes a model by one setting.
public struct TuningOptions: StageOptions {
  @Option("The peak learning rate.", in: 0...1) public var learningRate = 3e-5
  @Option("Number of passes over the training examples.", in: 1...1000) public var epochs = 4
  @Option("Examples per step.", in: 1...1 << 16) public var batchSize = 32
  @Option(
    "Examples that go through the model at once; 0: all of a step. Fewer need less memory; weights agree up to "
      + "rounding and dropout.", in: 0...1 << 16) public var microbatchSize = 0
  @Option("Maximum tokens per input; of longer texts, the beginning counts.", in: 16...1 << 16)
  public var maximumLength = 128
  @Option("Fraction of the steps over which the learning rate warms up.", in: 0...1, formerly: "warmup")
  public var warmupFraction = 0.1
  @Option("AdamW's weight decay.", in: 0...1) public var weightDecay = 0.0
  @Option("Dropout: the fraction of activations dropped during fine-tuning, independent of pretraining.", in: 0...0.9)
  public var dropout = 0.1
  @Option("Seed of the head's weights, shuffling and dropout.", in: 0...1 << 31) public var seed = 1

  public init() {}

  init(batchSize: Int, maximumLength: Int, weightDecay: Double, epochs: Int = 4) {
    (self.batchSize, self.maximumLength, self.weightDecay) = (batchSize, maximumLength, weightDecay)
    self.epochs = epochs
  }
}

/// The options of every stage that computes vectors of texts.
public struct EncoderOptions: StageOptions {
  @Option(
    "Vector of a text: mean of its token vectors, cls, that of its first token, or pooler, that of its first token "
      + "through BERT's pooler. 'auto': the model's own; mean if it has none.")
  public var pooling = PoolingChoice.auto
  @Option(
    "Tokens of a text that count, from its beginning. 0: as many as count in the model's own vectors, or as it takes.",
    in: 0...1 << 16)
  public var maximumLength = 0

  public init() {}

  /// - Throws: `StageError` (`options`) if a text would have hardly any tokens.
  func validate() throws { try Self.check(maximumLength: maximumLength) }

  static func check(maximumLength: Int) throws {
    guard maximumLength == 0 || maximumLength >= 8 else {
      throw StageError(.options, "maximumLength", "is \(maximumLength), below 8", hint: "Set 8 or more, or 0.")
    }
  }
}

extension EncoderOptions {
  /// The pooling that is asked for, or that of the task's model.
  func resolved(_ workspace: Workspace) throws -> Pooling {
    let pooling = try pooling.pooling ?? CheckpointInput.embedding(workspace)?.pooling ?? .mean
    try CheckpointInput.check(pooling, workspace)
    return pooling
  }

  /// Tokens of a text that count: as many as are asked for, or as the model's own vectors are made of.
  func length(_ shape: ModelShape, _ settings: EmbeddingSettings?) -> Int {
    if maximumLength > 0 { return min(maximumLength, shape.maximumLength) }
    guard let own = settings?.maximumLength, own > 0 else { return shape.maximumLength }
    return min(own, shape.maximumLength)
  }
}

/// A pooling, or the model's own.
public enum PoolingChoice: String, CaseIterable, OptionChoice {
  case auto, mean, cls, pooler

  /// nil: the model's own.
  var pooling: Pooling? { Pooling(rawValue: rawValue) }
}

extension FineTuningJob {
  mutating func set(_ options: TuningOptions) {
    learningRate = options.learningRate
    epochs = options.epochs
    batchSize = options.batchSize
    microbatchSize = options.microbatchSize
    maximumLength = options.maximumLength
    warmupFraction = options.warmupFraction
    weightDecay = options.weightDecay
    dropout = options.dropout
    seed = options.seed
  }
}

extension EmbeddingJob {
  mutating func set(_ options: EncoderOptions, _ workspace: Workspace) throws {
    pooling = try options.resolved(workspace)
    maximumLength = try options.length(CheckpointInput.shape(workspace), CheckpointInput.embedding(workspace))
  }
}
