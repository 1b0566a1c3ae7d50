public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Measures a fine-tuned encoder on documents that it has not seen: accuracy and F1 with a confusion matrix, F1 of several
/// labels, or correlations of numbers.
public struct EvaluateClassifier: Stage {
  public struct Options: StageOptions {
    @Option("The metadata field with the label, such as label or review.verdict.") public var labelField = "label"
    @Option("The name of the data in the report.") public var data = "Test set"
    @OptionGroup var prediction: PredictionOptions

    public init() {}
  }

  public static let name = "evaluate.classifier"
  // 2: odd tokens of pairs that are too long are left to the longer part.
  public static let revision = 2
  public static let summary = "Measures an encoder that classifier.finetune made on labeled documents."
  static let documents = Input<Documents>("documents", "Documents with a label in their metadata.")
  static let texts = Output<Intermediate>("texts", "Labeled texts.", hidden: true)
  static let scores = Output<Intermediate>("scores", "The head's outputs for the texts.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "classifier.json: accuracy, F1 and others by the model's task.")
  static let report = Output<Report>("report", "classifier.md and classifier.svg: the figures, and a picture of them.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [texts.port, scores.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case read, score, judge }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .read: ["labelField", "pairField"]
    case .score: ["pairField", "maximumLength", "mecabDictionary", "device", "precision", "threads"]
    case .judge: ["data", "pairField"]
    }
  }

  private static let textsRole: TaskInputs.Role = "texts"
  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.prediction.compute.mecabDictionary) }
  public var settled: [String: JSONValue] {
    ComputeSettings.settled(options.prediction.compute.device, options.prediction.compute.precision)
  }

  public func validate() throws { try options.prediction.validate() }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let checkpoint: TaskInputs = [CheckpointInput.role: try CheckpointInput.files(context)]
    switch phase {
    case .read: return TaskPlan.perFile(context.files(Self.documents)).map { $0.with(inputs: checkpoint) }
    case .score: return try options.prediction.tasks(context.files(Self.texts), in: context)
    case .judge:
      let inputs: TaskInputs = [Self.textsRole: context.files(Self.texts), .main: context.files(Self.scores)]
      return [TaskPlan(key: "classifier", inputs: inputs).with(inputs: checkpoint)]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    let head = try TunedHead(workspace, pairField: options.prediction.pairField)
    switch phase {
    case .read:
      var known = LabelOptions()
      (known.labelField, known.pairField) = (options.labelField, options.prediction.pairField)
      // Of several labels, those that the model does not know would be misses that no threshold shows.
      try KnownLabel(known, head.task.kind, labels: head.task.labels).write(workspace, to: Self.texts)
    case .score: try score(workspace, head)
    case .judge: try judge(workspace, head)
    }
  }

  private func score(_ workspace: Workspace, _ head: TunedHead) throws {
    let file = try workspace.file()
    let lines = LineReader(try openSource(file.path), maximumLineBytes: 256 << 20)
    var count = 0
    while try lines.next() != nil { count += 1 }
    var outputs = try HeadOutputs(
      workspace, options.prediction, head, texts: file, pairPath: head.takesPairs ? LabeledTexts.pairKey : "",
      count: count)
    var rows: [UInt8] = []
    for _ in 0..<count {
      let row = try outputs.take() ?? []
      rows += Array(JSONValue.list(row.map { .number($0) }).text().utf8) + [0x0A]
    }
    try outputs.finish()
    try workspace.write(Self.scores, name: workspace.task.key + ".jsonl", rows)
  }

  private func judge(_ workspace: Workspace, _ head: TunedHead) throws {
    let texts = try LabeledTexts(workspace.files(Self.textsRole), head.task)
    var outputs: [[Double]] = []
    for file in workspace.files(.main) {
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() {
        outputs.append((try JSONValue.parse(Array(line)).value.array ?? []).compactMap(\.double))
      }
    }
    guard outputs.count == texts.targets.count, outputs.allSatisfy({ $0.count == head.task.outputs }) else {
      throw StageError(
        .input, "scores", "are not those of the labeled texts", hint: "Run 'pipeline verify', and run again.")
    }
    let judged = LabelScores(outputs, texts.targets, head.task)
    try workspace.write(Self.metrics, name: "classifier.json", Array(judged.json().prettyText().utf8))
    try LabelPage(judged, of: options.data).write(workspace, to: Self.report)
    for (name, value) in judged.figures { workspace.metric(name, value) }
  }
}
