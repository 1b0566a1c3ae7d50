import ShardKit
import TrainerCore

/// Scores of benchmarks as bars, with a mark for each published model and a line for human performance.
struct ScorePicture {
  struct Row {
    var name: String
    var metric: String
    var own: Double
    var deviation = 0.0
    /// Published models with their scores.
    var published: [(name: String, score: Double)] = []
  }

  static let human = "Human"

  var benchmark: String
  var model: String
  var legend: String
  /// What the scores are of.
  var sets = "development sets"
  var rows: [Row]

  private static let left = 190.0, width = 520.0, right = 90.0, rowHeight = 44.0, top = 64.0

  var markup: String {
    let total = Self.left + Self.width + Self.right
    let height = Self.top + Double(rows.count) * Self.rowHeight + 34
    var svg = SVGDocument(width: total, height: height)
    svg.add(
      "<text class=\"head\" x=\"16\" y=\"28\">\(benchmark), \(sets): \(markupEscaped(model))</text>")
    svg.add("<text class=\"small\" x=\"16\" y=\"47\">\(legend)</text>")
    for (place, row) in rows.enumerated() { draw(row, y: Self.top + Double(place) * Self.rowHeight, in: &svg) }
    return svg.markup(kind: "scores", title: "\(benchmark) scores of \(model)", style: Self.style)
  }

  private func draw(_ row: Row, y: Double, in svg: inout SVGDocument) {
    let (own, deviation) = (row.own, row.deviation)
    // From a round number below all scores up to 1, so that differences show; from below 0 if a score is negative.
    let lowest = min(own - deviation, row.published.map(\.score).min() ?? own)
    let low = lowest >= 0 ? max(0, (lowest * 10 - 0.5).rounded(.down) / 10) : -1
    func x(_ value: Double) -> Double { Self.left + (value - low) / (1 - low) * Self.width }
    let middle = y + 14
    svg.text(row.name, x: 16, y: middle + 1, kind: "name")
    svg.text(row.metric, x: 16, y: middle + 15, kind: "small")
    svg.box(x: Self.left, y: y, width: Self.width, height: 28, kind: "panel")
    svg.box(x: Self.left, y: y + 5, width: max(0, x(own) - Self.left), height: 18, kind: "bar")
    if deviation > 0 {
      let ends = (x(max(low, own - deviation)), x(min(1, own + deviation)))
      svg.path("M\(fixed(ends.0, 1)) \(fixed(middle, 1))H\(fixed(ends.1, 1))", kind: "spread")
    }
    for (name, score) in row.published {
      let kind = name == Self.human ? "human" : "mark"
      svg.path(
        "M\(fixed(x(score), 1)) \(fixed(y + 1, 1))v26", kind: kind, tip: "\(name): \(fixed(score, 3))")
    }
    svg.text(fixed(low, 1), x: Self.left, y: y + 39, kind: "small")
    svg.text("1.0", x: Self.left + Self.width, y: y + 39, kind: "small", anchor: "end")
    svg.text(fixed(own, 3), x: Self.left + Self.width + 10, y: middle + 5, kind: "name")
  }

  /// The colors of the training chart.
  private static let style = """
    .scores text { font: 12px system-ui, sans-serif; fill: #1c2330; font-variant-numeric: tabular-nums; }
    .scores .head { font-size: 15px; font-weight: 600; } .scores .name { font-weight: 600; }
    .scores .small { font-size: 11px; fill: #5b6676; } .scores path { fill: none; }
    .scores .page { fill: #fff; } .scores .panel { fill: #f4f6f9; } .scores .bar { fill: #3f7fbf; }
    .scores .spread { stroke: #1c2330; stroke-width: 1.6; } .scores .mark { stroke: #24476b; stroke-width: 2; }
    .scores .human { stroke: #d2573f; stroke-width: 2; stroke-dasharray: 4 3; }
    @media (prefers-color-scheme: dark) { .scores text { fill: #e4e8ee; } .scores .small { fill: #9aa5b4; }
    .scores .page { fill: #14181e; } .scores .panel { fill: #1d232b; } .scores .spread { stroke: #e4e8ee; }
    .scores .mark { stroke: #9cc3ea; } .scores .human { stroke: #e5775f; } }
    """
}
