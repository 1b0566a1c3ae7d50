import PipelineKit
import ShardKit
import TrainerCore

/// A model's JGLUE scores next to the published ones, as JSON and as a table.
struct JGLUETable: Sendable {
  var model: String
  var results: [JGLUEResult]

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
    return ["model": .string(model), "tasks": .object(tasks)]
  }

  /// A Markdown table; the model is in the last row, with means and deviations over the seeds.
  var markdown: String {
    var lines = ["# JGLUE, development sets", ""]
    let columns = results.flatMap { result in result.task.metrics.map { (result, $0) } }
    lines.append(
      "| model | " + columns.map { "\($0.0.task.title) \(Self.title($0.1))" }.joined(separator: " | ") + " |")
    lines.append("|---|" + String(repeating: "---|", count: columns.count))
    for baseline in PublishedScores.all {
      let cells = columns.map { baseline[$0.0.task, $0.1].map { fixed($0, 3) } ?? "–" }
      lines.append("| \(baseline.model) | " + cells.joined(separator: " | ") + " |")
    }
    let own = columns.map { result, metric in
      fixed(result.mean(metric), 3) + (result.seeds > 1 ? " ± \(fixed(result.deviation(metric), 3))" : "")
    }
    lines.append("| **\(model)** | " + own.joined(separator: " | ") + " |")
    lines += ["", "Published scores: JGLUE's authors, tuned on the same sets. This model's settings:", ""]
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
      benchmark: "JGLUE", model: model,
      legend: "Marks: published models (hover: name); dashed line: human performance.",
      rows: results.flatMap { result in
        result.task.metrics.map { metric in
          ScorePicture.Row(
            name: result.task.title, metric: Self.title(metric), own: result.mean(metric),
            deviation: result.deviation(metric),
            published: PublishedScores.all.compactMap { model in
              model[result.task, metric].map { (model.model, $0) }
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
