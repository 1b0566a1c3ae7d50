import PipelineKit
import ShardKit
import TrainerCore

/// A model's GLUE scores next to those of others, as JSON, a table and a picture.
struct GLUETable {
  /// The runs of each task that was run, in the order of seeds.
  private let runs: [(task: GLUETask, scores: [GLUEScores])]
  /// The model's own scores by the columns' titles, and the rows beside.
  private(set) var scores = ScoreTable(columns: [], own: ModelScores("", [:]), others: [])

  /// Beside the published scores, without differences.
  init(model: String, _ scores: [GLUEScores]) {
    self.init(model: model, scores) { ScoreTable(columns: $0, own: $1, others: $2) }
  }

  /// - Parameter table: makes the table of columns, own scores and the published ones.
  init(
    model: String, _ scores: [GLUEScores], table: ([String], ModelScores, [ModelScores]) throws -> ScoreTable
  ) rethrows {
    runs = GLUETask.allCases.compactMap { task in
      let own = scores.filter { $0.run.task == task }.sorted { $0.run.seed < $1.run.seed }
      return own.isEmpty ? nil : (task, own)
    }
    var own = ModelScores(model, [:])
    for (task, scores) in runs {
      own.scores[task.title] = mean(scores)
      if scores.count > 1 { own.deviations[task.title] = deviation(scores) }
    }
    let isWhole = runs.count == GLUETask.allCases.count
    if isWhole { own.scores[Self.meanTitle] = mean }
    let columns = runs.map(\.task.title) + (isWhole ? [Self.meanTitle] : [])
    self.scores = try table(columns, own, Self.published)
    (self.scores.digits, self.scores.scale) = (2, 100)
  }

  private static let meanTitle = "mean"
  private static let published = PublishedGLUE.all.map { row in
    var scores = [meanTitle: row.mean]
    for task in GLUETask.allCases { scores[task.title] = row[task] }
    return ModelScores(row.model, source: row.source, scores)
  }

  private func mean(_ scores: [GLUEScores]) -> Double { Correlation.mean(scores.map(\.score)) }
  private func deviation(_ scores: [GLUEScores]) -> Double { Correlation.deviation(scores.map(\.score)) }

  /// By title.
  var figures: [(name: String, value: Double)] {
    runs.map { ($0.task.title, mean($0.scores)) } + [("mean", mean)]
  }

  /// Over the tasks.
  private var mean: Double { Correlation.mean(runs.map { mean($0.scores) }) }

  var json: JSONValue {
    let tasks = runs.map { task, scores in
      let list = scores.map { score -> JSONValue in
        let sets = score.sets.map { set in
          JSONMember(set.name, .object(set.figures.map { JSONMember($0.name, .number($0.value)) }))
        }
        return [
          "seed": .integer(score.run.seed), "followsMNLI": .bool(score.run.follows != nil),
          "score": .number(score.score), "sets": .object(sets),
        ]
      }
      return JSONMember(
        task.rawValue,
        [
          "score": .number(mean(scores)), "deviation": .number(deviation(scores)), "metrics": .strings(task.metrics),
          "runs": .list(list),
        ])
    }
    let start = [JSONMember("model", .string(scores.own.model)), JSONMember("mean", .number(mean))]
    return .object(start + scores.members + [JSONMember("tasks", .object(tasks))])
  }

  /// A Markdown table; the model is in the last row, with means and deviations over the seeds.
  var markdown: String {
    var lines = ["# GLUE, development sets", ""] + scores.lines
    lines += ["", "A task's score is the mean of its metrics:", ""]
    for (task, scores) in runs {
      let sets = scores[0].sets.count > 1 ? ", over " + scores[0].sets.map(\.name).joined(separator: " and ") : ""
      let start = scores.contains { $0.run.follows != nil } ? ", beginning with MNLI's model" : ""
      lines.append(
        "- \(task.title): \(task.metrics.map(Self.title).joined(separator: " and "))\(sets); "
          + "\(scores.count == 1 ? "1 seed" : "\(scores.count) seeds")\(start)")
    }
    return (lines + [""] + scores.remarks).dropLast().joined(separator: "\n") + "\n"
  }

  var picture: ScorePicture {
    ScorePicture(
      benchmark: "GLUE", model: scores.own.model, legend: "Marks: other models (hover: name).",
      rows: runs.map { task, runs in
        ScorePicture.Row(
          name: task.title, metric: task.metrics.map(Self.title).joined(separator: ", "), own: mean(runs),
          deviation: deviation(runs),
          published: scores.others.compactMap { model in model.scores[task.title].map { (model.model, $0) } })
      })
  }

  static func title(_ metric: String) -> String {
    switch metric {
    case "f1": "F1"
    case "matthews": "Matthews' correlation"
    case "spearman": "Spearman's ρ"
    default: metric
    }
  }
}
