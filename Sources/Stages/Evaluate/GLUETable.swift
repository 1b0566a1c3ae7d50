import PipelineKit
import ShardKit
import TrainerCore

/// A model's GLUE scores next to the published ones, as JSON, a table and a picture.
struct GLUETable {
  var model: String
  /// The runs of each task that was run, in the order of seeds.
  private let runs: [(task: GLUETask, scores: [GLUEScores])]

  init(model: String, _ scores: [GLUEScores]) {
    self.model = model
    runs = GLUETask.allCases.compactMap { task in
      let own = scores.filter { $0.run.task == task }.sorted { $0.run.seed < $1.run.seed }
      return own.isEmpty ? nil : (task, own)
    }
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
    return ["model": .string(model), "mean": .number(mean), "tasks": .object(tasks)]
  }

  /// A Markdown table; the model is in the last row, with means and deviations over the seeds.
  var markdown: String {
    let isWhole = runs.count == GLUETask.allCases.count
    var lines = ["# GLUE, development sets", ""]
    lines.append("| model | " + runs.map(\.task.title).joined(separator: " | ") + (isWhole ? " | mean |" : " |"))
    lines.append("|---|" + String(repeating: "--:|", count: runs.count + (isWhole ? 1 : 0)))
    for baseline in PublishedGLUE.all {
      let cells = runs.map { baseline[$0.task].map { fixed($0 * 100, 2) } ?? "–" }
      lines.append(row(baseline.model, cells, isWhole ? fixed(baseline.mean * 100, 2) : nil))
    }
    let own = runs.map { _, scores in
      fixed(mean(scores) * 100, 2) + (scores.count > 1 ? " ± \(fixed(deviation(scores) * 100, 2))" : "")
    }
    lines.append(row("**\(model)**", own, isWhole ? fixed(mean * 100, 2) : nil))
    lines += ["", "A task's score is the mean of its metrics:", ""]
    for (task, scores) in runs {
      let sets = scores[0].sets.count > 1 ? ", over " + scores[0].sets.map(\.name).joined(separator: " and ") : ""
      let start = scores.contains { $0.run.follows != nil } ? ", beginning with MNLI's model" : ""
      lines.append(
        "- \(task.title): \(task.metrics.map(Self.title).joined(separator: " and "))\(sets); "
          + "\(scores.count == 1 ? "1 seed" : "\(scores.count) seeds")\(start)")
    }
    lines += ["", "Published scores:", ""]
    lines += PublishedGLUE.all.map { "- \($0.model): \($0.source)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private func row(_ name: String, _ cells: [String], _ mean: String?) -> String {
    "| \(name) | " + (cells + (mean.map { [$0] } ?? [])).joined(separator: " | ") + " |"
  }

  var picture: ScorePicture {
    ScorePicture(
      benchmark: "GLUE", model: model, legend: "Marks: published models (hover: name).",
      rows: runs.map { task, scores in
        ScorePicture.Row(
          name: task.title, metric: task.metrics.map(Self.title).joined(separator: ", "), own: mean(scores),
          deviation: deviation(scores),
          published: PublishedGLUE.all.compactMap { model in model[task].map { (model.model, $0) } })
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
