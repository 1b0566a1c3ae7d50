public import PipelineKit
public import TrainerCore

extension ModelPretrain {
  public enum Device: String, CaseIterable, OptionChoice { case auto, cpu, cuda }
  public enum OptimizerKind: String, CaseIterable, OptionChoice {
    case adamW = "adamw"
    case muon
  }
  public enum ResumeFrom: String, CaseIterable, OptionChoice { case last, best }
  public enum Precision: String, CaseIterable, OptionChoice { case auto, float32, bfloat16 }

  public struct Options: StageOptions {
    @Option(
      "The architecture; 'rope-bert' converts to transformers' nomic_bert, 'modernbert' to its modernbert. If a checkpoint "
        + "is wired, the architecture and the sizes below come from it.")
    public var model = ModelShape.Kind.mosaicBERT
    @Option("Hidden size; a multiple of heads.", in: 8...1 << 15) public var hiddenSize = 768
    @Option("Number of layers.", in: 1...1024) public var layers = 12
    @Option("Number of attention heads.", in: 1...1024) public var heads = 12
    @Option("Size of the feed-forward layers.", in: 8...1 << 17) public var intermediateSize = 3072
    @Option("Maximum sequence length of the model; for 'bert', the size of its position table.", in: 8...1 << 20)
    public var maximumLength = 512
    @Option(
      "Tokens that a token sees in the local layers of 'modernbert': half of them before it, half behind it.",
      in: 1...1 << 20, addedLater: true)
    public var localAttention = 128
    @Option(
      "Every so many layers of 'modernbert', from the first one on, see the whole input.", in: 1...1024,
      addedLater: true)
    public var globalAttentionEvery = 3
    @Option(
      "The base of the rotary angles, of 'modernbert' in layers that see the whole input; a larger one suits longer "
        + "sequences, also in a later phase. 0: that of the initial model; in a new one 160,000 for 'modernbert' and 1,000 "
        + "for 'rope-bert'.", in: 0...1e12, addedLater: true)
    public var rotaryBase = 0.0
    @Option("Dropout: the fraction of activations dropped in training.", in: 0...0.9) public var dropout = 0.1
    @Option("Tokens per sample, as tokenized.", in: 8...1 << 20) public var sequenceLength = 128
    @Option(
      "Whether documents that are packed into one sample do not see each other: attention stays within a document, and "
        + "positions begin anew.", addedLater: true)
    public var isolateDocuments = false
    @Option("Samples per step, over all devices.", in: 1...1 << 24) public var batchSize = 2048
    @Option(
      "Steps at the beginning over which the samples per step grow from firstBatchSize to batchSize, in multiples of the "
        + "first. 0: all steps have batchSize samples.", in: 0...1 << 20, addedLater: true)
    public var batchRampSteps = 0
    @Option("Samples of the first step, if batchRampSteps is set.", in: 0...1 << 24, addedLater: true)
    public var firstBatchSize = 0
    @Option(
      "Maximum samples that a device processes at once; limited by its memory. Other values give the same weights up "
        + "to rounding (on GPUs, 'bert' drops other values). An unfinished training is resumed.", in: 1...1 << 20)
    public var microbatchSize = 256
    @Option("Optimizer steps.", in: 1...1 << 40) public var steps = 1000
    @Option("The peak learning rate.", in: 0...10) public var learningRate = 3e-4
    @Option("Learning-rate decay after warm-up.") public var schedule = LearningRateSchedule.Decay.cosine
    @Option("Warm-up: steps over which the learning rate rises from 0.", in: 0...1 << 40) public var warmupSteps = 0
    @Option(
      "Number of steps at the end over which the learning rate decays; it is constant before. 0: all steps after "
        + "warm-up.", in: 0...1 << 40, addedLater: true)
    public var decaySteps = 0
    @Option("The last step's learning rate as a fraction of the peak.", in: 0...1, formerly: "finalRate")
    public var finalRateFraction = 0.0
    @Option(
      "'muon': Muon for the matrices of the layers, AdamW for embeddings, norms, biases and the head, both with the same "
        + "learning rate and weight decay.", addedLater: true)
    public var optimizer = OptimizerKind.adamW
    @Option("Muon's momentum.", in: 0...0.9999, addedLater: true) public var muonMomentum = 0.95
    @Option("AdamW's beta1.", in: 0...0.9999) public var beta1 = 0.9
    @Option("AdamW's beta2.", in: 0...0.99999) public var beta2 = 0.98
    @Option("AdamW's epsilon.", in: 0...1) public var epsilon = 1e-6
    @Option("Decoupled weight decay, times the learning rate.", in: 0...1)
    public var weightDecay = 0.01
    @Option("Whether norms and biases decay, too.", addedLater: true)
    public var decayNormsAndBiases = true
    @Option("The gradient norm is clipped to this maximum. 0: no clipping.", in: 0...1e9, formerly: "clip")
    public var maximumGradientNorm = 1.0
    @Option("Fraction of masked tokens.", in: 0.01...0.9, formerly: "maskProbability")
    public var maskFraction = 0.3
    @Option("Seed of initial weights, shuffling, masking and dropout.", in: 0...1 << 31) public var seed = 17
    @Option(
      "Order of the samples of a set: a shuffling algorithm of mosaicml-streaming; 'none': as they were written; 'window': "
        + "as written, but shuffled in windows of shuffleWindow.")
    public var shuffle = ShuffleOrder.Algorithm.py1e
    @Option(
      "Samples in a window of 'window', 'py1e' or 'py1br'. 0: streaming's own number.", in: 0...1 << 32,
      addedLater: true)
    public var shuffleWindow = 0
    @Option(
      "What is read of each named set of tokens: weights (shares of the samples of every step) or epochs by name, or a "
        + "list of such phases, each 'until' a step or a fraction of the steps. {}: in proportion to the sets' samples.",
      addedLater: true)
    public var mixture = MixtureOption()
    @Option(
      "How often a set of tokens may be read at most; the stage fails before training if the plan needs more. 0: any "
        + "number of times.", in: 0...1e9, affectsOutput: false)
    public var maximumEpochs = 0.0
    @Option(
      "Location of the tokens, instead of an input: s3://bucket/prefix, with keys and region from AWS's variables and "
        + "files, or the absolute path of a folder in a shared file system. Shards are fetched shortly before use.")
    public var remote = ""
    @Option("URL of the S3 service. Default: AWS_ENDPOINT_URL_S3, otherwise Amazon S3.") public var remoteEndpoint = ""
    @Option("Allows requests to this machine and to private networks.", affectsOutput: false)
    public var allowPrivateAddresses = false
    @Option("Any new value fetches the index.json of remote again.", formerly: "asOf") public var snapshot = ""
    @Option("Maximum size of the disk cache for remote shards.", affectsOutput: false)
    public var cacheBytes = ByteCount.gibibytes(64)
    @Option("Number format of the computation. 'auto': bfloat16 on a GPU, float32 on the CPU.")
    public var precision = Precision.auto
    @Option(
      "Where the model is trained. 'auto': GPUs if the engine was built with CUDA and finds one, otherwise the CPU.")
    public var device = Device.auto
    @Option(
      "Training processes on each machine. 0: one per GPU, one on the CPU. Other numbers give the same weights up to "
        + "rounding. An unfinished training is resumed.", in: 0...1024)
    public var processes = 0
    @Option(
      "Machines that train together, each with its 'processes'; a scheduler or a launcher starts them. 1: one, or as "
        + "many as a launcher's variables state.", in: 1...1 << 16, affectsOutput: false)
    public var nodes = 1
    @Option(
      "MiB of gradients that are summed over the processes at once, while others are still computed. 0: all at once, "
        + "after the backward pass.", in: 0...1 << 16, affectsOutput: false)
    public var bucketMiB = 100
    @Option(
      "CPU threads per process. 0: all processors, divided among the processes. Does not affect the weights.",
      in: 0...1024, affectsOutput: false)
    public var threads = 0
    @Option("Recomputes activations in the backward pass: less memory, about a third more time.", affectsOutput: false)
    public var recomputeActivations = false
    @Option("Steps between checkpoints.", in: 1...1 << 40, affectsOutput: false) public var checkpointSteps = 1000
    @Option("Number of the newest checkpoints that are kept.", in: 1...1000, affectsOutput: false)
    public var keepCheckpoints = 3
    @Option(
      "Checkpoints at multiples of this step are written, kept and published along with the last one. 0: none.",
      in: 0...1 << 40)
    public var keepEverySteps = 0
    @Option("Steps between data points in the progress and the report.", in: 1...1 << 40, affectsOutput: false)
    public var logSteps = 10
    @Option(
      "Publishes kept checkpoints with the optimizer's state, which 'resume' needs and which is two thirds of their "
        + "size.", addedLater: true)
    public var keepOptimizer = true
    @Option(
      "Steps between measurements of the loss on the 'validation' tokens; the last step is measured too. The best "
        + "checkpoint is among these steps.", in: 1...1 << 40, addedLater: true)
    public var validationSteps = 1000
    @Option(
      "Number of samples of each validation set that are read: its first ones. 0: all.", in: 0...1 << 40,
      addedLater: true)
    public var validationSamples = 0
    @Option("Fraction of masked tokens in validation.", in: 0.01...0.9, addedLater: true)
    public var validationMaskFraction = 0.15
    @Option(
      "The validation set whose loss decides which checkpoint is the best. Empty: the mean of all sets' losses.",
      addedLater: true)
    public var bestBy = ""
    @Option(
      "The step of the checkpoint in 'resume' to continue from. 0: the one that resumeFrom names.", in: 0...1 << 40)
    public var resumeStep = 0
    @Option("The checkpoint in 'resume' to continue from, if resumeStep names none.", addedLater: true)
    public var resumeFrom = ResumeFrom.last
    @Option(
      "With 'resume': restarts warm-up and decay at the checkpoint's step instead of continuing the schedule.")
    public var restartSchedule = false
    @Option(
      "Steps to skip, such as \"301-330\": their batches are left out and the weights do not change. A training that "
        + "diverged resumes from its last checkpoint before them.")
    public var skipSteps: [String] = []
    @Option(
      "Other peak learning rates after a step, such as \"300: 0.0001\" for the steps after 300. A training resumes "
        + "from its last checkpoint up to that step.")
    public var laterRates: [String] = []
    @Option(
      "Maximum number of skipped steps with a non-finite loss or gradient; one more stops the training.",
      in: 0...1 << 20)
    public var skipNonFinite = 0

    public init() {}
  }
}

extension ModelShape.Kind: OptionChoice {}
extension LearningRateSchedule.Decay: OptionChoice {}
extension ShuffleOrder.Algorithm: OptionChoice {}
