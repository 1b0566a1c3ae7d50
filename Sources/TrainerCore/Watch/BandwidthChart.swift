import ShardKit

/// Bandwidth by the size of messages as an SVG picture, readable on light and dark pages.
///
/// Sizes stand at equal distances, since each is twice the one before.
public struct BandwidthChart {
  private static let width = 860.0, height = 360.0
  private static let left = 76.0, right = 730.0, top = 78.0, bottom = 300.0

  private let result: AllReduceResult
  private let axis: ChartAxis
  /// What the axis's numbers are divided by, and its name.
  private let unit: (bytes: Double, name: String)

  /// The picture of a measurement.
  public static func svg(_ result: AllReduceResult) -> String { BandwidthChart(result).markup }

  private init(_ result: AllReduceResult) {
    self.result = result
    let most = result.points.map { max($0.busBytesPerSecond, $0.algorithmBytesPerSecond) }.max() ?? 1
    unit = most >= 1e9 ? (1e9, "GB/s") : (1e6, "MB/s")
    let bytes = unit.bytes
    axis = ChartAxis(
      result.points.flatMap { [$0.busBytesPerSecond / bytes, $0.algorithmBytesPerSecond / bytes] }, includesZero: true,
      count: 6)
  }

  private func x(_ place: Int) -> Double {
    Self.left + (Double(place) + 0.5) / Double(max(1, result.points.count)) * (Self.right - Self.left)
  }

  private func y(_ bytesPerSecond: Double) -> Double {
    Self.bottom - axis.position(bytesPerSecond / unit.bytes) * (Self.bottom - Self.top)
  }

  private var title: String {
    "All-reduce over \(result.processes) processes, \(result.backend), \(result.device)"
  }

  private var summary: String {
    guard let best = result.best else { return "nothing was measured" }
    return "at best \(value(best.busBytesPerSecond)) bus bandwidth, with messages of \(binarySize(best.bytes))"
  }

  private func value(_ bytesPerSecond: Double) -> String {
    "\(ChartNumber.value(bytesPerSecond / unit.bytes)) \(unit.name)"
  }

  private var markup: String {
    var svg = SVGDocument(width: Self.width, height: Self.height) { trimmed($0, 1) }
    svg.text(title, x: Self.left, y: 28, kind: "head")
    svg.text(summary, x: Self.left, y: 48, kind: "small")
    svg.text(unit.name, x: Self.left, y: Self.top - 8, kind: "name")
    svg.box(x: Self.left, y: Self.top, width: Self.right - Self.left, height: Self.bottom - Self.top, kind: "panel")
    for tick in axis.ticks {
      let place = y(tick * unit.bytes)
      svg.line([(Self.left, place), (Self.right, place)], kind: "grid")
      svg.text(ChartNumber.value(tick), x: Self.left - 8, y: place + 4, kind: "small", anchor: "end")
    }
    curve("bus", \.busBytesPerSecond, in: &svg)
    curve("algorithm", \.algorithmBytesPerSecond, in: &svg)
    // Every size if there is room.
    let every = max(1, (result.points.count + 9) / 10)
    for (place, point) in result.points.enumerated() where place % every == 0 {
      svg.text(binarySize(point.bytes), x: x(place), y: Self.bottom + 18, kind: "small", anchor: "middle")
    }
    svg.text("message", x: Self.right, y: Self.bottom + 36, kind: "small", anchor: "end")
    return svg.markup(kind: "bandwidth", title: title, description: "\(title): \(summary).", style: Self.style)
  }

  private func curve(_ name: String, _ value: KeyPath<AllReducePoint, Double>, in svg: inout SVGDocument) {
    let places = result.points.enumerated().map { (x($0), y($1[keyPath: value])) }
    if places.count > 1 { svg.line(places, kind: name) }
    for (place, point) in zip(places, result.points) {
      svg.dot(place, kind: "\(name)-dot", tip: "\(binarySize(point.bytes)): \(self.value(point[keyPath: value]))")
    }
    // The upper label for bus bandwidth: with more than two processes it is the higher one.
    let offset = name == "bus" ? -4.0 : 12.0
    if let last = places.last { svg.text(name, x: Self.right + 10, y: last.1 + offset, kind: "name \(name)-name") }
  }

  /// The colors of the training chart.
  private static let style = """
    .bandwidth text { font: 12px system-ui, sans-serif; fill: #1c2330; font-variant-numeric: tabular-nums; }
    .bandwidth .head { font-size: 15px; font-weight: 600; } .bandwidth .name { font-weight: 600; }
    .bandwidth .small { font-size: 11px; fill: #5b6676; } .bandwidth path { fill: none; stroke-linejoin: round; }
    .bandwidth .page { fill: #fff; } .bandwidth .panel { fill: #f4f6f9; }
    .bandwidth .grid { stroke: #c9d1dc; stroke-width: .6; } .bandwidth .bus { stroke: #24476b; stroke-width: 1.8; }
    .bandwidth .bus-dot { fill: #24476b; } .bandwidth .algorithm { stroke: #d2573f; stroke-width: 1.8; }
    .bandwidth .algorithm-dot, .bandwidth .algorithm-name { fill: #d2573f; } .bandwidth .bus-name { fill: #24476b; }
    @media (prefers-color-scheme: dark) { .bandwidth text { fill: #e4e8ee; } .bandwidth .small { fill: #9aa5b4; }
    .bandwidth .page { fill: #14181e; } .bandwidth .panel { fill: #1d232b; } .bandwidth .grid { stroke: #3a4350; }
    .bandwidth .bus { stroke: #9cc3ea; } .bandwidth .bus-dot { fill: #9cc3ea; }
    .bandwidth .algorithm { stroke: #e5775f; } .bandwidth .algorithm-dot, .bandwidth .algorithm-name { fill: #e5775f; }
    .bandwidth .bus-name { fill: #9cc3ea; } }
    """
}

/// `512 B`, `4 KiB`, `64 MiB`
public func binarySize(_ bytes: Int) -> String {
  var value = bytes, unit = 0
  let units = ["B", "KiB", "MiB", "GiB", "TiB"]
  while value >= 1024, value % 1024 == 0, unit < units.count - 1 {
    value /= 1024
    unit += 1
  }
  return "\(value) \(units[unit])"
}
