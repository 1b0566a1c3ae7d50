/// A chart being drawn: elements of an SVG that brings its own colors, for light and for dark.
struct ChartMarkup {
  private var body = ""
  private var clips = 0
  private let width: Double
  private let height: Double
  private let title: String
  private let description: String

  init(width: Double, height: Double, title: String, description: String) {
    self.width = width
    self.height = height
    self.title = title
    self.description = description
  }

  mutating func text(_ text: String, x: Double, y: Double, kind: String, anchor: String = "start") {
    body +=
      "<text class=\"\(kind)\" x=\"\(short(x))\" y=\"\(short(y))\" text-anchor=\"\(anchor)\">\(escaped(text))</text>\n"
  }

  mutating func box(x: Double, y: Double, width: Double, height: Double, kind: String) {
    body +=
      "<rect class=\"\(kind)\" x=\"\(short(x))\" y=\"\(short(y))\" width=\"\(short(width))\" "
      + "height=\"\(short(height))\"/>\n"
  }

  mutating func line(_ places: [(x: Double, y: Double)], kind: String, tip: String? = nil) {
    let path = places.map { "\(short($0.x)) \(short($0.y))" }.joined(separator: "L")
    body += "<path class=\"\(kind)\" d=\"M\(path)\"" + closed("path", tip: tip)
  }

  mutating func dot(_ place: (x: Double, y: Double), kind: String, tip: String) {
    body +=
      "<circle class=\"\(kind)\" cx=\"\(short(place.x))\" cy=\"\(short(place.y))\" r=\"2.6\""
      + closed("circle", tip: tip)
  }

  private func closed(_ element: String, tip: String?) -> String {
    tip.map { "><title>\(escaped($0))</title></\(element)>\n" } ?? "/>\n"
  }

  /// What follows, until `end`, shows inside a box only.
  mutating func begin(clippedTo box: (x: Double, y: Double, width: Double, height: Double)) {
    clips += 1
    let name = "training-panel-\(clips)"
    body +=
      "<clipPath id=\"\(name)\"><rect x=\"\(short(box.x))\" y=\"\(short(box.y))\" width=\"\(short(box.width))\" "
      + "height=\"\(short(box.height))\"/></clipPath>\n<g clip-path=\"url(#\(name))\">\n"
  }

  mutating func end() { body += "</g>\n" }

  var markup: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" class="training" role="img" width="\(short(width))" \
    height="\(short(height))" viewBox="0 0 \(short(width)) \(short(height))" aria-label="\(escaped(title))">
    <title>\(escaped(title))</title>
    <desc>\(escaped(description))</desc>
    <style>\(Self.style)</style>
    <rect class="page" width="100%" height="100%"/>
    \(body)</svg>

    """
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
    @media (prefers-color-scheme: dark) { .training text { fill: #e4e8ee; } .training .small { fill: #9aa5b4; }
    .training .page { fill: #14181e; } .training .panel { fill: #1d232b; } .training .grid { stroke: #3a4350; }
    .training .raw { stroke: #5b9bd8; } .training .curve { stroke: #9cc3ea; } .training .dot { fill: #9cc3ea; }
    .training .gap { stroke: #e5775f; } }
    """

  private func short(_ value: Double) -> String { ChartNumber.trimmed(value, decimals: 1) }

  private func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      // Controls have no place in XML.
      case _ where scalar.value < 0x20: out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
