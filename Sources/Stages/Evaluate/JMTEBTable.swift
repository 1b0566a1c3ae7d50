import PipelineKit
import ShardKit
import TrainerCore

/// A model's scores on JMTEB's sets, as JSON, a table and a picture.
struct JMTEBTable {
  var model: String
  /// By kind, then by name.
  private let scores: [JMTEBScore]

  init(model: String, _ scores: [JMTEBScore]) {
    self.model = model
    self.scores = JMTEBKind.allCases.flatMap { kind in scores.filter { $0.kind == kind } }
  }

  private var kinds: [JMTEBKind] { JMTEBKind.allCases.filter { kind in scores.contains { $0.kind == kind } } }

  private func mean(_ kind: JMTEBKind) -> Double {
    Correlation.mean(scores.filter { $0.kind == kind }.map(\.score))
  }

  /// Over all sets, as JMTEB's own.
  private var mean: Double { Correlation.mean(scores.map(\.score)) }

  var figures: [(name: String, value: Double)] {
    scores.map { ("\($0.name) \($0.kind.metric)", $0.score) } + [("mean", mean)]
  }

  var json: JSONValue {
    let means = kinds.map { JSONMember($0.rawValue, .number(mean($0))) }
    return [
      "model": .string(model), "mean": .number(mean), "kinds": .object(means), "sets": .list(scores.map(\.json)),
    ]
  }

  var markdown: String {
    var lines = ["# JMTEB: \(model)", "", "| kind | set | figure | score | by |", "|---|---|---|--:|---|"]
    lines += scores.map {
      "| \($0.kind.title) | \($0.name) | \($0.kind.metric) | \(percent($0.score)) | \($0.chosen) |"
    }
    lines += ["", "| kind | mean |", "|---|--:|"]
    lines += kinds.map { "| \($0.title) | \(percent(mean($0))) |" }
    lines += ["| **all sets** | \(percent(mean)) |", ""]
    lines.append(
      "Of several similarities, classifiers or algorithms, the one that is best on the validation records counts.")
    return lines.joined(separator: "\n") + "\n"
  }

  private func percent(_ value: Double) -> String { fixed(value * 100, 2) }

  var picture: ScorePicture {
    var picture = ScorePicture(
      benchmark: "JMTEB", model: model, legend: "Chosen on the validation records.",
      rows: scores.map { ScorePicture.Row(name: $0.name, metric: "\($0.kind.title), \($0.kind.metric)", own: $0.score) }
    )
    picture.sets = "test sets"
    return picture
  }
}
