public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Loss, perplexity and accuracy of a model on masked tokens of held-out text.
public struct EvaluateMLM: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Tokens per sample, as tokenized.", in: 8...1 << 20) public var sequenceLength = 128
    // Microbatches, devices and thread counts each change the order of summation, and so the last digits.
    @Option("Samples per batch. Another number may change the last digits.", in: 1...1 << 20)
    public var microbatchSize = 64
    @Option("Fraction of tokens to mask.", in: 0.01...0.9, formerly: "maskProbability") public var maskFraction = 0.15
    @Option("Whether documents that are packed into one sample do not see each other.", addedLater: true)
    public var isolateDocuments = false
    @Option("Seed of the masks.", in: 0...1 << 31) public var seed = 17
    @Option("Maximum number of samples. 0: no limit.", in: 0...1 << 40) public var maximumSamples = 0
    @Option("The stage fails above this perplexity. 0: no limit.", in: 0...1e9) public var maximumPerplexity = 0.0
    @Option("auto: a GPU if the engine finds one.") public var device = ModelPretrain.Device.auto
    @Option("auto: bfloat16 on a GPU, float32 on the CPU.") public var precision = ModelPretrain.Precision.auto
    @Option("CPU threads, whatever the number of cores. Another number may change the last digits.", in: 1...1024)
    public var threads = 4

    public init() {}
  }

  public static let name = "evaluate.mlm"
  // 3: losses on a GPU differ in their last digits, since padding costs attention nothing. 4: tokens with
  // a role or of the post-processor are no longer masked.
  public static let revision = 4
  public static let summary =
    "Measures a model's perplexity and accuracy on masked tokens, compared with a unigram model."
  static let tokens = Input<MDS>("tokens", "Token ids that the model was not trained on, from tokenizer.encode.")
  static let model = Input<Checkpoint>("checkpoint", "The model, from model.pretrain.")
  static let metrics = Output<Metrics>("metrics", "mlm.json.")
  public static let inputs = [tokens.port, TokenizerInput.port.port, model.port]
  public static let outputs = [metrics.port]

  private static let tokensRole: TaskInputs.Role = "tokens"
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.device, options.precision) }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let inputs: TaskInputs = [
      TokenizerInput.role: try TokenizerInput.files(context), Self.tokensRole: context.files(Self.tokens),
      CheckpointInput.role: context.files(Self.model),
    ]
    let task = TaskPlan(key: "mlm", inputs: inputs, memoryBytes: try memoryBytes(context))
    return [task.using(cores: options.threads, gpus: options.device.isGPU ? 1 : 0)]
  }

  /// Of libtorch, the weights, decompressed shards, and on the CPU a microbatch.
  private func memoryBytes(_ context: PlanningContext) throws -> Int {
    let files = context.files(Self.model)
    guard let model = files.first(where: { $0.name == ModelShape.fileName }) else {
      throw Self.missing(ModelShape.fileName)
    }
    let fixed = 1 << 30 + 2 * CheckpointInput.weightsBytes(files) + MaskedEvaluation.memoryBytes
    guard !options.device.isGPU else { return fixed + 1 << 30 }
    var memory = HostMemory(
      try ModelShape(path: model.path), sequences: options.microbatchSize, length: options.sequenceLength,
      predicted: options.maskFraction)
    memory.isolatesDocuments = options.isolateDocuments
    return fixed + memory.encoding
  }

  private static func missing(_ name: String) -> StageError {
    StageError(
      .input, name, "is not among the inputs", hint: "Wire 'tokenizer.encode' and 'model.pretrain' to this stage.")
  }

  public func run(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let job = try job(workspace, engine)
    let worker = EvaluationWorker(
      command: "evaluate", job: job.json, engine: engine, usesGPU: job.device == "cuda",
      arguments: ["--limit", "\(options.maximumSamples)"])
    guard let result = try worker.run(workspace), result["loss"] != nil else {
      throw StageError(.check, "evaluate", "its process ended without results", hint: "Run again.")
    }
    try publish(result, workspace)
  }

  private func job(_ workspace: Workspace, _ engine: TrainingEngine) throws -> TrainingJob {
    let tokenizer = try TokenizerInput.load(workspace)
    var job = TrainingJob()
    func folder(_ role: TaskInputs.Role, _ name: String) throws -> String {
      guard let file = workspace.files(role).first(where: { $0.name == name }) else { throw Self.missing(name) }
      return String(file.path.dropLast(name.utf8.count + 1))
    }
    job.data = try folder(Self.tokensRole, "index.json")
    let checkpoint = try folder(CheckpointInput.role, ModelShape.weightsName)
    job.initial = checkpoint
    job.shape = try ModelShape(path: "\(checkpoint)/\(ModelShape.fileName)")
    let usesGPU = engine.usesGPU(options.device)
    job.device = usesGPU ? "cuda" : "cpu"
    job.precision = options.precision.resolved(isGPU: usesGPU)
    job.threads = options.threads
    job.sequenceLength = options.sequenceLength
    job.microbatchSize = options.microbatchSize
    job.maskFraction = options.maskFraction
    job.isolatesDocuments = options.isolateDocuments
    job.seed = options.seed
    try job.take(tokenizer)
    return job
  }

  private func publish(_ result: JSONValue, _ workspace: Workspace) throws {
    for name in ["loss", "perplexity", "accuracy", "unigramPerplexity"] {
      if let value = result[name]?.double { workspace.metric(name, value) }
    }
    try workspace.write(Self.metrics, name: "mlm.json", Array(result.prettyText().utf8))
    guard options.maximumPerplexity > 0, let perplexity = result["perplexity"]?.double,
      perplexity > options.maximumPerplexity
    else { return }
    throw StageError(
      .check, "maximumPerplexity", "the perplexity \(perplexity) is above \(options.maximumPerplexity)",
      hint: "Train longer or on more text, or raise the limit.")
  }
}
