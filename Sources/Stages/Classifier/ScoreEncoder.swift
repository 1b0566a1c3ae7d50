public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Scores documents by a fine-tuned encoder, for `gate` to decide by: the probability of each label, and their
/// expectation; or the number that it gives.
public struct ScoreEncoder: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "A number per label, such as {\"none\": 0, \"basic\": 1, \"good\": 2, \"excellent\": 3}: 'expectation' is their mean, "
        + "weighted by the probabilities. {}: labels that are numbers are taken for their own.")
    public var values: [String: Double] = [:]
    @OptionGroup var prediction: PredictionOptions
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.encoder"
  // 3: odd tokens of pairs that are too long are left to the longer part.
  public static let revision = 3
  public static let summary =
    "Scores documents by an encoder that classifier.finetune made, on CPUs or GPUs, for gates."
  static let documents = Input<Documents>("documents", "The documents to score.")
  static let signals = Output<Signals>(
    "signals",
    "p.LABEL per label (p.0, p.1, … for labels that rules cannot write, such as a-b), 'label', the most probable one, and "
      + "expectation if labels have numbers; of 'multi-label', p.LABEL alone; of 'regression', 'value'. One file per file "
      + "of documents.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [signals.port]

  private static let expectation = "expectation"
  private static let value = "value"
  private static let label = "label"
  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.prediction.compute.mecabDictionary) }
  public var settled: [String: JSONValue] {
    ComputeSettings.settled(options.prediction.compute.device, options.prediction.compute.precision)
  }

  public func validate() throws {
    try options.scorer.validate(measures: [Self.expectation])
    try options.prediction.validate()
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    try options.prediction.tasks(context.files(Self.documents), in: context)
  }

  public func run(_ workspace: Workspace) throws {
    let head = try TunedHead(workspace, pairField: options.prediction.pairField)
    let values = try values(of: head.task)
    let measures: [String] =
      switch head.task {
      case .regression: [Self.value]
      case .singleLabel(let labels), .multiLabel(let labels):
        ScorerOptions.columns("p", labels) + (values == nil ? [] : [Self.expectation])
      }
    let texts = head.task.kind == .singleLabel ? [Self.label] : []
    try options.scorer.validate(measures: measures, texts: texts)
    var outputs = try HeadOutputs(workspace, options.prediction, head)
    let output = try SignalsOutput(workspace, to: Self.signals, options.scorer, measures: measures, texts: texts)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      guard let scores = try outputs.take() else {
        try output.write(document, measures.map { _ in .nan }, texts: texts.map { _ in "" })
        continue
      }
      try output.write(
        document, Self.row(scores, head.task, values),
        texts: texts.map { _ in head.task.labels[TextScores.label(scores)] })
    }
    try outputs.finish()
    try output.finish()
  }

  private static func row(_ scores: [Double], _ task: TextTask, _ values: [Double]?) -> [Double] {
    switch task {
    case .regression: return scores
    case .multiLabel: return scores.map(TextScores.sigmoid)
    case .singleLabel:
      let probabilities = TextScores.probabilities(scores)
      let expected = values.map { values in zip(values, probabilities).reduce(0) { $0 + $1.0 * $1.1 } }
      return probabilities + (expected.map { [$0] } ?? [])
    }
  }

  /// In the labels' order; nil if they have no numbers.
  private func values(of task: TextTask) throws -> [Double]? {
    guard case .singleLabel(let labels) = task else {
      guard options.values.isEmpty else {
        throw StageError(
          .options, "values",
          "are numbers of labels of which a text has one; the model's task is \(task.kind.rawValue)",
          hint: "Remove them.")
      }
      return nil
    }
    guard !options.values.isEmpty else {
      let numbers = labels.compactMap { Double($0) }
      return numbers.count == labels.count && numbers.allSatisfy(\.isFinite) ? numbers : nil
    }
    for name in options.values.keys.sorted() where !labels.contains(name) {
      throw StageError(
        .options, "values", "the model has no label '\(name)'" + suggestion(for: name, among: labels),
        hint: "Its labels: \(labels.prefix(20).joined(separator: ", ")).")
    }
    return try labels.map { label in
      guard let value = options.values[label] else {
        throw StageError(.options, "values", "has no number of the model's label '\(label)'")
      }
      return value
    }
  }
}
