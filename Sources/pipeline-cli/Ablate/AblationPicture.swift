import ShardKit

/// A panel per measure: a row per variant with a dot per seed and a bar at the mean; the line is the unchanged pipeline.
struct AblationPicture {
  private let report: AblationReport
  private let left: Double
  private let width = 720.0
  private let rowHeight = 20.0

  init(_ report: AblationReport) {
    self.report = report
    left = 24 + 7.2 * Double(report.rows.map { displayWidth($0.label) }.max() ?? 0)
  }

  private var panels: [(measure: String, rows: [AblationReport.Row])] {
    report.scores.measures.map { measure in (measure, report.rows.filter { $0.measure == measure }) }
  }

  var svg: String {
    let heights = panels.map { 60 + rowHeight * Double($0.rows.count) }
    var picture = SVGDocument(width: width, height: heights.reduce(10, +))
    var top = 10.0
    for (panel, height) in zip(panels, heights) {
      draw(panel.measure, panel.rows, top, in: &picture)
      top += height
    }
    return picture.markup(kind: "ablation", title: "Scores of the variants", style: Self.style)
  }

  private func draw(
    _ measure: String, _ rows: [AblationReport.Row], _ top: Double, in picture: inout SVGDocument
  ) {
    let numbers = rows.flatMap(\.numbers).filter(\.isFinite)
    guard let low = numbers.min(), let high = numbers.max() else { return }
    let margin = high > low ? (high - low) * 0.05 : max(abs(high) * 0.05, 1e-6)
    let (from, to) = (low - margin, high + margin)
    func x(_ value: Double) -> Double { left + (width - left - 20) * (value - from) / (to - from) }
    let bottom = top + 24 + rowHeight * Double(rows.count)
    picture.text(measure, x: 10, y: top + 14, kind: "title")
    for tick in 0...4 {
      let value = from + (to - from) * Double(tick) / 4
      picture.line([(x(value), top + 22), (x(value), bottom)], kind: "grid")
      picture.text(
        fixed(value, abs(value) >= 100 ? 1 : 4), x: x(value), y: bottom + 16, kind: "label", anchor: "middle")
    }
    if let base = rows.first?.statistics.mean, base.isFinite {
      picture.line([(x(base), top + 22), (x(base), bottom)], kind: "base")
    }
    for (place, row) in rows.enumerated() {
      let y = top + 24 + rowHeight * (Double(place) + 0.5)
      picture.text(row.label, x: 10, y: y + 4, kind: row.isComparable ? "label" : "other")
      for number in row.numbers where number.isFinite {
        picture.dot((x(number), y), kind: "dot", tip: "\(row.label): \(fixed(number, 4))")
      }
      guard row.statistics.mean.isFinite else { continue }
      picture.line([(x(row.statistics.mean), y - 8), (x(row.statistics.mean), y + 8)], kind: "mean")
    }
  }

  private static let style = """
    .page { fill: #fff } text { font: 12px sans-serif; fill: #444 } .title { font-weight: 600 }
    .other { fill: #999; font-style: italic } .grid { stroke: #e4e4e4; fill: none }
    .base { stroke: #999; stroke-dasharray: 4 3; fill: none } .dot { fill: #2a6f97; fill-opacity: 0.55 }
    .mean { stroke: #b3541e; stroke-width: 2; fill: none }
    """
}
