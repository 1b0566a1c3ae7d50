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
    var out = """
      <svg xmlns="http://www.w3.org/2000/svg" class="scores" role="img" width="\(fixed(total, 0))" \
      height="\(fixed(height, 0))" viewBox="0 0 \(fixed(total, 0)) \(fixed(height, 0))" \
      aria-label="JGLUE scores of \(Self.escaped(table.model))">
      <title>JGLUE scores of \(Self.escaped(table.model))</title>
      <style>\(Self.style)</style>
      <rect class="page" width="100%" height="100%"/>
      <text class="head" x="16" y="28">JGLUE, development sets: \(Self.escaped(table.model))</text>
      <text class="small" x="16" y="47">Marks: published models (hover: name); dashed line: human performance.</text>

      """
    for (place, row) in rows.enumerated() { out += draw(row, y: Self.top + Double(place) * Self.rowHeight) }
    return out + "</svg>\n"
  }

  private func draw(_ row: (result: JGLUEResult, metric: String), y: Double) -> String {
    let (result, metric) = row
    let own = result.mean(metric), deviation = result.deviation(metric)
    let published = PublishedScores.all.compactMap { model in model[result.task, metric].map { (model.model, $0) } }
    // From a round number below all scores up to 1, so that differences show; from below 0 if a score is negative.
    let lowest = min(own - deviation, published.map(\.1).min() ?? own)
    let low = lowest >= 0 ? max(0, (lowest * 10 - 0.5).rounded(.down) / 10) : -1
    func x(_ value: Double) -> Double { Self.left + (value - low) / (1 - low) * Self.width }
    let middle = y + 14
    var out = text(result.task.title, x: 16, y: middle + 1, kind: "name")
    out += text(JGLUETable.title(metric), x: 16, y: middle + 15, kind: "small")
    out += box(x: Self.left, y: y, width: Self.width, height: 28, kind: "panel")
    out += box(x: Self.left, y: y + 5, width: max(0, x(own) - Self.left), height: 18, kind: "bar")
    if deviation > 0 {
      let ends = (x(max(low, own - deviation)), x(min(1, own + deviation)))
      out += "<path class=\"spread\" d=\"M\(fixed(ends.0, 1)) \(fixed(middle, 1))H\(fixed(ends.1, 1))\"/>\n"
    }
    for (name, score) in published {
      let kind = name == "Human" ? "human" : "mark"
      out += "<path class=\"\(kind)\" d=\"M\(fixed(x(score), 1)) \(fixed(y + 1, 1))v26\">"
      out += "<title>\(Self.escaped(name)): \(fixed(score, 3))</title></path>\n"
    }
    out += text(fixed(low, 1), x: Self.left, y: y + 39, kind: "small")
    out += text("1.0", x: Self.left + Self.width, y: y + 39, kind: "small", anchor: "end")
    out += text(fixed(own, 3), x: Self.left + Self.width + 10, y: middle + 5, kind: "name")
    return out
  }

  private func text(_ text: String, x: Double, y: Double, kind: String, anchor: String = "start") -> String {
    "<text class=\"\(kind)\" x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" text-anchor=\"\(anchor)\">"
      + "\(Self.escaped(text))</text>\n"
  }

  private func box(x: Double, y: Double, width: Double, height: Double, kind: String) -> String {
    "<rect class=\"\(kind)\" x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" width=\"\(fixed(width, 1))\" "
      + "height=\"\(fixed(height, 1))\"/>\n"
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

  private static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      // Control characters are not allowed in XML.
      case _ where scalar.value < 0x20: out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
