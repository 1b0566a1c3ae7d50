public import PipelineKit
import ShardKit
import TextKit

/// Writes what a published fastText model says of each document, for `gate` to decide by.
public struct ScoreFastText: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The model: a .bin or .ftz file of a supervised fastText model. Or wire a download to 'model'.")
    var model = InputFiles()
    @Option(
      "Labels, without __label__, whose probabilities are written, as probability.LABEL (probability.0, probability.1, … by "
        + "its place here for a label that rules cannot write, such as a-b); the most probable label and its probability "
        + "always are.")
    var labels: [String] = []
    @Option(
      "Numbers that labels stand for, such as {\"0\": 0, \"1\": 1, \"2\": 2, \"3\": 3} of a classifier of educational value: "
        + "'expectation' is their mean by probability. {}: none.")
    var values: [String: Double] = [:]
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.fasttext"
  public static let revision = 2
  public static let summary = "Scores documents by a published fastText model, for gates: quality, topic, language."
  static let documents = Input<Documents>("documents", "The documents to score.")
  static let model = Input<Files>(
    "model", "The model, if it was downloaded by a stage: one .bin or .ftz file.", required: false, holdsRecords: false)
  static let signals = Output<Signals>(
    "signals", "label, probability, and what the options ask for; one file per file of documents.")
  public static let inputs = [documents.port, model.port]
  public static let outputs = [signals.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  private static let label = "label"
  private static let probability = "probability"
  private static let expectation = "expectation"

  private var columns: [String] { ScorerOptions.columns(Self.probability, options.labels) }

  private var measures: [String] {
    [Self.probability] + columns + (options.values.isEmpty ? [] : [Self.expectation])
  }

  public func validate() throws {
    var seen: Set<String> = []
    for (label, column) in zip(options.labels, columns) where !seen.insert(column).inserted {
      throw StageError(
        .options, "labels", "the column of '\(label)' would be named '\(column)' as that of another label",
        hint: "Name each label once. A label that rules cannot write has its place among 'labels', from 0, in its "
          + "column's name.")
    }
    try options.scorer.validate(measures: measures, texts: [Self.label])
    if let odd = options.values.first(where: { !$0.value.isFinite }) {
      throw StageError(.options, "values", "that of '\(odd.key)' is not a number")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let models = try context.files(options.model) + context.files(Self.model).filter(Self.isModel)
    guard models.count == 1, let model = models.first else {
      throw StageError(
        .options, "model", models.isEmpty ? "there is no model" : "there are \(models.count) models, not one",
        hint: "Name one .bin or .ftz file, or wire a stage that downloads one.")
    }
    // Up to 64 MiB are what is decoded of a quantized model.
    return TaskPlan.perFile(context.files(Self.documents), memoryBytes: (128 << 20) + 2 * Int(model.bytes))
      .map { $0.with(inputs: ["model": [model]]) }
  }

  private static func isModel(_ file: ArtifactFile) -> Bool {
    file.name.hasSuffix(".bin") || file.name.hasSuffix(".ftz")
  }

  public func run(_ workspace: Workspace) throws {
    let model = try FastTextModel(workspace.file("model").path)
    let labels = try options.labels.map { try Self.place($0, in: model, "labels") }
    let values = try options.values.sorted { $0.key < $1.key }
      .map { (place: try Self.place($0.key, in: model, "values"), value: $0.value) }
    let output = try SignalsOutput(
      workspace, to: Self.signals, options.scorer, measures: measures, texts: [Self.label])
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      let found = document.text.withUnsafeBufferPointer { model.probabilities(of: $0) }
      guard let best = found.indices.max(by: { (found[$0], $1) < (found[$1], $0) }) else {
        try output.write(document, measures.map { _ in .nan }, texts: [""])
        continue
      }
      var row = [Double(found[best])] + labels.map { Double(found[$0]) }
      if !values.isEmpty { row.append(Self.mean(found, values)) }
      try output.write(document, row, texts: [model.labels[best]])
    }
    try output.finish()
  }

  /// By probability, of the labels that have values; NaN if none of them is possible.
  private static func mean(_ probabilities: [Float], _ values: [(place: Int, value: Double)]) -> Double {
    let weights = values.map { Double(probabilities[$0.place]) }
    return zip(values, weights).reduce(0) { $0 + $1.0.value * $1.1 } / weights.reduce(0, +)
  }

  private static func place(_ label: String, in model: FastTextModel, _ option: String) throws -> Int {
    if let place = model.labels.firstIndex(of: label) { return place }
    throw StageError(
      .options, option, "the model has no label '\(label)'\(suggestion(for: label, among: model.labels))",
      hint: "Its labels are \(model.labels.prefix(12).joined(separator: ", "))\(model.labels.count > 12 ? ", …" : "").")
  }
}
