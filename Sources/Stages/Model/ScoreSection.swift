import ShardKit
import TrainerCore

/// Tables of a model's scores for its card; with a baseline, they have its scores and the differences from it (Δ).
struct ScoreSection {
  private let json: JSONValue
  private let baseline: ModelScores?

  init(_ json: JSONValue) {
    self.json = json
    baseline = ModelScores(measured: json["baseline"] ?? .null)
  }

  var jglue: [String] {
    let rows = (json["tasks"]?.members ?? []).flatMap { task -> [String] in
      let name = JGLUEBenchmark(rawValue: task.key)?.title ?? task.key
      return (task.value["metrics"]?.members ?? []).map { metric in
        let title = JGLUETable.title(metric.key)
        return row(
          [name, title, fixed(metric.value["mean"]?.double ?? .nan, 3)],
          differences("\(name) \(title)", metric.value["mean"]?.double, digits: 3),
          [
            fixed(metric.value["deviation"]?.double ?? .nan, 3), "\(task.value["learningRate"]?.double ?? .nan)",
            "\(task.value["epochs"]?.integer ?? 0)", "\(task.value["seeds"]?.integer ?? 0)",
          ])
      }
    }
    return ["JGLUE, development sets (means over the seeds at the best setting):", ""]
      + header(["task", "metric", "score"], ["deviation", "learning rate", "epochs", "seeds"]) + rows + [""]
  }

  var glue: [String] {
    let rows = (json["tasks"]?.members ?? []).map { task in
      let metrics = (task.value["metrics"]?.array ?? []).compactMap { $0.string.map(GLUETable.title) }
      let name = GLUETask(rawValue: task.key)?.title ?? task.key
      let score = task.value["score"]?.double
      return row(
        [name, metrics.joined(separator: " and "), fixed(score ?? .nan, 4)], differences(name, score, digits: 4),
        [fixed(task.value["deviation"]?.double ?? .nan, 4), "\(task.value["runs"]?.array?.count ?? 0)"])
    }
    let mean = json["mean"]?.double
    let last = row(["mean", "", fixed(mean ?? .nan, 4)], differences("mean", mean, digits: 4), ["", ""])
    return ["GLUE, development sets (means over the seeds):", ""]
      + header(["task", "metric", "score"], ["deviation", "seeds"]) + rows + [last, ""]
  }

  /// Scores without runs of their own.
  func plain(_ title: String) -> [String] {
    let scores = json["scores"]?.members ?? []
    guard !scores.isEmpty else { return [] }
    let rows = scores.map { score in
      row([score.key, fixed(score.value.double ?? .nan, 4)], differences(score.key, score.value.double, digits: 4), [])
    }
    return ["\(title):", ""] + header(["metric", "score"], []) + rows + [""]
  }

  private func differences(_ title: String, _ score: Double?, digits: Int) -> [String] {
    guard let baseline else { return [] }
    guard let score, let other = baseline.scores[title] else { return ["–", "–"] }
    return [fixed(other, digits), ScoreTable.signed(score - other, digits)]
  }

  private func header(_ first: [String], _ last: [String]) -> [String] {
    let columns = first + (baseline.map { [$0.model.replacing("|", with: "\\|"), "Δ"] } ?? []) + last
    return ["| \(columns.joined(separator: " | ")) |", "|" + String(repeating: "---|", count: columns.count)]
  }

  private func row(_ first: [String], _ differences: [String], _ last: [String]) -> String {
    "|" + (first + differences + last).map { $0.isEmpty ? " |" : " \($0) |" }.joined()
  }
}
