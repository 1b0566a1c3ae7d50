import ShardKit
import Stages

/// Builds the elements of an SVG image.
struct SVG {
  private var body = ""
  let width: Double
  let height: Double

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  mutating func add(_ element: String) { body += element + "\n" }

  mutating func text(
    _ text: String, x: Double, y: Double, kind: String, anchor: String = "start", tip: String? = nil
  ) {
    let title = tip.map { "<title>\(escaped($0))</title>" } ?? ""
    add(
      "<text class=\"\(kind)\" x=\"\(short(x))\" y=\"\(short(y))\" text-anchor=\"\(anchor)\">\(title)\(escaped(text))</text>"
    )
  }

  mutating func box(x: Double, y: Double, width: Double, height: Double, kind: String, radius: Double = 0, tip: String)
  {
    add(
      "<rect class=\"\(kind)\" x=\"\(short(x))\" y=\"\(short(y))\" width=\"\(short(width))\" height=\"\(short(height))\" "
        + "rx=\"\(short(radius))\"><title>\(escaped(tip))</title></rect>")
  }

  /// A curve that is horizontal at both ends.
  mutating func curve(from a: (x: Double, y: Double), to b: (x: Double, y: Double), kind: String, tip: String) {
    let middle = (a.x + b.x) / 2
    add(
      "<path class=\"\(kind)\" d=\"M\(short(a.x)) \(short(a.y)) C\(short(middle)) \(short(a.y)) \(short(middle)) "
        + "\(short(b.y)) \(short(b.x)) \(short(b.y))\"><title>\(escaped(tip))</title></path>")
  }

  /// A band of constant thickness between two points, given by its upper edge.
  mutating func ribbon(
    from a: (x: Double, y: Double), to b: (x: Double, y: Double), thickness: Double, kind: String, tip: String
  ) {
    let middle = (a.x + b.x) / 2
    let low = (a: a.y + thickness, b: b.y + thickness)
    add(
      "<path class=\"\(kind)\" d=\"M\(short(a.x)) \(short(a.y)) C\(short(middle)) \(short(a.y)) \(short(middle)) "
        + "\(short(b.y)) \(short(b.x)) \(short(b.y)) L\(short(b.x)) \(short(low.b)) C\(short(middle)) \(short(low.b)) "
        + "\(short(middle)) \(short(low.a)) \(short(a.x)) \(short(low.a)) Z\"><title>\(escaped(tip))</title></path>")
  }

  var markup: String {
    "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"\(short(width))\" height=\"\(short(height))\" "
      + "viewBox=\"0 0 \(short(width)) \(short(height))\">\n\(body)</svg>\n"
  }

  private func short(_ value: Double) -> String { fixed(value, 1) }
}

/// Escapes text for HTML and SVG, and makes control characters visible.
func escaped(_ text: String) -> String {
  var out = ""
  for scalar in visible(text).unicodeScalars {
    switch scalar {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}
