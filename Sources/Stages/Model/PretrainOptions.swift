import PipelineKit
import TrainerCore

extension ModelPretrain {
  public enum Device: String, CaseIterable, OptionChoice { case auto, cpu, cuda }
  public enum Precision: String, CaseIterable, OptionChoice { case auto, float32, bfloat16 }

  public struct Options: StageOptions {
    public var model = ModelShape.Kind.mosaicBERT
    public var hiddenSize = 768
    public var layers = 12
    public var heads = 12
    public var intermediateSize = 3072
    public var maximumLength = 512
    public var dropout = 0.1
    public var remote = ""
    public var remoteEndpoint = ""
    public var allowPrivateAddresses = false
    public var asOf = ""
    public var cacheBytes = ByteCount.gibibytes(64)
    public var sequenceLength = 128
    public var batchSize = 2048
    public var microbatchSize = 256
    public var steps = 1000
    public var learningRate = 3e-4
    public var schedule = LearningRate.Fall.cosine
    public var warmupSteps = 0
    public var finalRate = 0.0
    public var beta1 = 0.9
    public var beta2 = 0.98
    public var epsilon = 1e-6
    public var weightDecay = 0.01
    public var clip = 1.0
    public var maskProbability = 0.3
    public var seed = 17
    public var shuffle = ShuffleOrder.Algorithm.py1e
    public var precision = Precision.auto
    public var device = Device.auto
    public var processes = 0
    public var threads = 0
    public var recomputeActivations = false
    public var checkpointSteps = 1000
    public var keepCheckpoints = 3
    public var keepEverySteps = 0
    public var logSteps = 10
    public var resumeStep = 0
    public var restartSchedule = false
    public var skipSteps: [String] = []
    public var laterRates: [String] = []
    public var skipNonFinite = 0
    public init() {}

    public static let fields =
      modelFields + batchFields + optimizerFields + dataFields + remoteFields + machineFields + checkpointFields
      + courseFields

    private static let modelFields: [OptionField<Self>] = [
      OptionField(
        "model", \.model,
        "The architecture; 'rope-bert' converts to transformers' own nomic_bert. Where a checkpoint is wired, it and the "
          + "sizes below are the checkpoint's."),
      OptionField("hiddenSize", \.hiddenSize, "Width; a multiple of heads.", in: 8...1 << 15),
      OptionField("layers", \.layers, "Layers.", in: 1...1024),
      OptionField("heads", \.heads, "Attention heads.", in: 1...1024),
      OptionField("intermediateSize", \.intermediateSize, "Width of the feed-forward part.", in: 8...1 << 17),
      OptionField(
        "maximumLength", \.maximumLength, "Tokens that the model is meant for; its table's length for 'bert'.",
        in: 8...1 << 20),
      OptionField("dropout", \.dropout, "Share of activations dropped in training.", in: 0...0.9),
    ]
    private static let batchFields: [OptionField<Self>] = [
      OptionField("sequenceLength", \.sequenceLength, "Tokens of a sample, as tokenized.", in: 8...1 << 20),
      OptionField("batchSize", \.batchSize, "Samples of a step, over all devices.", in: 1...1 << 24),
      OptionField(
        "microbatchSize", \.microbatchSize,
        "Samples that a device takes at once, at most: a matter of its memory. Another one gives the same weights to "
          + "rounding (on GPUs 'bert' drops other values), and an unfinished training goes on.",
        in: 1...1 << 20),
      OptionField("steps", \.steps, "Optimizer steps.", in: 1...1 << 40),
    ]
    private static let optimizerFields: [OptionField<Self>] = [
      OptionField("learningRate", \.learningRate, "The highest rate.", in: 0...10),
      OptionField("schedule", \.schedule, "How the rate falls after warm-up."),
      OptionField("warmupSteps", \.warmupSteps, "Steps over which the rate rises from 0.", in: 0...1 << 40),
      OptionField("finalRate", \.finalRate, "The last step's rate as a share of the highest.", in: 0...1),
      OptionField("beta1", \.beta1, "AdamW's first decay.", in: 0...0.9999),
      OptionField("beta2", \.beta2, "AdamW's second decay.", in: 0...0.99999),
      OptionField("epsilon", \.epsilon, "AdamW's epsilon.", in: 0...1),
      OptionField("weightDecay", \.weightDecay, "Decoupled, times the rate, on all parameters.", in: 0...1),
      OptionField("clip", \.clip, "The gradient's greatest norm; 0 leaves it.", in: 0...1e9),
    ]
    private static let dataFields: [OptionField<Self>] = [
      OptionField("maskProbability", \.maskProbability, "Share of tokens that are to be guessed.", in: 0.01...0.9),
      OptionField("seed", \.seed, "Of weights, shuffling, masks and dropout.", in: 0...1 << 31),
      OptionField("shuffle", \.shuffle, "mosaicml-streaming's shuffle of the data set."),
    ]
    private static let remoteFields: [OptionField<Self>] = [
      OptionField(
        "remote", \.remote,
        "Where the tokens lie, instead of an input: s3://bucket/prefix, with keys and region from AWS's variables and "
          + "files, or a folder of a shared file system, as an absolute path. Shards come when they are near."),
      OptionField(
        "remoteEndpoint", \.remoteEndpoint, "The URL of the service; by default AWS_ENDPOINT_URL_S3's or Amazon's own."),
      OptionField(
        "allowPrivateAddresses", \.allowPrivateAddresses,
        "Lets a service on this machine or in private networks be asked.", affectsOutput: false),
      OptionField("asOf", \.asOf, "Another word here looks at remote's index.json again."),
      OptionField(
        "cacheBytes", \.cacheBytes, "What the cache of remote's shards may hold on disk.", affectsOutput: false),
    ]
    private static let machineFields: [OptionField<Self>] = [
      OptionField(
        "precision", \.precision, "What the model computes in; 'auto': bfloat16 on a GPU, float32 on the CPU."),
      OptionField(
        "device", \.device, "'auto': GPUs where the engine was built for them and there is one, else the CPU."),
      OptionField(
        "processes", \.processes,
        "Processes that train together on this machine; 0: one per GPU, one on the CPU. Others give the same weights to "
          + "rounding, and an unfinished training goes on.", in: 0...1024),
      OptionField(
        "threads", \.threads,
        "Threads of a process on the CPU; 0: all processors, shared out. The weights are the same whatever their number.",
        in: 0...1024, affectsOutput: false),
      OptionField(
        "recomputeActivations", \.recomputeActivations, "Less memory, about a third more time.", affectsOutput: false),
    ]
    private static let checkpointFields: [OptionField<Self>] = [
      OptionField(
        "checkpointSteps", \.checkpointSteps, "Steps between checkpoints.", in: 1...1 << 40, affectsOutput: false),
      OptionField(
        "keepCheckpoints", \.keepCheckpoints, "The newest ones that are kept.", in: 1...1000, affectsOutput: false),
      OptionField(
        "keepEverySteps", \.keepEverySteps,
        "Checkpoints at multiples of this are written, kept and published beside the last one; 0 for none.",
        in: 0...1 << 40),
      OptionField(
        "logSteps", \.logSteps, "Steps between figures in the progress and the report.", in: 1...1 << 40,
        affectsOutput: false),
    ]
    private static let courseFields: [OptionField<Self>] = [
      OptionField(
        "resumeStep", \.resumeStep, "The step of the checkpoint of 'resume' to go on from; 0 for the last.",
        in: 0...1 << 40),
      OptionField(
        "restartSchedule", \.restartSchedule,
        "With 'resume': warm-up and fall begin anew at the checkpoint's step, instead of where the schedule is by then."
      ),
      OptionField(
        "skipSteps", \.skipSteps,
        "Steps to pass over, such as \"301-330\": their batches are left out and the weights stay. A training that "
          + "diverged goes on at its last checkpoint before them."),
      OptionField(
        "laterRates", \.laterRates,
        "Other highest rates from a step on, such as \"300: 0.0001\" for the steps after 300. A training goes on at its "
          + "last checkpoint up to that step."),
      OptionField(
        "skipNonFinite", \.skipNonFinite,
        "Steps whose loss or gradient is no number that are passed over; one more ends the training.", in: 0...1 << 20),
    ]
  }
}

extension ModelShape.Kind: OptionChoice {}
extension LearningRate.Fall: OptionChoice {}
extension ShuffleOrder.Algorithm: OptionChoice {}
