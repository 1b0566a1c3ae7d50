import PipelineKit
import ShardKit

/// What a stage would keep at each value of a sweep.
struct SweepCurve {
  private let name: String
  private let stage: String
  private let weight: String
  private let points: [(value: String, answer: WhatIfAnswer)]
  private let total: Double

  init(_ sweep: Sweep, _ answer: WhatIf, weight: String) {
    name = sweep.name
    stage = answer.stage
    self.weight = answer.answers[0].weight ?? weight
    points = Array(zip(sweep.values, answer.answers.dropFirst())).map { (value: $0.0, answer: $0.1) }
    let now = answer.answers[0]
    total = now.kept.weight + now.dropped.values.reduce(0) { $0 + $1.weight }
  }

  private func share(_ answer: WhatIfAnswer) -> Double {
    let share = answer.kept.weight / total
    // Weights may be negative.
    return share.isFinite ? min(max(share, 0), 1) : 0
  }

  func lines(_ style: Style) -> [String] {
    var table = TextTable([(name, .right), ("kept", .right), (weight, .right), ("share", .right), ("", .left)])
    for (value, answer) in points {
      let bar = String(repeating: "█", count: Int((share(answer) * 40).rounded()))
      table.add([
        value, Quantities.count(answer.kept.documents), Quantities.short(answer.kept.weight),
        fixed(100 * share(answer), 2) + "%", bar,
      ])
    }
    return table.lines(style)
  }

  var json: JSONValue {
    [
      "stage": .string(stage), "sweep": .string(name), "weight": .string(weight),
      "points": .list(
        points.map { value, answer in
          .object([JSONMember("value", .string(value))] + (answer.json.members ?? []))
        }),
    ]
  }

  /// The kept share over the values.
  var svg: String {
    let (width, height, left, bottom) = (640.0, 360.0, 60.0, 40.0)
    var picture = SVGDocument(width: width, height: height)
    func x(_ place: Int) -> Double {
      left + (width - left - 20) * (points.count > 1 ? Double(place) / Double(points.count - 1) : 0.5)
    }
    func y(_ share: Double) -> Double { 20 + (height - bottom - 20) * (1 - share) }
    for tick in stride(from: 0.0, through: 1.0, by: 0.25) {
      picture.line([(left, y(tick)), (width - 20, y(tick))], kind: "grid")
      picture.text("\(Int(tick * 100))%", x: left - 8, y: y(tick) + 4, kind: "label", anchor: "end")
    }
    let every = max(1, points.count / 10)
    for (place, point) in points.enumerated() where place % every == 0 {
      picture.text(point.value, x: x(place), y: height - bottom + 18, kind: "label", anchor: "middle")
    }
    picture.line(points.enumerated().map { (x($0), y(share($1.answer))) }, kind: "curve")
    for (place, point) in points.enumerated() {
      let tip =
        "\(name) = \(point.value): \(Quantities.count(point.answer.kept.documents)) documents, \(fixed(100 * share(point.answer), 2))%"
      picture.dot((x(place), y(share(point.answer))), kind: "dot", tip: tip)
    }
    picture.text(
      "\(stage): share of \(weight) kept by \(name)", x: width / 2, y: height - 6, kind: "title", anchor: "middle")
    return picture.markup(kind: "sweep", title: "\(stage): what is kept by \(name)", style: Self.style)
  }

  private static let style = """
    .page { fill: #fff } text { font: 12px sans-serif; fill: #444 } .title { font-weight: 600 } .grid { stroke: #ddd; fill: none }
    .curve { stroke: #2a6f97; stroke-width: 2; fill: none } .dot { fill: #2a6f97 }
    """
}
