public import PipelineKit
import ShardKit

/// Which other models a table of scores shows, and which of them its differences are from.
public struct BaselineOptions: StageOptions {
  @Option("The model's name in the table and the chart.") public var model = "This model"
  @Option(
    "The model that differences (Δ) are from, by its name in the table: a wired or a published one. \"\": the first wired "
      + "one; if none is wired, there are no differences.")
  public var baseline = ""
  @Option(
    "JSON files of published scores to show too: lists of {\"model\", \"source\", \"scores\"}, scores by the table's titles."
  )
  public var published = InputFiles()

  public init() {}

  static let names: Set<String> = ["model", "baseline", "published"]

  static let port = Input<Metrics>(
    "baselines", "The same measurement of other models: rows of the table, by the models' names.", required: false,
    many: true)
  private static let wiredRole: TaskInputs.Role = "baselines"
  private static let publishedRole: TaskInputs.Role = "published"

  /// What the task that writes the table reads besides its own files.
  func inputs(_ context: PlanningContext) throws -> TaskInputs {
    [Self.wiredRole: context.files(Self.port), Self.publishedRole: try context.files(published)]
  }

  /// The table of a model's scores.
  /// - Parameter known: published scores that the stage itself has; a file's replace those of the same name.
  /// - Throws: `StageError` if a wired file is another measurement, two rows have one name, or none has the baseline's.
  func table(
    _ columns: [String], _ own: ModelScores, known: [ModelScores] = [], _ workspace: Workspace
  ) throws -> ScoreTable {
    try table(
      columns, own, known: known, wired: workspace.files(Self.wiredRole), published: workspace.files(Self.publishedRole)
    )
  }

  func table(
    _ columns: [String], _ own: ModelScores, known: [ModelScores] = [], wired wiredFiles: [ArtifactFile] = [],
    published publishedFiles: [ArtifactFile] = []
  ) throws -> ScoreTable {
    var wired: [ModelScores] = [], published: [ModelScores] = []
    for file in publishedFiles {
      for row in try ModelScores.published(file) where row.has(columns) {
        try ModelScores.add(row, to: &published, file.name)
      }
    }
    let others = known.filter { row in !published.contains { $0.isNamed(row.model) } } + published
    for file in wiredFiles where file.name.hasSuffix(".json") {
      guard let row = ModelScores(measured: try ModelScores.json(file)), row.has(columns) else {
        throw StageError(
          .input, "inputs.baselines",
          "\(file.name) has none of this table's scores (\(columns.joined(separator: ", ")))",
          hint: "Wire the metrics of the same kind of stage.")
      }
      try ModelScores.add(row, to: &wired, file.name)
    }
    try Self.check([own] + others + wired)
    return ScoreTable(
      columns: columns, own: own, others: others + wired, baseline: try chosen(wired, others))
  }

  private static func check(_ rows: [ModelScores]) throws {
    var names: Set<ExactText> = []
    guard let twice = rows.first(where: { !names.insert(ExactText($0.model)).inserted }) else { return }
    throw StageError(
      .input, "inputs.baselines", "two rows of the table are named '\(twice.model)'",
      hint: "Give each model a name of its own ('model' of the evaluations, \"model\" of published scores).")
  }

  private func chosen(_ wired: [ModelScores], _ others: [ModelScores]) throws -> ModelScores? {
    guard !baseline.isEmpty else { return wired.first }
    if let row = (wired + others).first(where: { $0.isNamed(baseline) }) { return row }
    let names = (wired + others).map(\.model)
    throw StageError(
      .options, "baseline", "'\(baseline)' is no other model of the table",
      hint: names.isEmpty
        ? "There is no other: wire \"baselines\" or set 'published'."
        : "The others are: \(names.joined(separator: ", ")).")
  }
}
