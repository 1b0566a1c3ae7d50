public import PipelineKit
import ShardKit

/// Models side by side: every score that the wired evaluations measured, with differences (Δ) from one model.
public struct ReportScores: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The page's title.") var title = "Models side by side"
    @Option("The model that differences (Δ) are from: a measured or a published one. \"\": the first.") var baseline =
      ""
    @Option(
      "JSON files of published scores to show too: lists of {\"model\", \"source\", \"scores\"}, scores by their titles "
        + "here, such as \"JSTS Spearman\".")
    var published = InputFiles()

    public init() {}
  }

  public static let name = "report.scores"
  public static let revision = 1
  public static let summary = "Puts the scores of several models side by side, with differences from one of them."
  static let metrics = Input<Metrics>(
    "metrics", "Measurements of the models by evaluate.jglue, evaluate.glue, evaluate.sts and evaluate.retrieval.",
    many: true)
  static let report = Output<Report>("report", "scores.md and scores.json: a row per score, a column per model.")
  public static let inputs = [metrics.port]
  public static let outputs = [report.port]
  private static let publishedRole: TaskInputs.Role = "published"

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let inputs: TaskInputs = [
      .main: context.files(Self.metrics), Self.publishedRole: try context.files(options.published),
    ]
    return [TaskPlan(key: "scores", inputs: inputs)]
  }

  public func run(_ workspace: Workspace) throws {
    var titles: [String] = []
    var models: [ModelScores] = []
    for file in workspace.files(.main) where file.name.hasSuffix(".json") {
      let json = try ModelScores.json(file)
      guard let measured = ModelScores(measured: json) else {
        throw StageError(
          .input, "inputs.metrics", "\(file.name) has no scores of a model",
          hint: "Wire the metrics of evaluate.jglue, evaluate.glue, evaluate.sts and evaluate.retrieval.")
      }
      try ModelScores.add(measured, to: &models, file.name)
      for member in json["scores"]?.members ?? [] where !titles.contains(member.key) { titles.append(member.key) }
    }
    for file in workspace.files(Self.publishedRole) {
      for row in try ModelScores.published(file) where row.has(titles) {
        try ModelScores.add(row, to: &models, file.name)
      }
    }
    let page = ScoresPage(title: options.title, titles: titles, models: models, baseline: try baseline(of: models))
    try workspace.write(Self.report, name: "scores.md", Array(page.markdown.utf8))
    try workspace.write(Self.report, name: "scores.json", Array(page.json.prettyText().utf8))
  }

  private func baseline(of models: [ModelScores]) throws -> ModelScores? {
    guard !options.baseline.isEmpty else { return models.first }
    if let model = models.first(where: { ExactText($0.model) == ExactText(options.baseline) }) { return model }
    throw StageError(
      .options, "baseline", "'\(options.baseline)' is none of the models",
      hint: "They are: " + models.map(\.model).joined(separator: ", ") + ".")
  }
}

/// The page of `report.scores`. Scores are in percent.
struct ScoresPage {
  var title: String
  var titles: [String]
  var models: [ModelScores]
  var baseline: ModelScores?

  var markdown: String {
    let names = models.flatMap { model in [cell(model.model)] + (model == baseline ? [] : ["Δ"]) }
    var lines = ["# \(title)", "", "| score | " + names.joined(separator: " | ") + " |"]
    lines.append("|---|" + String(repeating: "--:|", count: names.count))
    for title in titles {
      let cells = models.flatMap { model -> [String] in
        let score = model.scores[title].map { fixed($0 * 100, 2) } ?? "–"
        let spread = model.deviations[title].map { " ± \(fixed($0 * 100, 2))" } ?? ""
        guard let baseline, model != baseline else { return [score + spread] }
        return [score + spread, ScoreTable.difference(model, baseline, title, digits: 2, scale: 100)]
      }
      lines.append("| \(cell(title)) | " + cells.joined(separator: " | ") + " |")
    }
    if let baseline { lines += ["", "In percent. Δ: the difference from \(baseline.model)."] }
    let published = models.filter { !$0.source.isEmpty }
    if !published.isEmpty {
      lines += ["", "Published scores:", ""] + published.map { "- \($0.model): \($0.source)" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }

  var json: JSONValue {
    let list = models.map { model -> JSONValue in
      func numbers(_ value: (String) -> Double?) -> JSONValue {
        .object(titles.compactMap { title in value(title).map { JSONMember(title, .number($0)) } })
      }
      return [
        "model": .string(model.model), "source": .string(model.source), "scores": numbers { model.scores[$0] },
        "differences": numbers { title in
          guard let score = model.scores[title], let other = baseline?.scores[title] else { return nil }
          return score - other
        },
      ]
    }
    return ["baseline": .string(baseline?.model ?? ""), "models": .list(list)]
  }
}
