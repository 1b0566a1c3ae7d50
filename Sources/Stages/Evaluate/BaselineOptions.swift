public import PipelineKit
import ShardKit

/// Which other models a table of scores shows, and which of them its differences are from.
public struct BaselineOptions: StageOptions {
  @Option("The model's name in the table and the chart.") public var model = "This model"
  @Option(
    "The model that differences (Δ) are from, by its name in the table: a wired, a published one. \"\": the first wired one; "
      + "if none is wired, there are no differences.")
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
  /// - Throws: `StageError` if a wired file is another measurement, or no row has the baseline's name.
  func table(
    _ columns: [String], _ own: ModelScores, known: [ModelScores] = [], _ workspace: Workspace
  ) throws -> ScoreTable {
    let wired = try workspace.files(Self.wiredRole).filter { $0.name.hasSuffix(".json") }.map { file in
      let json = try JSONValue.parse(try FileSystem.read(file.path)).value
      guard let other = ModelScores(measured: json), columns.contains(where: { other.scores[$0] != nil }) else {
        throw StageError(
          .input, "inputs.baselines",
          "\(file.name) has none of this table's scores (\(columns.joined(separator: ", ")))",
          hint: "Wire the metrics of the same kind of stage.")
      }
      return other
    }
    let read = try workspace.files(Self.publishedRole).flatMap { try ModelScores.published($0) }
    let others =
      known.filter { row in !read.contains { $0.model == row.model } }
      + read.filter { row in
        columns.contains { row.scores[$0] != nil }
      }
    return ScoreTable(
      columns: columns, own: own, others: others + wired, baseline: try chosen(wired, others, own.model))
  }

  private func chosen(_ wired: [ModelScores], _ others: [ModelScores], _ own: String) throws -> ModelScores? {
    guard !baseline.isEmpty else { return wired.first }
    if let row = (wired + others).first(where: { ExactText($0.model) == ExactText(baseline) }) { return row }
    throw StageError(
      .options, "baseline", "'\(baseline)' is no other model of the table",
      hint: "The others are: " + (wired + others).map(\.model).joined(separator: ", ") + ".")
  }
}
