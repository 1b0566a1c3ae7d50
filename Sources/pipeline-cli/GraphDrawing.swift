import PipelineKit
import ShardKit

/// The graph of stages and their inputs.
enum GraphDrawing {
  private static let box = (width: 200.0, height: 62.0)
  private static let gap = (x: 70.0, y: 22.0)

  static func svg(_ report: LineageReport) -> String {
    let layers = StageLayers(report)
    let rows = layers.columns.map(\.count).max() ?? 0
    let height = Double(rows) * (box.height + gap.y) + gap.y
    var svg = SVGDocument(
      width: Double(layers.columns.count) * (box.width + gap.x) + 20, height: height, shown: { visible($0) })
    var places = [(x: Double, y: Double)](repeating: (0, 0), count: report.stages.count)
    for (column, stages) in layers.columns.enumerated() {
      let used = Double(stages.count) * (box.height + gap.y) - gap.y
      for (row, stage) in stages.enumerated() {
        places[stage] = (
          10 + Double(column) * (box.width + gap.x), (height - used) / 2 + Double(row) * (box.height + gap.y)
        )
      }
    }
    for (stage, sources) in layers.sources.enumerated() {
      for source in sources {
        svg.curve(
          from: (places[source].x + box.width, places[source].y + box.height / 2),
          to: (places[stage].x, places[stage].y + box.height / 2), kind: "wire",
          tip: "\(report.stages[source].name) → \(report.stages[stage].name)")
      }
    }
    for (index, stage) in report.stages.enumerated() { draw(stage, at: places[index], in: &svg) }
    return svg.markup
  }

  private static func draw(_ stage: StageLineage, at place: (x: Double, y: Double), in svg: inout SVGDocument) {
    svg.box(
      x: place.x, y: place.y, width: box.width, height: box.height, kind: stage.made == nil ? "stage empty" : "stage",
      radius: 7, tip: "\(stage.name): \(stage.use), revision \(stage.revision)")
    svg.text(fitted(stage.name, columns: 24), x: place.x + 12, y: place.y + 22, kind: "name")
    svg.text(fitted(stage.use, columns: 28), x: place.x + 12, y: place.y + 38, kind: "small")
    svg.text(counts(stage), x: place.x + 12, y: place.y + 54, kind: "small")
  }

  private static func counts(_ stage: StageLineage) -> String {
    guard let ledger = stage.made?.ledger else { return "no finished output" }
    if ledger.output.documents == 0, ledger.consumed.documents > 0 {
      return "\(Quantities.count(ledger.consumed.documents)) documents read"
    }
    if ledger.input.documents == 0 { return "\(Quantities.count(ledger.output.documents)) documents" }
    return "\(Quantities.count(ledger.input.documents)) → \(Quantities.count(ledger.output.documents)) documents"
  }
}
