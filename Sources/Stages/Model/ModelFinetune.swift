public import PipelineKit
public import ShardKit
import TextKit
public import TrainerCore

/// Fine-tunes a model on one JGLUE task, with JGLUE's files or your own in the same format, and keeps the model.
///
/// `evaluate.jglue` tries many settings and keeps the scores. This stage uses one setting and keeps the weights.
/// Another `model.finetune` can start from them: with their head on the same task, or with a new head on another task.
public struct ModelFinetune: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "The kind of task: 'jsts' a score for two sentences, 'jnli' one of three labels, 'jcommonsenseqa' one of five "
        + "choices, 'jsquad' a span of a paragraph.")
    public var task = JGLUEBenchmark.jsts
    @Option("Training files, in the task's format.", required: true) public var train = InputFiles()
    @Option("Test files for the scores.", required: true) public var test = InputFiles()
    @OptionGroup public var tuning: TuningOptions
    @Option("Maximum examples per set. 0: all.", in: 0...1 << 40) public var maximumExamples = 0
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "model.finetune"
  public static let formerNames = ["finetune"]
  // 3: the last digits of scores differ, since texts go through the model by their tokens.
  public static let revision = 3
  public static let summary =
    "Fine-tunes a model on one task: similarity, entailment, multiple choice or answers in a text."
  static let tuned = Output<Checkpoint>(
    "checkpoint", "The encoder and its head: model.json, weights.safetensors, task.json.")
  static let metrics = Output<Metrics>("metrics", "finetune.json: the scores on the test set and the settings.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [tuned.port, metrics.port]

  private static let trainingSet: TaskInputs.Role = "train"
  private static let testSet: TaskInputs.Role = "test"
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' means on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let sets: TaskInputs = [
      Self.trainingSet: try context.files(options.train), Self.testSet: try context.files(options.test),
    ]
    let training = try options.compute.bytes(
      ofTraining: options.tuning, sequencesPerExample: options.task.sequencesPerExample, context)
    let bytes = (sets[Self.trainingSet] + sets[Self.testSet]).reduce(0) { $0 + Int($1.contentBytes) }
    return try options.compute.modelTasks(
      [("finetune", sets)], context, weightCopies: 4, besides: 1 << 30 + training + 8 * bytes)
  }

  public func run(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let folder = try workspace.temporaryDirectory()
    let job = try job(workspace, engine, folder)
    try EvaluationWorker(command: "finetune", job: job.json, engine: engine, usesGPU: job.device == "cuda")
      .run(workspace)
    try job.publishModel(workspace, to: Self.tuned)
    let setting: JSONValue = [
      "task": .string(job.task.name), "learningRate": .number(job.learningRate), "epochs": .integer(job.epochs),
      "batchSize": .integer(job.batchSize), "maximumLength": .integer(job.maximumLength),
      "dropout": .number(job.dropout), "seed": .integer(job.seed),
      "precision": .string(job.precision.rawValue),
    ]
    try workspace.write(Self.tuned, name: TunedTask.fileName, Array(setting.prettyText().utf8))
    let scores = try JSONValue.parse(try FileSystem.read(job.result)).value.members ?? []
    let json = JSONValue.object(scores + (setting.members ?? []))
    try workspace.write(Self.metrics, name: "finetune.json", Array(json.prettyText().utf8))
    for score in scores { workspace.metric(score.key, score.value.double ?? .nan) }
  }

  private func job(_ workspace: Workspace, _ engine: TrainingEngine, _ folder: String) throws -> FineTuningJob {
    var job = try FineTuningJob(workspace, options.compute, engine)
    job.set(options.tuning)
    job.task = .benchmark(options.task)
    job.train = workspace.files(Self.trainingSet).map(\.path)
    job.test = workspace.files(Self.testSet).map(\.path)
    job.maximumExamples = options.maximumExamples
    job.result = "\(folder)/scores.json"
    job.output = "\(folder)/model"
    return job
  }
}

extension FineTuningJob {
  /// With the task's model and tokenizer, on the device that the options choose.
  init(_ workspace: Workspace, _ compute: ComputeOptions, _ engine: TrainingEngine) throws {
    self.init()
    checkpoint = try CheckpointInput.folder(workspace)
    tokenizer = try TokenizerInput.path(workspace)
    (device, precision) = compute.resolved(engine)
    threads = compute.threads
    dictionary = compute.mecabDictionary
  }
}
