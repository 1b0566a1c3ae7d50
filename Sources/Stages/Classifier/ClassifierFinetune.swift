public import PipelineKit
public import ShardKit
import TextKit
public import TrainerCore

/// Fine-tunes an encoder to label texts or pairs of texts, or to give them numbers, and measures it on texts that it has
/// not seen.
///
/// Three phases: *read* takes the labeled texts out of the documents, *fit* trains one model per fold, which scores the
/// texts of its fold, and one on all texts, which is kept; *judge* measures.
public struct ClassifierFinetune: Stage {
  public struct Options: StageOptions {
    @Option(
      "What is said of a text: 'single-label' one of several labels, 'multi-label' any number of them (a list in the "
        + "metadata), 'regression' a number.")
    public var task = TextTask.Kind.singleLabel
    @OptionGroup public var known: LabelOptions
    @Option(
      "The labels, in the order of the model's outputs; documents with another one are dropped (with 'multi-label', "
        + "others do not count). []: those that occur, in byte order.")
    public var labels: [String] = []
    @Option(
      "The number of parts, each of which a model trained on the others scores. 0: nothing is measured.", in: 0...50)
    public var folds = 5
    @OptionGroup public var tuning = TuningOptions(batchSize: 16, maximumLength: 512, weightDecay: 0.01)
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "classifier.finetune"
  // 3: the last digits of scores differ, since texts go through the model by their tokens.
  public static let revision = 3
  public static let summary =
    "Fine-tunes an encoder to label texts or pairs, or to give them numbers, and measures it in folds."
  static let documents = Input<Documents>("documents", "Documents with a label in their metadata.")
  static let texts = Output<Intermediate>("texts", "Labeled texts.", hidden: true)
  static let scores = Output<Intermediate>("scores", "The head's outputs for the texts of a fold.", hidden: true)
  static let checkpoint = Output<Checkpoint>(
    "checkpoint", "The encoder and its head: model.json, weights.safetensors, task.json; for score.encoder.")
  static let metrics = Output<Metrics>(
    "metrics", "classifier.json: accuracy, F1 and others by the task, over the folds.")
  static let report = Output<Report>("report", "classifier.md and classifier.svg: the figures, and a picture of them.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [texts.port, scores.port, checkpoint.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case read, fit, judge }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .read: ["task", "labelField", "pairField", "labels"]
    case .fit: nil
    case .judge: ["task", "labels", "folds", "seed"]
    }
  }

  private static let textsRole: TaskInputs.Role = "texts"
  private static let whole = "whole"
  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    let isEnough = options.labels.count != 1 || options.task == .multiLabel
    guard Set(options.labels.map { ExactText($0) }).count == options.labels.count, isEnough else {
      throw StageError(.options, "labels", "should be two or more different labels, or []")
    }
    guard options.labels.isEmpty || options.task != .regression else {
      throw StageError(.options, "labels", "are named, but 'regression' has none", hint: "Remove one of the two.")
    }
    guard options.folds != 1 else {
      throw StageError(.options, "folds", "is 1: no texts would be left to train on", hint: "Set 2 or more, or 0.")
    }
  }

  private func key(ofFold fold: Int) -> String { "fold-\(padded(fold + 1, 2))" }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .read: return TaskPlan.perFile(context.files(Self.documents))
    case .fit:
      let texts = context.files(Self.texts)
      let keys = (0..<options.folds).map(key) + [Self.whole]
      let bytes = texts.reduce(0) { $0 + Int($1.bytes) }
      let training = try options.compute.bytes(ofTraining: options.tuning, context)
      return try options.compute.modelTasks(
        keys.map { ($0, [Self.textsRole: texts]) }, context, weightCopies: 4,
        besides: 1 << 30 + training + 8 * bytes)
    case .judge:
      guard options.folds > 0 else { return [] }
      return [
        TaskPlan(
          key: "classifier", inputs: [Self.textsRole: context.files(Self.texts), .main: context.files(Self.scores)])
      ]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .read: try read(workspace)
    case .fit: try fit(workspace)
    case .judge: try judge(workspace)
    }
  }

  // MARK: Reading

  private func read(_ workspace: Workspace) throws {
    try KnownLabel(options.known, options.task, labels: options.labels).write(workspace, to: Self.texts)
  }

  private func labeled(_ workspace: Workspace) throws -> LabeledTexts {
    try LabeledTexts(
      workspace.files(Self.textsRole), options.task, wanted: options.labels, folds: options.folds,
      seed: options.tuning.seed)
  }

  // MARK: Training

  private func fit(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let texts = try labeled(workspace)
    let folder = try workspace.temporaryDirectory()
    let isWhole = workspace.task.key == Self.whole
    let fold = isWhole ? -1 : Int(workspace.task.key.split(separator: "-")[1])! - 1
    try texts.split(fold: fold, own: "\(folder)/own.jsonl", others: "\(folder)/others.jsonl")
    var job = try job(workspace, engine, folder)
    job.task = .texts(texts.task)
    job.train = ["\(folder)/others.jsonl"]
    if isWhole { job.output = "\(folder)/model" } else { job.test = ["\(folder)/own.jsonl"] }
    job.outputs = "\(folder)/outputs.jsonl"
    try EvaluationWorker(command: "finetune", job: job.json, engine: engine, usesGPU: job.device == "cuda")
      .run(workspace)
    if isWhole { return try keep(job, workspace) }
    try workspace.write(Self.scores, name: workspace.task.key + ".jsonl", try FileSystem.read(job.outputs))
  }

  private func job(_ workspace: Workspace, _ engine: TrainingEngine, _ folder: String) throws -> FineTuningJob {
    var job = try FineTuningJob(workspace, options.compute, engine)
    job.set(options.tuning)
    job.result = "\(folder)/scores.json"
    return job
  }

  private func keep(_ job: FineTuningJob, _ workspace: Workspace) throws {
    try job.publishModel(workspace, to: Self.checkpoint)
    let task = JSONValue.object(
      job.task.members + [
        JSONMember("maximumLength", .integer(job.maximumLength)),
        JSONMember(TunedHead.pairsKey, .bool(!options.known.pairField.isEmpty)),
      ])
    try workspace.write(Self.checkpoint, name: TunedTask.fileName, Array(task.prettyText().utf8))
  }

  // MARK: Judging

  private static func misfit(_ name: String) -> StageError {
    StageError(
      .input, name, "does not have the outputs of the fold's texts, or some that are not finite",
      hint: "If the training diverged, lower learningRate; otherwise run 'pipeline verify' and run again.")
  }

  private func judge(_ workspace: Workspace) throws {
    let texts = try labeled(workspace)
    var outputs = [[Double]](repeating: [], count: texts.targets.count)
    for fold in 0..<options.folds {
      var rows = texts.rows(ofFold: fold).makeIterator()
      let name = key(ofFold: fold) + ".jsonl"
      guard let file = workspace.files(.main).first(where: { $0.name == name }) else {
        throw StageError(.input, name, "is missing", hint: "Run again.")
      }
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() {
        let numbers = (try JSONValue.parse(Array(line)).value.array ?? []).compactMap(\.double)
        guard let row = rows.next(), numbers.count == texts.task.outputs else { throw Self.misfit(name) }
        outputs[row] = numbers
      }
      guard rows.next() == nil else { throw Self.misfit(name) }
    }
    let judged = LabelScores(outputs, texts.targets, texts.task)
    let json = judged.json(folds: (0..<options.folds).map { texts.rows(ofFold: $0) })
    try workspace.write(Self.metrics, name: "classifier.json", Array(json.prettyText().utf8))
    try LabelPage(judged, of: "On texts that the model of their fold had not seen").write(workspace, to: Self.report)
    for (name, value) in judged.figures { workspace.metric(name, value) }
  }
}
