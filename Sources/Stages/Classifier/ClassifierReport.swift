import PipelineKit
import ShardKit

/// How well a classifier judges documents that it has not seen.
struct ClassifierReport {
  let grams: DecidingGrams
  private let held: ClassifierTrain.HeldOut
  private let scored: ScoredLabels
  private let byFold: [Double]
  private let brier: Double
  private let features: Int

  /// - Parameter features: how many n-grams count.
  init(
    _ held: ClassifierTrain.HeldOut, method: Calibration.Method, folds: Int, features: Int, grams: DecidingGrams
  ) {
    self.held = held
    self.grams = grams
    self.features = features
    scored = ScoredLabels(held.margins, held.labels)
    byFold = (0..<folds).map { fold in
      let own = held.of { $0 == fold }
      return ScoredLabels(own.margins, own.labels).auc
    }
    brier = Self.brier(held, method, folds)
  }

  /// Of probabilities that a calibration by the other folds gives.
  private static func brier(_ held: ClassifierTrain.HeldOut, _ method: Calibration.Method, _ folds: Int) -> Double {
    var (probabilities, labels): ([Double], [Bool]) = ([], [])
    for fold in 0..<folds {
      let (others, own) = (held.of { $0 != fold }, held.of { $0 == fold })
      let calibration = Calibration(method, margins: others.margins, labels: others.labels)
      probabilities += own.margins.map { calibration($0) }
      labels += own.labels
    }
    return ScoredLabels(probabilities, labels).brier
  }

  private var foldMean: Double { byFold.reduce(0, +) / Double(byFold.count) }

  private var foldDeviation: Double {
    (byFold.reduce(0) { $0 + ($1 - foldMean) * ($1 - foldMean) } / Double(byFold.count)).squareRoot()
  }

  /// Those that a number can be given of.
  var figures: [(name: String, value: Double)] {
    [
      ("auc", scored.auc), ("auc of a fold, mean", foldMean), ("auc of a fold, deviation", foldDeviation),
      ("average precision", scored.averagePrecision), ("brier", brier), ("positive", Double(scored.positives)),
      ("negative", Double(scored.negatives)), ("features", Double(features)),
    ].filter { $0.1.isFinite }
  }

  var json: JSONValue {
    .object(
      figures.map { JSONMember($0.name, .number($0.value)) } + [
        JSONMember("folds", .list(byFold.filter(\.isFinite).map { .number($0) }))
      ])
  }

  // MARK: Text

  var markdown: String {
    var lines = [
      "# Classifier", "", "On documents that the classifier of their fold had not seen:", "", "| | |", "|---|---|",
    ]
    lines += [
      "| documents | \(scored.positives) positive, \(scored.negatives) negative |",
      "| n-grams that count | \(features) |",
      "| AUC | \(fixed(scored.auc, 4)) (folds: \(fixed(foldMean, 4)) ± \(fixed(foldDeviation, 4))) |",
      "| average precision | \(fixed(scored.averagePrecision, 4)) (by chance: \(fixed(chance, 4))) |",
      "| Brier score | \(fixed(brier, 4)) (by chance: \(fixed(chance * (1 - chance), 4))) |",
    ]
    lines += ["", "![Precision by recall](precision-recall.svg)", "", "## The n-grams that decide", ""]
    lines += ["␣ stands for white space. grams.tsv has all with their weights.", ""]
    lines += ["Positive: " + Self.list(grams.positive), "", "Negative: " + Self.list(grams.negative), ""]
    return lines.joined(separator: "\n")
  }

  private var chance: Double { Double(scored.positives) / Double(scored.positives + scored.negatives) }

  private static func list(_ grams: [DecidingGrams.Gram]) -> String {
    guard !grams.isEmpty else { return "none." }
    return grams.prefix(60).map { gram in
      let text = gram.name
      // A code span ends with the first grave accent.
      return text.contains("`") ? "`` \(text) ``" : "`\(text)`"
    }.joined(separator: " ")
  }

  // MARK: Picture

  /// Precision by recall, with the share of positive documents as what chance gives.
  var picture: String {
    let (side, left, top) = (380.0, 60.0, 40.0)
    var svg = SVGDocument(width: left + side + 24, height: top + side + 56)
    func x(_ recall: Double) -> Double { left + recall * side }
    func y(_ precision: Double) -> Double { top + (1 - precision) * side }
    for tick in stride(from: 0.0, through: 1.0, by: 0.2) {
      svg.line([(left, y(tick)), (left + side, y(tick))], kind: "grid")
      svg.text(fixed(tick, 1), x: left - 8, y: y(tick) + 4, kind: "label", anchor: "end")
      svg.text(fixed(tick, 1), x: x(tick), y: top + side + 18, kind: "label", anchor: "middle")
    }
    svg.line([(left, y(chance)), (left + side, y(chance))], kind: "chance", tip: "by chance: \(fixed(chance, 3))")
    let points = thinned
    svg.line(points.map { (x($0.recall), y($0.precision)) }, kind: "curve")
    for point in points.enumerated().filter({ $0.offset % 20 == 0 }).map(\.element) {
      svg.dot(
        (x(point.recall), y(point.precision)), kind: "dot",
        tip: "margin ≥ \(fixed(point.threshold, 2)): precision \(fixed(point.precision, 3)), "
          + "recall \(fixed(point.recall, 3))")
    }
    svg.text(
      "AUC \(fixed(scored.auc, 3)), average precision \(fixed(scored.averagePrecision, 3))", x: left, y: 24,
      kind: "head")
    svg.text("recall", x: left + side / 2, y: top + side + 40, kind: "label", anchor: "middle")
    svg.text("precision", x: 8, y: top - 10, kind: "label")
    return svg.markup(kind: "precision-recall", title: "Precision by recall of held-out documents", style: Self.style)
  }

  /// At most about 400 points, evenly spaced by rank.
  private var thinned: [ScoredLabels.Point] {
    let points = scored.points, every = max(1, points.count / 400)
    return points.enumerated().filter { $0.offset % every == 0 || $0.offset == points.count - 1 }.map(\.element)
  }

  private static let style = """
    .page { fill: #fff } text { font: 12px system-ui, sans-serif; fill: #444 } .head { font-size: 14px; font-weight: 600 }
    .grid { stroke: #ddd; fill: none } .chance { stroke: #d2573f; stroke-dasharray: 4 3; fill: none }
    .curve { stroke: #2a6f97; stroke-width: 2; fill: none } .dot { fill: #2a6f97 }
    """
}
