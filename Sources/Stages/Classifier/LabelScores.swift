import ShardKit
import TrainerCore

/// How well the outputs of models for texts that they have not seen agree with what is known of them.
struct LabelScores {
  private let outputs: [[Double]]
  private let targets: [[Double]]
  let task: TextTask

  /// - Parameters: one entry per text.
  init(_ outputs: [[Double]], _ targets: [[Double]], _ task: TextTask) {
    self.outputs = outputs
    self.targets = targets
    self.task = task
  }

  var texts: Int { targets.count }

  var scores: TextScores { scores(Array(outputs.indices)) }

  private func scores(_ rows: [Int]) -> TextScores {
    TextScores(task, targets: rows.map { targets[$0] }, outputs: rows.map { outputs[$0] })
  }

  /// Of two labels, how the second is told from the first.
  private func scored(_ rows: [Int]) -> ScoredLabels? {
    guard task.kind == .singleLabel, task.labels.count == 2 else { return nil }
    return ScoredLabels(rows.map { TextScores.probabilities(outputs[$0])[1] }, rows.map { targets[$0][0] == 1 })
  }

  private func figures(_ rows: [Int]) -> [(name: String, value: Double)] {
    var figures = scores(rows).figures
    if let scored = scored(rows) {
      figures += [("auc", scored.auc), ("average precision", scored.averagePrecision), ("brier", scored.brier)]
    }
    return figures.filter { $0.value.isFinite }
  }

  var figures: [(name: String, value: Double)] {
    figures(Array(outputs.indices)) + [("texts", Double(texts))]
  }

  /// - Parameter folds: the rows of each; none if the texts were not split.
  func json(folds: [[Int]] = []) -> JSONValue {
    var members = [JSONMember("task", .string(task.kind.rawValue))]
    if !task.labels.isEmpty { members.append(JSONMember("labels", .strings(task.labels))) }
    members += figures.map { JSONMember($0.name, .number($0.value)) }
    switch scores.tally {
    case .labels(let confusion):
      members.append(JSONMember("byLabel", .list(confusion.labels.map { Self.json(confusion, $0, task) })))
      members.append(JSONMember("confusion", .list(confusion.counts.map { .list($0.map { .integer($0) }) })))
    case .flags(let flags):
      members.append(
        JSONMember("byLabel", .list(zip(task.labels, flags.counts).map { Self.json($0, $1) })))
    case .numbers: break
    }
    if !folds.isEmpty {
      let list = folds.map { rows in
        JSONValue.object(
          [JSONMember("texts", .integer(rows.count))] + figures(rows).map { JSONMember($0.name, .number($0.value)) })
      }
      members.append(JSONMember("folds", .list(list)))
    }
    return .object(members)
  }

  private static func json(_ confusion: LabelConfusion, _ label: Int, _ task: TextTask) -> JSONValue {
    [
      "label": .string(task.labels[label]), "texts": .integer(confusion.having(label)),
      "precision": .number(confusion.precision(label)), "recall": .number(confusion.recall(label)),
      "f1": .number(confusion.f1(label)),
    ]
  }

  private static func json(_ label: String, _ counts: LabelFlags.Counts) -> JSONValue {
    [
      "label": .string(label), "texts": .integer(counts.having), "precision": .number(counts.precision),
      "recall": .number(counts.recall), "f1": .number(counts.f1),
    ]
  }
}
