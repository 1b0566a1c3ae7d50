import ShardKit

/// Loss, learning rate and gradient norm over the steps as an SVG picture, readable on light and dark pages.
///
/// Every panel shows the values as they were, thinned to 2,000 points, and the loss and the norm also a smoothed line.
/// The largest thousandths of spikes leave the panel rather than flatten the rest.
public struct TrainingChart {
  private struct Panel {
    var name: String
    var series: ChartSeries
    var top: Double
    var height: Double
    var axis: ChartAxis
    var smooth: [ChartSeries.Point]
  }

  private static let width = 860.0
  private static let left = 66.0
  private static let right = 786.0
  private static let rawPoints = 2000
  private static let smoothPoints = 500
  private static let heldOutDots = 200

  private let title: String
  private let points: [TrainingPoint]
  private let steps: ChartAxis
  private let panels: [Panel]
  /// Losses on held-out tokens, in the panel of the loss.
  private let heldOut: [HeldOutCurve]

  /// - Parameters:
  ///   - points: in ascending order of steps.
  ///   - heldOut: scores on held-out tokens, likewise.
  public static func svg(_ points: [TrainingPoint], heldOut: [HeldOutRecord] = [], title: String) -> String {
    TrainingChart(points, HeldOutCurve.all(heldOut), title: title).markup
  }

  private init(_ points: [TrainingPoint], _ heldOut: [HeldOutCurve], title: String) {
    self.title = title
    self.points = points
    self.heldOut = heldOut
    steps = ChartAxis(steps: (points.first?.step ?? 0)...max(points.first?.step ?? 0, points.last?.step ?? 1), count: 7)
    func series(_ value: KeyPath<TrainingPoint, Double>) -> ChartSeries {
      ChartSeries(points.map { .init(step: Double($0.step), value: $0[keyPath: value]) })
    }
    panels = [
      Self.panel(
        "loss", series(\.loss), top: 78, height: 230, smooths: true,
        beside: heldOut.flatMap { $0.series.points.map(\.value) }),
      Self.panel("learning rate", series(\.learningRate), top: 346, height: 90, fromZero: true),
      Self.panel("gradient norm", series(\.gradientNorm), top: 474, height: 120, fromZero: true, smooths: true),
    ]
  }

  private static func panel(
    _ name: String, _ series: ChartSeries, top: Double, height: Double, fromZero: Bool = false, smooths: Bool = false,
    beside others: [Double] = []
  ) -> Panel {
    let smooth = smooths ? series.smoothed(to: smoothPoints) : []
    let shown = smooths ? series.values(withoutPerMille: 2) : series.points.map(\.value)
    let axis = ChartAxis(shown + smooth.map(\.value) + others, includesZero: fromZero, count: height > 150 ? 6 : 3)
    return Panel(name: name, series: series, top: top, height: height, axis: axis, smooth: smooth)
  }

  // MARK: Places

  private func x(_ step: Double) -> Double { Self.left + steps.position(step) * (Self.right - Self.left) }

  private func y(_ value: Double, _ panel: Panel) -> Double {
    // Spikes may leave the panel; far away they would only blow up the numbers.
    let position = min(max(panel.axis.position(value), -4), 4)
    return panel.top + panel.height * (1 - position)
  }

  // MARK: Drawing

  private var markup: String {
    let height = (panels.last.map { $0.top + $0.height } ?? 0) + 44
    var svg = SVGDocument(width: Self.width, height: height) { trimmed($0, 1) }
    svg.text(title, x: Self.left, y: 28, kind: "head")
    svg.text(summary, x: Self.left, y: 48, kind: "small")
    for panel in panels { draw(panel, in: &svg) }
    let bottom = height - 44
    for tick in steps.ticks {
      svg.text(ChartNumber.short(tick), x: x(tick), y: bottom + 18, kind: "small", anchor: "middle")
    }
    svg.text("step", x: Self.right, y: bottom + 34, kind: "small", anchor: "end")
    return svg.markup(kind: "training", title: title, description: description, style: Self.style)
  }

  private func draw(_ panel: Panel, in svg: inout SVGDocument) {
    let bottom = panel.top + panel.height
    svg.text(panel.name, x: Self.left, y: panel.top - 8, kind: "name")
    if panel.name == "loss" {
      for (place, line) in heldOut.enumerated() where place < 4 {
        svg.text(
          "held out: \(line.name)", x: Self.right - 150 * Double(place), y: panel.top - 8, kind: "small \(line.kind)",
          anchor: "end")
      }
    }
    svg.box(x: Self.left, y: panel.top, width: Self.right - Self.left, height: panel.height, kind: "panel")
    for tick in panel.axis.ticks {
      let place = y(tick, panel)
      svg.line([(Self.left, place), (Self.right, place)], kind: "grid")
      svg.text(ChartNumber.value(tick), x: Self.left - 8, y: place + 4, kind: "small", anchor: "end")
    }
    for tick in steps.ticks { svg.line([(x(tick), panel.top), (x(tick), bottom)], kind: "grid") }
    svg.begin(
      clippedTo: (Self.left, panel.top - 2, Self.right - Self.left + 3, panel.height + 4), name: "training-panel")
    let raw = panel.series.thinned(to: Self.rawPoints)
    curve(raw, panel, kind: panel.smooth.isEmpty ? "curve" : "raw", dots: raw.count <= 40, in: &svg)
    curve(panel.smooth, panel, kind: "curve", in: &svg)
    if panel.name == "loss" { drawHeldOut(panel, in: &svg) }
    svg.end()
    if panel.name == "loss" {
      for step in panel.series.gaps.prefix(200) {
        svg.line(
          [(x(step), bottom - 12), (x(step), bottom)], kind: "gap", tip: "step \(Int(step)): not a finite number")
      }
    }
    if let last = panel.smooth.last(where: { !$0.value.isNaN }) ?? panel.series.last {
      let place = min(max(y(last.value, panel), panel.top + 6), bottom)
      svg.text(ChartNumber.value(last.value), x: Self.right + 8, y: place + 4, kind: "name")
    }
  }

  /// Dashed lines with dots.
  private func drawHeldOut(_ panel: Panel, in svg: inout SVGDocument) {
    for line in heldOut {
      let points = line.series.points.filter { !$0.value.isNaN }
      svg.line(points.map { (x($0.step), y($0.value, panel)) }, kind: line.kind)
      for point in points.count <= Self.heldOutDots ? points : [] {
        let tip = "\(line.name), step \(grouped(Int(point.step))): \(ChartNumber.value(point.value))"
        svg.dot((x(point.step), y(point.value, panel)), kind: "dot", tip: tip)
      }
    }
  }

  /// A line, broken at gaps; points between two gaps as dots.
  private func curve(
    _ points: [ChartSeries.Point], _ panel: Panel, kind: String, dots: Bool = false, in svg: inout SVGDocument
  ) {
    for run in points.split(whereSeparator: { $0.value.isNaN }) {
      let places = run.map { (x($0.step), y($0.value, panel)) }
      if places.count > 1 { svg.line(places, kind: kind) }
      guard dots || places.count == 1 else { continue }
      for (place, point) in zip(places, run) {
        svg.dot(
          place, kind: "dot", tip: "step \(grouped(Int(point.step))): \(ChartNumber.value(point.value))")
      }
    }
  }

  /// The colors of the lineage page; spelled out, because not every viewer knows variables.
  private static let style = """
    .training text { font: 12px system-ui, sans-serif; fill: #1c2330; font-variant-numeric: tabular-nums; }
    .training .head { font-size: 15px; font-weight: 600; } .training .name { font-weight: 600; }
    .training .small { font-size: 11px; fill: #5b6676; } .training path { fill: none; stroke-linejoin: round; }
    .training .page { fill: #fff; } .training .panel { fill: #f4f6f9; } .training .grid { stroke: #c9d1dc; stroke-width: .6; }
    .training .raw { stroke: #3f7fbf; stroke-width: .9; opacity: .38; }
    .training .curve { stroke: #24476b; stroke-width: 1.8; } .training .dot { fill: #24476b; }
    .training .gap { stroke: #d2573f; stroke-width: 1.6; }
    .training .held { stroke-width: 1.6; stroke-dasharray: 5 3; } .training text.held { stroke: none; }
    .training .held0 { stroke: #c1581b; } .training text.held0 { fill: #c1581b; }
    .training .held1 { stroke: #2c7a4b; } .training text.held1 { fill: #2c7a4b; }
    .training .held2 { stroke: #7b4ba0; } .training text.held2 { fill: #7b4ba0; }
    .training .held3 { stroke: #8a6d1a; } .training text.held3 { fill: #8a6d1a; }
    @media (prefers-color-scheme: dark) { .training text { fill: #e4e8ee; } .training .small { fill: #9aa5b4; }
    .training .page { fill: #14181e; } .training .panel { fill: #1d232b; } .training .grid { stroke: #3a4350; }
    .training .raw { stroke: #5b9bd8; } .training .curve { stroke: #9cc3ea; } .training .dot { fill: #9cc3ea; }
    .training .gap { stroke: #e5775f; } }
    """

  // MARK: Words

  private var summary: String {
    guard let last = points.last else { return "no steps yet" }
    var parts = ["step \(grouped(last.step))"]
    for panel in panels {
      if let value = panel.series.last { parts.append("\(panel.name) \(ChartNumber.value(value.value))") }
    }
    return parts.joined(separator: "  ·  ")
  }

  /// What the picture shows, for those who do not see it.
  private var description: String {
    guard points.count > 0 else { return "There are no steps yet." }
    var sentences: [String] = []
    for panel in panels {
      let values = panel.series.points.map(\.value).filter { !$0.isNaN }
      guard let first = panel.series.first, let last = panel.series.last, let low = values.min(),
        let high = values.max()
      else {
        sentences.append("The \(panel.name) is unknown.")
        continue
      }
      sentences.append(
        "The \(panel.name) goes from \(ChartNumber.value(first.value)) at step \(grouped(Int(first.step))) to "
          + "\(ChartNumber.value(last.value)) at step \(grouped(Int(last.step))), between "
          + "\(ChartNumber.value(low)) and \(ChartNumber.value(high)).")
    }
    for line in heldOut {
      guard let last = line.series.last, let low = line.series.points.map(\.value).filter({ !$0.isNaN }).min() else {
        continue
      }
      sentences.append(
        "The loss on the held-out tokens '\(line.name)' is \(ChartNumber.value(last.value)) at step "
          + "\(grouped(Int(last.step))); its lowest is \(ChartNumber.value(low)).")
    }
    let gaps = panels[0].series.gaps.count
    if gaps > 0 { sentences.append("The loss is no finite number at \(grouped(gaps)) steps.") }
    return sentences.joined(separator: " ")
  }
}

/// The losses on one held-out set.
private struct HeldOutCurve {
  var name: String
  var series: ChartSeries
  /// The class of its line.
  var kind: String
  private static let colors = 4

  /// A curve per set, in the order in which sets first appear.
  static func all(_ records: [HeldOutRecord]) -> [HeldOutCurve] {
    var names: [String] = []
    for score in records.flatMap(\.scores) where !names.contains(score.name) { names.append(score.name) }
    return names.enumerated().map { place, name in
      let points = records.compactMap { record in
        record.scores.first { $0.name == name }.map { ChartSeries.Point(step: Double(record.step), value: $0.loss) }
      }
      return HeldOutCurve(name: name, series: ChartSeries(points), kind: "held held\(place % colors)")
    }
  }
}
