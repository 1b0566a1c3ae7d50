public import PipelineKit
public import ShardKit
public import TrainerCore

/// Fine-tunes a model on JGLUE by its authors' protocol, and compares the scores with the published ones.
///
/// Every combination of JGLUE task, learning rate, epochs and seed is a separate task: they run in parallel and resume
/// independently. The report uses, for each JGLUE task, the rate and epochs with the best mean over the seeds.
public struct EvaluateJGLUE: Stage {
  public struct Options: StageOptions {
    @Option(
      "JGLUE's data sets: folders jsts, jnli, jcommonsenseqa and jsquad with train-*.json and valid-*.json.",
      required: true)
    public var folder = InputFiles()
    @Option("JGLUE tasks to evaluate. Empty: all tasks in the folder.") public var tasks: [JGLUEBenchmark] = []
    @Option("Learning rates to try.") public var learningRates = [5e-5, 3e-5, 2e-5]
    @Option("Numbers of epochs to try.") public var epochs = [3, 4]
    @Option("Seeds for the head's weights, shuffling and dropout: one run per seed.") public var seeds = [1, 2, 3]
    @Option("Fraction of the steps used for learning-rate warmup.", in: 0...1, formerly: "warmup") public
      var warmupFraction = 0.1
    @Option("Weight decay of AdamW.", in: 0...1) public var weightDecay = 0.0
    @Option("Dropout fraction during fine-tuning, whatever it was in pretraining.", in: 0...0.9)
    public var dropout = 0.1
    @Option("Maximum number of examples per file, for a quick test. 0: no limit.", in: 0...1 << 40)
    public var maximumExamples = 0
    @OptionGroup public var baselines: BaselineOptions
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "evaluate.jglue"
  // 4: the last digits of scores differ, since texts go through the model by their tokens.
  public static let revision = 4
  public static let summary = "Fine-tunes a model on JGLUE's tasks and compares its scores with those of others."
  static let runs = Output<Intermediate>("runs", "The configuration of each run.", hidden: true)
  static let scores = Output<Metrics>("scores", "The scores of each run.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "jglue.json: scores by task, with the best setting.")
  static let report = Output<Report>("report", "jglue.md and jglue.svg: the scores next to those of others.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port, BaselineOptions.port.port]
  public static let outputs = [runs.port, scores.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case plan, tune, report }

  // So that another seed or rate does not invalidate the runs already done.
  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .plan: ["tasks", "learningRates", "epochs", "seeds"]
    case .tune:
      [
        "warmupFraction", "weightDecay", "dropout", "maximumExamples", "mecabDictionary", "precision", "device",
        "threads",
      ]
    case .report: BaselineOptions.names
    }
  }

  private static let runRole: TaskInputs.Role = "run"
  /// JGLUE's files of the run's task, for training and evaluation.
  private static let examples: TaskInputs.Role = "examples"
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    for (name, isEmpty) in [
      ("learningRates", options.learningRates.isEmpty), ("epochs", options.epochs.isEmpty),
      ("seeds", options.seeds.isEmpty),
    ] where isEmpty {
      throw StageError(.options, name, "is empty; give at least one")
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
    guard isDistinct else { throw StageError(.options, "seeds", "or another list has a repeated entry") }
  }

  // MARK: Tasks

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .plan:
      let tasks = try JGLUEFiles(try context.files(options.folder)).chosen(options.tasks).map(\.0)
      return [try TaskPlan(key: "runs", payload: tasks.flatMap(runs))]
    case .tune: return try runPlans(context)
    case .report:
      let plan = TaskPlan(key: "report", inputs: [.main: context.files(Self.scores)])
      return [plan.with(inputs: try options.baselines.inputs(context))]
    }
  }

  private func runs(of task: JGLUEBenchmark) -> [JGLUERun] {
    options.learningRates.flatMap { rate in
      options.epochs.flatMap { epochs in
        options.seeds.map { JGLUERun(task: task, learningRate: rate, epochs: epochs, seed: $0) }
      }
    }
  }

  private func runPlans(_ context: PlanningContext) throws -> [TaskPlan] {
    let data = JGLUEFiles(try context.files(options.folder))
    let files = context.files(Self.runs), runs = try files.map { try JGLUERun($0) }
    let tasks = try zip(files, runs).map { file, run -> (key: String, inputs: TaskInputs) in
      (run.key, [Self.runRole: [file], Self.examples: try data.chosen([run.task]).flatMap(\.1)])
    }
    // Weights, gradients and both moments, PyTorch's own memory and the examples; and activations, which differ by task.
    let plans = try options.compute.modelTasks(tasks, context, weightCopies: 4, besides: 2 << 30)
    var activations: [JGLUEBenchmark: Int] = [:]
    for task in Set(runs.map(\.task)) {
      activations[task] = try options.compute.bytes(
        ofTraining: task.batchSize * task.sequencesPerExample, maximumLength: task.maximumLength,
        dropout: options.dropout, context)
    }
    return zip(plans, runs).map { $0.with(moreMemory: activations[$1.task] ?? 0) }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .plan: try plan(workspace)
    case .tune: try tune(workspace)
    case .report: try report(workspace)
    }
  }

  private func plan(_ workspace: Workspace) throws {
    let runs: [JGLUERun] = try workspace.payload()
    for run in runs {
      let json = try JSONValue.encoding(run)
      try workspace.write(Self.runs, name: run.key + JGLUERun.fileSuffix, Array(json.prettyText().utf8))
    }
  }

  private func tune(_ workspace: Workspace) throws {
    let run = try JGLUERun(try workspace.file(Self.runRole))
    let engine = try TrainingEngine.require()
    var job = try FineTuningJob(workspace, options.compute, engine)
    job.task = .benchmark(run.task)
    job.learningRate = run.learningRate
    job.epochs = run.epochs
    job.seed = run.seed
    job.batchSize = run.task.batchSize
    job.maximumLength = run.task.maximumLength
    job.warmupFraction = options.warmupFraction
    job.weightDecay = options.weightDecay
    job.dropout = options.dropout
    job.maximumExamples = options.maximumExamples
    let examples = workspace.files(Self.examples)
    job.train = examples.filter(JGLUEFiles.isTraining).map(\.path)
    job.test = examples.filter(JGLUEFiles.isTest).map(\.path)
    job.result = "\(try workspace.temporaryDirectory())/scores.json"
    try EvaluationWorker(command: "finetune", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(
      workspace)
    let scores = JGLUEScores(run: run, scores: try JSONValue.parse(try FileSystem.read(job.result)).value)
    let json = try JSONValue.encoding(scores)
    try workspace.write(Self.scores, name: "\(workspace.task.key).json", Array(json.prettyText().utf8))
  }

  // MARK: The report

  private func report(_ workspace: Workspace) throws {
    let runs = try workspace.files(.main).map { file in
      let scored = try JGLUEScores(file)
      return (scored.run, scored.byName)
    }
    let results = JGLUEBenchmark.allCases.compactMap { task in JGLUEResult(task, runs.filter { $0.0.task == task }) }
    let table = try JGLUETable(model: options.baselines.model, results: results) { columns, own, known in
      try options.baselines.table(columns, own, known: known, workspace)
    }
    try workspace.write(Self.metrics, name: "jglue.json", Array(table.json.prettyText().utf8))
    try workspace.write(Self.report, name: "jglue.md", Array(table.markdown.utf8))
    try workspace.write(Self.report, name: "jglue.svg", Array(table.picture.markup.utf8))
    for result in results {
      for metric in result.task.metrics {
        workspace.metric("\(result.task.title) \(metric)", result.mean(metric))
      }
    }
  }
}
