public import PipelineKit
public import TrainerCore

extension ModelPretrain {
  public enum Device: String, CaseIterable, OptionChoice { case auto, cpu, cuda }
  public enum Precision: String, CaseIterable, OptionChoice { case auto, float32, bfloat16 }

  public struct Options: StageOptions {
    @Option(
      "The architecture; 'rope-bert' converts to transformers' own nomic_bert. Where a checkpoint is wired, it and the "
        + "sizes below are the checkpoint's.")
    public var model = ModelShape.Kind.mosaicBERT
    @Option("Width; a multiple of heads.", in: 8...1 << 15) public var hiddenSize = 768
    @Option("Layers.", in: 1...1024) public var layers = 12
    @Option("Attention heads.", in: 1...1024) public var heads = 12
    @Option("Width of the feed-forward part.", in: 8...1 << 17) public var intermediateSize = 3072
    @Option("Tokens that the model is meant for; its table's length for 'bert'.", in: 8...1 << 20)
    public var maximumLength = 512
    @Option("Share of activations dropped in training.", in: 0...0.9) public var dropout = 0.1
    @Option("Tokens of a sample, as tokenized.", in: 8...1 << 20) public var sequenceLength = 128
    @Option("Samples of a step, over all devices.", in: 1...1 << 24) public var batchSize = 2048
    @Option(
      "Samples that a device takes at once, at most: a matter of its memory. Another one gives the same weights to "
        + "rounding (on GPUs 'bert' drops other values), and an unfinished training goes on.", in: 1...1 << 20)
    public var microbatchSize = 256
    @Option("Optimizer steps.", in: 1...1 << 40) public var steps = 1000
    @Option("The highest rate.", in: 0...10) public var learningRate = 3e-4
    @Option("How the rate falls after warm-up.") public var schedule = LearningRateSchedule.Decay.cosine
    @Option("Steps over which the rate rises from 0.", in: 0...1 << 40) public var warmupSteps = 0
    @Option("The last step's rate as a share of the highest.", in: 0...1, formerly: "finalRate") public
      var finalRateFraction = 0.0
    @Option("AdamW's first decay.", in: 0...0.9999) public var beta1 = 0.9
    @Option("AdamW's second decay.", in: 0...0.99999) public var beta2 = 0.98
    @Option("AdamW's epsilon.", in: 0...1) public var epsilon = 1e-6
    @Option("Decoupled, times the rate, on all parameters.", in: 0...1) public var weightDecay = 0.01
    @Option("The gradient's greatest norm; 0 leaves it.", in: 0...1e9, formerly: "clip") public
      var maximumGradientNorm = 1.0
    @Option("Share of tokens that are to be guessed.", in: 0.01...0.9, formerly: "maskProbability") public
      var maskFraction = 0.3
    @Option("Of weights, shuffling, masks and dropout.", in: 0...1 << 31) public var seed = 17
    @Option("mosaicml-streaming's shuffle of the data set.") public var shuffle = ShuffleOrder.Algorithm.py1e
    @Option(
      "Where the tokens lie, instead of an input: s3://bucket/prefix, with keys and region from AWS's variables and "
        + "files, or a folder of a shared file system, as an absolute path. Shards come when they are near.")
    public var remote = ""
    @Option("The URL of the service; by default AWS_ENDPOINT_URL_S3's or Amazon's own.") public var remoteEndpoint = ""
    @Option("Lets a service on this machine or in private networks be asked.", affectsOutput: false)
    public var allowPrivateAddresses = false
    @Option("Another word here looks at remote's index.json again.", formerly: "asOf") public var snapshot = ""
    @Option("What the cache of remote's shards may hold on disk.", affectsOutput: false)
    public var cacheBytes = ByteCount.gibibytes(64)
    @Option("What the model computes in; 'auto': bfloat16 on a GPU, float32 on the CPU.")
    public var precision = Precision.auto
    @Option("'auto': GPUs where the engine was built for them and there is one, else the CPU.")
    public var device = Device.auto
    @Option(
      "Processes that train together on this machine; 0: one per GPU, one on the CPU. Others give the same weights to "
        + "rounding, and an unfinished training goes on.", in: 0...1024)
    public var processes = 0
    @Option(
      "Threads of a process on the CPU; 0: all processors, shared out. The weights are the same whatever their number.",
      in: 0...1024, affectsOutput: false)
    public var threads = 0
    @Option("Less memory, about a third more time.", affectsOutput: false) public var recomputeActivations = false
    @Option("Steps between checkpoints.", in: 1...1 << 40, affectsOutput: false) public var checkpointSteps = 1000
    @Option("The newest ones that are kept.", in: 1...1000, affectsOutput: false) public var keepCheckpoints = 3
    @Option(
      "Checkpoints at multiples of this are written, kept and published beside the last one; 0 for none.",
      in: 0...1 << 40)
    public var keepEverySteps = 0
    @Option("Steps between figures in the progress and the report.", in: 1...1 << 40, affectsOutput: false)
    public var logSteps = 10
    @Option("The step of the checkpoint of 'resume' to go on from; 0 for the last.", in: 0...1 << 40)
    public var resumeStep = 0
    @Option(
      "With 'resume': warm-up and fall begin anew at the checkpoint's step, instead of where the schedule is by then.")
    public var restartSchedule = false
    @Option(
      "Steps to pass over, such as \"301-330\": their batches are left out and the weights stay. A training that "
        + "diverged goes on at its last checkpoint before them.")
    public var skipSteps: [String] = []
    @Option(
      "Other highest rates from a step on, such as \"300: 0.0001\" for the steps after 300. A training goes on at its "
        + "last checkpoint up to that step.")
    public var laterRates: [String] = []
    @Option(
      "Steps whose loss or gradient is no number that are passed over; one more ends the training.", in: 0...1 << 20)
    public var skipNonFinite = 0

    public init() {}
  }
}

extension ModelShape.Kind: OptionChoice {}
extension LearningRateSchedule.Decay: OptionChoice {}
extension ShuffleOrder.Algorithm: OptionChoice {}
