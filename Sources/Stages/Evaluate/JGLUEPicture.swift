import ShardKit
import TrainerCore

/// JGLUE's scores as bars, with a mark for each published model and a line for human performance.
struct JGLUEPicture {
  private let table: JGLUETable
  private var rows: [(result: JGLUEResult, metric: String)] {
    table.results.flatMap { result in result.task.metrics.map { (result, $0) } }
  }

  private static let left = 190.0, width = 520.0, right = 90.0, rowHeight = 44.0, top = 64.0

  init(_ table: JGLUETable) { self.table = table }

  var markup: String {
    let total = Self.left + Self.width + Self.right
    let height = Self.top + Double(rows.count) * Self.rowHeight + 34
    var svg = SVGDocument(width: total, height: height)
    let title = "JGLUE scores of \(table.model)"
    svg.add(
      "<text class=\"head\" x=\"16\" y=\"28\">JGLUE, development sets: \(markupEscaped(table.model))</text>")
    svg.add(
      "<text class=\"small\" x=\"16\" y=\"47\">"
        + "Marks: published models (hover: name); dashed line: human performance.</text>")
    for (place, row) in rows.enumerated() { draw(row, y: Self.top + Double(place) * Self.rowHeight, in: &svg) }
    return svg.markup(kind: "scores", title: title, style: Self.style)
  }

  private func draw(_ row: (result: JGLUEResult, metric: String), y: Double, in svg: inout SVGDocument) {
    let (result, metric) = row
    let own = result.mean(metric), deviation = result.deviation(metric)
    let published = PublishedScores.all.compactMap { model in model[result.task, metric].map { (model.model, $0) } }
    // From a round number below all scores up to 1, so that differences show; from below 0 if a score is negative.
    let lowest = min(own - deviation, published.map(\.1).min() ?? own)
    let low = lowest >= 0 ? max(0, (lowest * 10 - 0.5).rounded(.down) / 10) : -1
    func x(_ value: Double) -> Double { Self.left + (value - low) / (1 - low) * Self.width }
    let middle = y + 14
    svg.text(result.task.title, x: 16, y: middle + 1, kind: "name")
    svg.text(JGLUETable.title(metric), x: 16, y: middle + 15, kind: "small")
    svg.box(x: Self.left, y: y, width: Self.width, height: 28, kind: "panel")
    svg.box(x: Self.left, y: y + 5, width: max(0, x(own) - Self.left), height: 18, kind: "bar")
    if deviation > 0 {
      let ends = (x(max(low, own - deviation)), x(min(1, own + deviation)))
      svg.path("M\(fixed(ends.0, 1)) \(fixed(middle, 1))H\(fixed(ends.1, 1))", kind: "spread")
    }
    for (name, score) in published {
      let kind = name == "Human" ? "human" : "mark"
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
