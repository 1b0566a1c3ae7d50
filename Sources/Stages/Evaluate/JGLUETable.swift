import PipelineKit
import ShardKit
import TrainerCore

/// A model's JGLUE scores next to those of others, as JSON and as a table.
struct JGLUETable: Sendable {
  var results: [JGLUEResult]
  /// The model's own scores by the columns' titles, and the rows beside.
  let scores: ScoreTable

  /// Beside the published scores, without differences.
  init(model: String, results: [JGLUEResult]) {
    self.init(model: model, results: results) { ScoreTable(columns: $0, own: $1, others: $2) }
  }

  /// - Parameter table: makes the table of columns, own scores and the published ones.
  init(
    model: String, results: [JGLUEResult], table: ([String], ModelScores, [ModelScores]) throws -> ScoreTable
  ) rethrows {
    self.results = results
    let columns = results.flatMap { result in result.task.metrics.map { (result, $0) } }
    var own = ModelScores(model, [:])
    for (result, metric) in columns {
      let title = Self.title(result.task, metric)
      own.scores[title] = result.mean(metric)
      if result.seeds > 1 { own.deviations[title] = result.deviation(metric) }
    }
    scores = try table(columns.map { Self.title($0.0.task, $0.1) }, own, Self.published)
  }

  private static let published = PublishedScores.all.map { row in
    let scores = JGLUEBenchmark.allCases.flatMap { task in
      task.metrics.compactMap { metric in row[task, metric].map { (title(task, metric), $0) } }
    }
    return ModelScores(
      row.model, source: "JGLUE's authors, tuned on the same sets", Dictionary(uniqueKeysWithValues: scores))
  }

  private static func title(_ task: JGLUEBenchmark, _ metric: String) -> String { "\(task.title) \(title(metric))" }

  var json: JSONValue {
    let tasks = results.map { result in
      let metrics = result.task.metrics.map { metric in
        JSONMember(
          metric,
          [
            "mean": .number(result.mean(metric)), "deviation": .number(result.deviation(metric)),
            "best": .number(result.highest(metric)),
          ])
      }
      let runs = result.settings.flatMap { $0 }.map { run, scores -> JSONValue in
        let sorted = scores.sorted { $0.key < $1.key }
        return .object(
          [
            JSONMember("learningRate", .number(run.learningRate)), JSONMember("epochs", .integer(run.epochs)),
            JSONMember("seed", .integer(run.seed)),
          ] + sorted.map { JSONMember($0.key, .number($0.value)) })
      }
      return JSONMember(
        result.task.rawValue,
        [
          "learningRate": .number(result.best.learningRate), "epochs": .integer(result.best.epochs),
          "seeds": .integer(result.seeds), "metrics": .object(metrics), "runs": .list(runs),
        ])
    }
    let name = JSONMember("model", .string(scores.own.model))
    return .object([name] + scores.members + [JSONMember("tasks", .object(tasks))])
  }

  /// A Markdown table; the model is in the last row, with means and deviations over the seeds.
  var markdown: String {
    var lines = ["# JGLUE, development sets", ""] + scores.lines + [""] + scores.remarks
    lines += ["This model's settings:", ""]
    for result in results {
      lines.append(
        "- \(result.task.title): learning rate \(result.best.learningRate), \(result.best.epochs) epochs, "
          + (result.settings.count == 1 ? "the only setting, " : "the best of \(result.settings.count) settings by ")
          + "mean \(Self.title(result.task.metrics[0])) over \(result.seeds) "
          + (result.seeds == 1 ? "seed" : "seeds"))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  var picture: ScorePicture {
    ScorePicture(
      benchmark: "JGLUE", model: scores.own.model,
      legend: "Marks: other models (hover: name); dashed line: human performance.",
      rows: results.flatMap { result in
        result.task.metrics.map { metric in
          ScorePicture.Row(
            name: result.task.title, metric: Self.title(metric), own: result.mean(metric),
            deviation: result.deviation(metric),
            published: scores.others.compactMap { model in
              model.scores[Self.title(result.task, metric)].map { (model.model, $0) }
            })
        }
      })
  }

  static func title(_ metric: String) -> String {
    switch metric {
    case "exactMatch": "EM"
    case "f1": "F1"
    case "spearman": "Spearman"
    case "pearson": "Pearson"
    default: metric
    }
  }
}
