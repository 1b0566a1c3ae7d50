import Glibc
import ShardKit
import TrainerCore

/// How well the outputs of models for texts that they have not seen tell the labels.
struct LabelScores {
  private let outputs: [[Double]]
  private let texts: LabeledTexts

  /// - Parameter outputs: one per label, by row.
  init(_ outputs: [[Double]], _ texts: LabeledTexts) {
    self.outputs = outputs
    self.texts = texts
  }

  /// The probabilities of the labels.
  static func probabilities(_ outputs: some Collection<Double>) -> [Double] {
    let highest = outputs.max() ?? 0
    let powers = outputs.map { exp($0 - highest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private func isRight(_ row: Int) -> Bool {
    outputs[row].indices.max { outputs[row][$0] < outputs[row][$1] } == texts.labelOfRow[row]
  }

  private func accuracy(_ rows: [Int]) -> Double { Double(rows.count { isRight($0) }) / Double(rows.count) }

  /// Of two labels, how the second is told from the first.
  private func scored(_ rows: [Int]) -> ScoredLabels? {
    guard texts.labels.count == 2 else { return nil }
    return ScoredLabels(
      rows.map { Self.probabilities(outputs[$0])[1] }, rows.map { texts.labelOfRow[$0] == 1 })
  }

  var figures: [(name: String, value: Double)] {
    let rows = Array(outputs.indices)
    var figures = [("accuracy", accuracy(rows)), ("texts", Double(rows.count))]
    if let scored = scored(rows) {
      figures += [
        ("auc", scored.auc), ("average precision", scored.averagePrecision), ("brier", scored.brier),
      ]
    }
    return figures
  }

  func json(folds: Int) -> JSONValue {
    let byFold = (0..<folds).map { fold -> JSONValue in
      let rows = texts.rows(ofFold: fold)
      var members = [JSONMember("texts", .integer(rows.count)), JSONMember("accuracy", .number(accuracy(rows)))]
      if let auc = scored(rows)?.auc { members.append(JSONMember("auc", .number(auc))) }
      return .object(members)
    }
    return .object(
      [JSONMember("labels", .strings(texts.labels))] + figures.map { JSONMember($0.name, .number($0.value)) }
        + [JSONMember("folds", .list(byFold))])
  }
}
