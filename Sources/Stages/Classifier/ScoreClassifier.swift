public import PipelineKit
import ShardKit
import TextKit

/// Writes the probability that a classifier of `classifier.train` gives each document, for `gate` to decide by.
public struct ScoreClassifier: SinglePhaseStage {
  public struct Options: StageOptions {
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.classifier"
  public static let revision = 2
  public static let summary = "Scores documents by a classifier that classifier.train made, for gates."
  static let documents = Input<Documents>("documents", "The documents to score.")
  static let classifier = Input<Classifier>("classifier", "The classifier, from classifier.train.", holdsRecords: false)
  static let signals = Output<Signals>(
    "signals", "probability and margin (the odds' logarithm before calibration), one file per file of documents.")
  public static let inputs = [documents.port, classifier.port]
  public static let outputs = [signals.port]

  private static let measures = ["probability", "margin"]
  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws { try options.scorer.validate(measures: Self.measures) }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let models = context.files(Self.classifier).filter { $0.name == ClassifierFile.name }
    guard models.count == 1 else {
      throw StageError(
        .input, "inputs.classifier", "has \(models.count) files named \(ClassifierFile.name), not one",
        hint: "Wire the output 'classifier' of one classifier.train.")
    }
    // Five tables of up to 2²⁴ numbers of 4 bytes, whatever the size of the file, beside what the file has.
    let memoryBytes = (64 << 20) + (320 << 20) + Int(models[0].bytes)
    return TaskPlan.perFile(context.files(Self.documents), memoryBytes: memoryBytes)
      .map { $0.with(inputs: ["classifier": models]) }
  }

  public func run(_ workspace: Workspace) throws {
    let file = try ClassifierFile(workspace.file("classifier").path)
    let counter = GramCounter(file.model.shape)
    let output = try SignalsOutput(workspace, to: Self.signals, options.scorer, measures: Self.measures)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      let margin = document.text.withUnsafeBufferPointer { file.model.margin(of: $0, by: counter) }
      try output.write(document, [file.calibration(margin), margin])
    }
    try output.finish()
  }
}
