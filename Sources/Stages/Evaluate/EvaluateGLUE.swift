public import PipelineKit
public import ShardKit
import TextKit
public import TrainerCore

extension GLUETask: OptionChoice {}

/// Fine-tunes a model on GLUE by MosaicBERT's protocol, and compares the scores with the published ones.
///
/// Every task and seed is a run of its own: runs go in parallel and resume independently. MNLI, QQP, QNLI, SST-2 and CoLA
/// begin with the given model; then RTE, MRPC and STS-B with MNLI's.
public struct EvaluateGLUE: Stage {
  public struct Options: StageOptions {
    @Option(
      "GLUE's data: folders CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI and RTE with train.tsv and dev.tsv as released, or "
        + "the Hub's Parquet files.", required: true)
    public var folder = InputFiles()
    @Option("GLUE tasks to evaluate. Empty: all tasks in the folder.") public var tasks: [GLUETask] = []
    @Option("Seeds for the head's weights, shuffling and dropout: one run per seed.") public var seeds = [
      1, 2, 3, 4, 5,
    ]
    @Option("The large tasks (MNLI, QQP, QNLI, SST-2) take so many of the seeds.", in: 1...1000)
    public var seedsOfLargeTasks = 1
    @Option("Whether RTE, MRPC and STS-B begin with the model that was fine-tuned on MNLI, if it is among the tasks.")
    public var startFromMNLI = true
    @Option("Number of passes over the training examples. 0: each task's own.", in: 0...1000) public var epochs = 0
    @Option("Maximum tokens per input.", in: 16...1 << 16) public var maximumLength = 256
    @Option("Fraction of the steps used for learning-rate warmup.", in: 0...1) public var warmupFraction = 0.06
    @Option("Dropout fraction during fine-tuning, whatever it was in pretraining.", in: 0...0.9)
    public var dropout = 0.1
    @Option("Maximum number of examples per set, for a quick test. 0: no limit.", in: 0...1 << 40)
    public var maximumExamples = 0
    @OptionGroup public var baselines: BaselineOptions
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "evaluate.glue"
  // 3: the last digits of scores differ, since texts go through the model by their tokens.
  public static let revision = 3
  public static let summary = "Fine-tunes a model on GLUE's tasks and compares its scores with those of others."
  static let runs = Output<Intermediate>("runs", "The configuration of each run.", hidden: true)
  static let scores = Output<Metrics>("scores", "The scores of each run.", hidden: true)
  static let models = Output<Checkpoint>("models", "The models that were fine-tuned on MNLI.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "glue.json: scores by task.")
  static let report = Output<Report>("report", "glue.md and glue.svg: the scores next to those of others.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port, BaselineOptions.port.port]
  public static let outputs = [runs.port, scores.port, models.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case plan, tune, follow, report }

  // So that another seed does not invalidate the runs already done.
  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .plan: ["tasks", "seeds", "seedsOfLargeTasks", "startFromMNLI"]
    case .tune, .follow:
      [
        "epochs", "maximumLength", "warmupFraction", "dropout", "maximumExamples", "mecabDictionary", "precision",
        "device", "threads",
      ]
    case .report: BaselineOptions.names
    }
  }

  private static let runRole: TaskInputs.Role = "run"
  private static let examplesRole: TaskInputs.Role = "examples"
  private static let modelRole: TaskInputs.Role = "mnli"
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    guard !options.seeds.isEmpty else { throw StageError(.options, "seeds", "is empty; give at least one") }
    for seed in options.seeds where !(0...1 << 31).contains(seed) {
      throw StageError(.options, "seeds", "\(seed) is not between 0 and \(1 << 31)")
    }
    guard Set(options.seeds).count == options.seeds.count, Set(options.tasks).count == options.tasks.count else {
      throw StageError(.options, "seeds", "or 'tasks' has a repeated entry")
    }
  }

  // MARK: Tasks

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .plan:
      let tasks = try GLUEFiles(try context.files(options.folder)).chosen(options.tasks).map(\.0)
      return [try TaskPlan(key: "runs", payload: runs(of: tasks))]
    case .tune: return try runPlans(context) { $0.follows == nil }
    case .follow: return try runPlans(context) { $0.follows != nil }
    case .report:
      let plan = TaskPlan(key: "report", inputs: [.main: context.files(Self.scores)])
      return [plan.with(inputs: try options.baselines.inputs(context))]
    }
  }

  private func runs(of tasks: [GLUETask]) -> [GLUERun] {
    let largeSeeds = options.seeds.prefix(options.seedsOfLargeTasks)
    return tasks.flatMap { task -> [GLUERun] in
      (task.isLarge ? largeSeeds : options.seeds[...]).map { seed in
        let follows = options.startFromMNLI && task.followsMNLI && tasks.contains(.mnli)
        // With fewer models than seeds, the others begin with the first.
        return GLUERun(
          task: task, seed: seed, follows: follows ? (largeSeeds.contains(seed) ? seed : largeSeeds.first) : nil)
      }
    }
  }

  private func runPlans(_ context: PlanningContext, _ isWanted: (GLUERun) -> Bool) throws -> [TaskPlan] {
    let data = GLUEFiles(try context.files(options.folder)), models = context.files(Self.models)
    let wanted = try context.files(Self.runs).map { (file: $0, run: try GLUERun($0)) }.filter { isWanted($0.run) }
    let tasks = try wanted.map { file, run -> (key: String, inputs: TaskInputs) in
      let own = run.follows.map { seed in models.filter { $0.name.hasPrefix(Self.folder(seed) + "/") } } ?? []
      return (
        run.key,
        [Self.runRole: [file], Self.examplesRole: try data.chosen([run.task]).flatMap(\.1), Self.modelRole: own]
      )
    }
    // Weights, gradients and both moments, PyTorch's own memory and the examples; and activations, which differ by task.
    let plans = try options.compute.modelTasks(tasks, context, weightCopies: 4, besides: 2 << 30)
    return try zip(plans, wanted).map { plan, wanted in
      plan.with(
        moreMemory: try options.compute.bytes(
          ofTraining: wanted.run.task.batchSize, maximumLength: options.maximumLength, dropout: options.dropout,
          context))
    }
  }

  private static func folder(_ seed: Int) -> String { "mnli-\(seed)" }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .plan:
      let runs: [GLUERun] = try workspace.payload()
      for run in runs {
        let json = try JSONValue.encoding(run)
        try workspace.write(Self.runs, name: run.key + GLUERun.fileSuffix, Array(json.prettyText().utf8))
      }
    case .tune, .follow: try tune(workspace)
    case .report: try report(workspace)
    }
  }

  // MARK: A run

  private func tune(_ workspace: Workspace) throws {
    let run = try GLUERun(try workspace.file(Self.runRole))
    let engine = try TrainingEngine.require()
    let folder = try workspace.temporaryDirectory()
    let examples = try GLUEExamples(
      run.task, workspace.files(Self.examplesRole), folder: folder, maximum: options.maximumExamples)
    workspace.warn(
      "rows-left-out", times: examples.leftOut, "rows of \(run.task.title) that lack columns or have another label")
    let job = try job(workspace, run, examples, engine, folder)
    try EvaluationWorker(command: "finetune", job: job.json, engine: engine, usesGPU: job.device == "cuda")
      .run(workspace)
    let scores = GLUEScores(run: run, sets: try Self.scores(run.task, examples, job))
    try workspace.write(
      Self.scores, name: "\(workspace.task.key).json", Array(JSONValue.encoding(scores).prettyText().utf8))
    guard run.task == .mnli else { return }
    try job.publishModel(workspace, to: Self.models, folder: Self.folder(run.seed) + "/")
    let task = JSONValue.object(job.task.members)
    try workspace.write(
      Self.models, name: "\(Self.folder(run.seed))/\(TunedTask.fileName)", Array(task.prettyText().utf8))
  }

  private func job(
    _ workspace: Workspace, _ run: GLUERun, _ examples: GLUEExamples, _ engine: TrainingEngine, _ folder: String
  ) throws -> FineTuningJob {
    var job = try FineTuningJob(workspace, options.compute, engine)
    if let model = workspace.files(Self.modelRole).first(where: { $0.name.hasSuffix("/" + ModelShape.fileName) }) {
      job.checkpoint = String(model.path.dropLast(ModelShape.fileName.count + 1))
    }
    job.task = .texts(run.task.task)
    job.train = [examples.training]
    job.test = examples.development.map(\.path)
    job.learningRate = run.task.learningRate
    job.weightDecay = run.task.weightDecay
    job.epochs = options.epochs > 0 ? options.epochs : run.task.epochs
    job.batchSize = run.task.batchSize
    job.seed = run.seed
    job.maximumLength = options.maximumLength
    job.warmupFraction = options.warmupFraction
    job.dropout = options.dropout
    (job.beta2, job.epsilon, job.maximumGradientNorm) = (0.98, 1e-6, 0)
    job.result = "\(folder)/scores.json"
    job.outputs = "\(folder)/outputs.jsonl"
    if run.task == .mnli { job.output = "\(folder)/model" }
    return job
  }

  /// The figures of each development set.
  private static func scores(
    _ task: GLUETask, _ examples: GLUEExamples, _ job: FineTuningJob
  ) throws -> [GLUEScores.Measured] {
    var outputs: [[Double]] = []
    let lines = LineReader(try openSource(job.outputs))
    while let line = try lines.next() {
      outputs.append((try JSONValue.parse(Array(line)).value.array ?? []).compactMap(\.double))
    }
    guard outputs.count == examples.targets.count else {
      throw StageError(
        .check, "\(outputs.count) of \(examples.targets.count) examples of \(task.title) were scored")
    }
    var sets: [GLUEScores.Measured] = []
    var start = 0
    for set in examples.development {
      let rows = start..<(start + set.count)
      let scores = TextScores(task.task, targets: Array(examples.targets[rows]), outputs: Array(outputs[rows]))
      sets.append(GLUEScores.Measured(set.name, scores.figures))
      start = rows.upperBound
    }
    return sets
  }

  // MARK: The report

  private func report(_ workspace: Workspace) throws {
    let scores = try workspace.files(.main).map { try GLUEScores($0) }
    let table = try GLUETable(model: options.baselines.model, scores) { columns, own, known in
      try options.baselines.table(columns, own, known: known, workspace)
    }
    try workspace.write(Self.metrics, name: "glue.json", Array(table.json.prettyText().utf8))
    try workspace.write(Self.report, name: "glue.md", Array(table.markdown.utf8))
    try workspace.write(Self.report, name: "glue.svg", Array(table.picture.markup.utf8))
    for (name, value) in table.figures { workspace.metric(name, value) }
  }
}
