import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// Fine-tunes a model on JGLUE as its authors did, and puts the scores beside theirs.
///
/// Every combination of task, learning rate, epochs and seed is a task of its own: they run beside one another and
/// resume apart. The report takes, for each task, the rate and the epochs with the best mean over the seeds.
public struct EvaluateJGLUE: Stage {
  public struct Options: StageOptions {
    @Option(
      "JGLUE's data sets: folders jsts, jnli, jcommonsenseqa and jsquad with train-*.json and valid-*.json.",
      required: true)
    public var folder = InputFiles()
    @Option("What to evaluate; none for all tasks that the folder has.") public var tasks: [JGLUETask] = []
    @Option("Rates to try.") public var learningRates = [5e-5, 3e-5, 2e-5]
    @Option("Numbers of passes over the training set to try.") public var epochs = [3, 4]
    @Option("Of the head's weights, shuffling and dropout: one run each.") public var seeds = [1, 2, 3]
    @Option("Share of the steps over which the rate rises.", in: 0...1) public var warmup = 0.1
    @Option("Of AdamW.", in: 0...1) public var weightDecay = 0.0
    @Option("Share of activations dropped while fine-tuning, whatever it was before.", in: 0...0.9)
    public var dropout = 0.1
    @Option("Examples taken of each file at most, for a quick look; 0 for all.", in: 0...1 << 40)
    public var maximumExamples = 0
    @Option("The model's name in the table and the picture.") public var model = "This model"
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "evaluate.jglue"
  public static let revision = 2
  public static let summary = "Fine-tunes a model on JGLUE's tasks and puts its scores beside the published ones."
  static let runs = Output<Counts>("runs", "What each run is to do.", hidden: true)
  static let scores = Output<Metrics>("scores", "The scores of each run.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "jglue.json: scores by task, with the setting that was best.")
  static let report = Output<Report>("report", "jglue.md and jglue.svg: the scores beside the published ones.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [runs.port, scores.port, metrics.port, report.port]
  public static let phases = ["plan", "tune", "report"]

  // So that another seed or rate leaves the runs that are done as they are.
  public static func options(of phase: String) -> Set<String>? {
    switch phase {
    case "plan": ["tasks", "learningRates", "epochs", "seeds"]
    case "tune":
      ["warmup", "weightDecay", "dropout", "maximumExamples", "mecabDictionary", "precision", "device", "threads"]
    default: ["model"]
    }
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  /// Bytes depend on what 'auto' comes to on this machine.
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    for (name, isEmpty) in [
      ("learningRates", options.learningRates.isEmpty), ("epochs", options.epochs.isEmpty),
      ("seeds", options.seeds.isEmpty),
    ] where isEmpty {
      throw StageError(.options, name, "is empty; give one at least")
    }
    for rate in options.learningRates where !(rate > 0 && rate < 1) {
      throw StageError(.options, "learningRates", "\(rate) is not between 0 and 1")
    }
    for count in options.epochs where !(1...1000).contains(count) {
      throw StageError(.options, "epochs", "\(count) is not between 1 and 1000")
    }
    for seed in options.seeds where !(0...1 << 31).contains(seed) {
      throw StageError(.options, "seeds", "\(seed) is not between 0 and \(1 << 31)")
    }
    let isDistinct =
      Set(options.learningRates).count == options.learningRates.count
      && Set(options.epochs).count == options.epochs.count && Set(options.seeds).count == options.seeds.count
      && Set(options.tasks).count == options.tasks.count
    guard isDistinct else { throw StageError(.options, "seeds", "or another list names something twice") }
  }

  // MARK: Tasks

  public func tasks(phase: String, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case "plan":
      let tasks = try JGLUEFiles(try context.files(options.folder)).chosen(options.tasks).map(\.0)
      return [TaskPlan(key: "runs", note: JSONValue.list(tasks.flatMap(runs).map(\.json)).text())]
    case "tune": return try runPlans(context)
    default: return [TaskPlan(key: "report", files: context.files(Self.scores))]
    }
  }

  private func runs(of task: JGLUETask) -> [JGLUERun] {
    options.learningRates.flatMap { rate in
      options.epochs.flatMap { epochs in
        options.seeds.map { JGLUERun(task: task, learningRate: rate, epochs: epochs, seed: $0) }
      }
    }
  }

  private func runPlans(_ context: PlanningContext) throws -> [TaskPlan] {
    let model = try TokenizerInput.files(context) + CheckpointInput.files(context)
    let weights = model.first { $0.name == ModelShape.weightsName }?.bytes ?? 0
    let data = JGLUEFiles(try context.files(options.folder))
    let words = try TokenizerInput.wordsIdentity(model, dictionary: options.compute.mecabDictionary)
    return try context.files(Self.runs).map { file in
      let run = try JGLUERun(file)
      // Weights, gradients and both moments, what torch itself takes, and activations.
      return TaskPlan(
        key: run.key, files: model + [file] + (try data.chosen([run.task])[0].1), note: words,
        memoryBytes: Int(weights) * 4 + 1 << 30)
    }
  }

  public func run(_ workspace: Workspace) throws {
    switch workspace.phase {
    case "plan":
      for json in try JSONValue.parse(workspace.task.note).value.array ?? [] {
        let name = JGLUERun(json)!.key + JGLUERun.fileSuffix
        try workspace.write(Self.runs, name: name, Array(json.prettyText().utf8))
      }
    case "tune": try tune(workspace)
    default: try report(workspace)
    }
  }

  private func tune(_ workspace: Workspace) throws {
    let run = try JGLUERun(workspace.task.files.first { $0.name.hasSuffix(JGLUERun.fileSuffix) }!)
    let engine = try TrainingEngine.require()
    let (device, precision) = options.compute.resolved(engine)
    var job = FineTuningJob()
    job.task = run.task
    job.learningRate = run.learningRate
    job.epochs = run.epochs
    job.seed = run.seed
    job.batchSize = run.task.batchSize
    job.maximumLength = run.task.maximumLength
    job.warmup = options.warmup
    job.weightDecay = options.weightDecay
    job.dropout = options.dropout
    job.maximumExamples = options.maximumExamples
    job.dictionary = options.compute.mecabDictionary
    (job.device, job.precision, job.threads) = (device, precision, options.compute.threads)
    job.use(workspace.task.files)
    job.result = "\(try workspace.temporaryDirectory())/scores.json"
    try EvaluationWorker(command: "finetune", job: job.json, engine: engine, usesGPU: device == "cuda").run(workspace)
    let scores = try JSONValue.parse(try FileSystem.read(job.result)).value
    let json: JSONValue = ["run": run.json, "scores": scores]
    try workspace.write(Self.scores, name: "\(workspace.task.key).json", Array(json.prettyText().utf8))
  }

  // MARK: The report

  private func report(_ workspace: Workspace) throws {
    let runs = try workspace.task.files.map { file -> (JGLUERun, [String: Double]) in
      let json = try JSONValue.parse(try FileSystem.read(file.path)).value
      guard let run = json["run"].flatMap(JGLUERun.init) else { throw StageError(.input, file.name, "is no run") }
      return (run, Dictionary(uniqueKeysWithValues: json["scores"]!.members!.map { ($0.key, $0.value.double ?? .nan) }))
    }
    let results = JGLUETask.allCases.compactMap { task in JGLUEResult(task, runs.filter { $0.0.task == task }) }
    let table = JGLUETable(model: options.model, results: results)
    try workspace.write(Self.metrics, name: "jglue.json", Array(table.json.prettyText().utf8))
    try workspace.write(Self.report, name: "jglue.md", Array(table.markdown.utf8))
    try workspace.write(Self.report, name: "jglue.svg", Array(JGLUEPicture(table).markup.utf8))
    for result in results {
      for metric in result.task.metrics {
        workspace.metric("\(result.task.title) \(metric)", result.mean(metric))
      }
    }
  }
}

extension FineTuningJob {
  /// Takes its places from a task's files.
  mutating func use(_ files: [ArtifactFile]) {
    for file in files {
      if file.name == ModelShape.fileName {
        checkpoint = String(file.path.dropLast(file.name.count + 1))
      } else if file.name == HuggingFaceTokenizerFiles.tokenizerName {
        tokenizer = file.path
      } else if JGLUEFiles.isTraining(file) {
        train.append(file.path)
      } else if JGLUEFiles.isTest(file) {
        test.append(file.path)
      }
    }
  }
}
