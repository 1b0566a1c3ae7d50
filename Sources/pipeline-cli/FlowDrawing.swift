import PipelineKit
import ShardKit

/// A Sankey diagram of the documents through the stages: band thickness is proportional to their number; drops branch
/// off, by reason.
struct FlowDrawing {
  private struct Bar {
    var x = 0.0
    var y = 0.0
    var height = 0.0
    /// How much of each side is used so far.
    var filledLeft = 0.0
    var filledRight = 0.0
  }

  private struct Drop {
    var reason: String
    var documents: Int
  }

  private let report: LineageReport
  private let layers: StageLayers
  private var bars: [Bar]
  private var scale = 1.0
  private static let barWidth = 14.0
  private static let columnWidth = 260.0
  private static let labelHeight = 34.0
  private static let dropHeight = 17.0

  static func svg(_ report: LineageReport) -> String {
    var drawing = FlowDrawing(report)
    return drawing.drawn()
  }

  private init(_ report: LineageReport) {
    self.report = report
    layers = StageLayers(report)
    bars = [Bar](repeating: Bar(), count: report.stages.count)
  }

  // MARK: Measures

  private func wires(from stage: Int) -> [(reader: Int, documents: Int)] {
    let name = report.stages[stage].name
    return report.stages.indices.flatMap { reader in
      report.stages[reader].inputs.filter { $0.stage == name }.map { (reader, $0.documents) }
    }
  }

  /// The most frequent reasons; all others are summed.
  private func drops(of stage: Int) -> [Drop] {
    guard let ledger = report.stages[stage].made?.ledger else { return [] }
    let all = ledger.dropped.sorted { ($1.value.documents, $0.key) < ($0.value.documents, $1.key) }
      .map { Drop(reason: $0.key, documents: $0.value.documents) }
    guard all.count > 5 else { return all }
    let rest = all[4...].reduce(0) { $0 + $1.documents }
    return all.prefix(4) + [Drop(reason: "\(all.count - 4) more reasons", documents: rest)]
  }

  private func documents(at stage: Int) -> Int {
    let ledger = report.stages[stage].made?.ledger
    let out = wires(from: stage).reduce(0) { $0 + $1.documents } + (ledger?.droppedDocuments ?? 0)
    let wired = report.stages[stage].inputs.reduce(0) { $0 + $1.documents }
    return max(out, wired, ledger?.input.documents ?? 0, ledger?.output.documents ?? 0)
  }

  private func room(of stage: Int) -> Double {
    let dropped = Double(drops(of: stage).count) * Self.dropHeight
    return max(2, Double(documents(at: stage)) * scale) + Self.labelHeight + dropped
  }

  // MARK: Drawing

  private mutating func drawn() -> String {
    let largest = layers.columns.map { $0.reduce(0) { $0 + documents(at: $1) } }.max() ?? 0
    scale = largest > 0 ? 420 / Double(largest) : 0
    let height = (layers.columns.map { $0.reduce(0.0) { $0 + room(of: $1) } }.max() ?? 0) + 30
    var svg = SVGDocument(
      width: Double(layers.columns.count) * Self.columnWidth + 40, height: height, shown: { visible($0) })
    for (column, stages) in layers.columns.enumerated() {
      let used = stages.reduce(0.0) { $0 + room(of: $1) }
      var y = (height - used) / 2 + Self.labelHeight - 8
      for stage in stages {
        bars[stage] = Bar(
          x: 20 + Double(column) * Self.columnWidth, y: y, height: max(2, Double(documents(at: stage)) * scale))
        y += room(of: stage)
      }
    }
    for stage in report.stages.indices { drawBands(of: stage, in: &svg) }
    for stage in report.stages.indices { drawBar(stage, in: &svg) }
    return svg.markup
  }

  private mutating func drawBands(of stage: Int, in svg: inout SVGDocument) {
    let name = report.stages[stage].name
    for wire in wires(from: stage).sorted(by: { bars[$0.reader].y < bars[$1.reader].y }) {
      let thickness = max(1, Double(wire.documents) * scale)
      svg.ribbon(
        from: (bars[stage].x + Self.barWidth, bars[stage].y + bars[stage].filledRight),
        to: (bars[wire.reader].x, bars[wire.reader].y + bars[wire.reader].filledLeft), thickness: thickness,
        kind: "band",
        tip: "\(name) → \(report.stages[wire.reader].name): \(Quantities.count(wire.documents)) documents")
      bars[stage].filledRight += Double(wire.documents) * scale
      bars[wire.reader].filledLeft += Double(wire.documents) * scale
    }
    drawDrops(of: stage, in: &svg)
  }

  private mutating func drawDrops(of stage: Int, in svg: inout SVGDocument) {
    let bar = bars[stage]
    var label = bar.y + bar.height + 14
    for drop in drops(of: stage) {
      let thickness = Double(drop.documents) * scale
      let start = (x: bar.x + Self.barWidth, y: bar.y + bars[stage].filledRight)
      let tip = "\(report.stages[stage].name): \(Quantities.count(drop.documents)) dropped as \(drop.reason)"
      svg.ribbon(
        from: start, to: (start.x + 26, max(start.y + 6, label - 4 - thickness)), thickness: max(0.8, thickness),
        kind: "drop", tip: tip)
      bars[stage].filledRight += thickness
      svg.text(
        "\(drop.reason) \(Quantities.count(drop.documents))", x: start.x + 32, y: label, kind: "reason", tip: tip)
      label += Self.dropHeight
    }
  }

  private func drawBar(_ stage: Int, in svg: inout SVGDocument) {
    let bar = bars[stage]
    let item = report.stages[stage]
    let documents = documents(at: stage)
    let tip = "\(item.name): \(Quantities.count(documents)) documents"
    svg.box(
      x: bar.x, y: bar.y, width: Self.barWidth, height: bar.height, kind: item.made == nil ? "bar empty" : "bar",
      radius: 2, tip: tip)
    svg.text(
      "\(fitted(item.name, columns: 22))  \(Quantities.count(documents))", x: bar.x, y: bar.y - 6, kind: "name",
      tip: tip)
  }
}
