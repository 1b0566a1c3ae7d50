/// A picture being drawn: elements of an SVG, whose looks its classes decide.
public struct SVGDocument {
  public typealias Place = (x: Double, y: Double)

  private var body = ""
  private var clips = 0
  private let width: Double
  private let height: Double
  /// Writes a coordinate.
  private let number: (Double) -> String
  /// What the texts go through before they are escaped.
  private let shown: (String) -> String

  public init(
    width: Double, height: Double, number: @escaping (Double) -> String = { fixed($0, 1) },
    shown: @escaping (String) -> String = { $0 }
  ) {
    self.width = width
    self.height = height
    self.number = number
    self.shown = shown
  }

  public mutating func text(
    _ text: String, x: Double, y: Double, kind: String, anchor: String = "start", tip: String? = nil
  ) {
    body += "<text class=\"\(kind)\" x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">"
    body += "\(title(tip))\(escaped(text))</text>\n"
  }

  public mutating func box(
    x: Double, y: Double, width: Double, height: Double, kind: String, radius: Double? = nil, tip: String? = nil
  ) {
    let corners = radius.map { " rx=\"\(number($0))\"" } ?? ""
    add("rect", "class=\"\(kind)\" \(frame(x, y, width, height))\(corners)", tip: tip)
  }

  public mutating func line(_ places: [Place], kind: String, tip: String? = nil) {
    path("M" + places.map(point).joined(separator: "L"), kind: kind, tip: tip)
  }

  public mutating func dot(_ place: Place, kind: String, tip: String) {
    add("circle", "class=\"\(kind)\" cx=\"\(number(place.x))\" cy=\"\(number(place.y))\" r=\"2.6\"", tip: tip)
  }

  /// A curve that is horizontal at both ends.
  public mutating func curve(from a: Place, to b: Place, kind: String, tip: String) {
    path("M\(point(a)) \(bend(a, b))", kind: kind, tip: tip)
  }

  /// A band of constant thickness between two points, given by its upper edge.
  public mutating func ribbon(from a: Place, to b: Place, thickness: Double, kind: String, tip: String) {
    let low = (a: (x: a.x, y: a.y + thickness), b: (x: b.x, y: b.y + thickness))
    path("M\(point(a)) \(bend(a, b)) L\(point(low.b)) \(bend(low.b, low.a)) Z", kind: kind, tip: tip)
  }

  /// An element as it stands.
  public mutating func add(_ element: String) { body += element + "\n" }

  public mutating func path(_ data: String, kind: String, tip: String? = nil) {
    add("path", "class=\"\(kind)\" d=\"\(data)\"", tip: tip)
  }

  /// What follows, until `end`, shows inside a box only.
  public mutating func begin(clippedTo box: (x: Double, y: Double, width: Double, height: Double), name: String) {
    clips += 1
    body += "<clipPath id=\"\(name)-\(clips)\"><rect \(frame(box.x, box.y, box.width, box.height))/></clipPath>\n"
    body += "<g clip-path=\"url(#\(name)-\(clips))\">\n"
  }

  public mutating func end() { body += "</g>\n" }

  // MARK: The whole

  /// To stand in a page that brings the style.
  public var markup: String {
    "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \(size(number))>\n\(body)</svg>\n"
  }

  /// To stand alone: with a title, a style and a ground of the class `page`.
  public func markup(kind: String, title: String, description: String? = nil, style: String) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" class="\(kind)" role="img" \(size { trimmed($0, 1) }) \
    aria-label="\(escaped(title))">
    <title>\(escaped(title))</title>
    \(description.map { "<desc>\(escaped($0))</desc>\n" } ?? "")<style>\(style)</style>
    <rect class="page" width="100%" height="100%"/>
    \(body)</svg>

    """
  }

  // MARK: Parts

  private func size(_ number: (Double) -> String) -> String {
    let (width, height) = (number(width), number(height))
    return "width=\"\(width)\" height=\"\(height)\" viewBox=\"0 0 \(width) \(height)\""
  }

  private mutating func add(_ element: String, _ attributes: String, tip: String?) {
    body += "<\(element) \(attributes)" + (tip == nil ? "/>\n" : ">\(title(tip))</\(element)>\n")
  }

  private func title(_ tip: String?) -> String { tip.map { "<title>\(escaped($0))</title>" } ?? "" }

  private func escaped(_ text: String) -> String { markupEscaped(shown(text)) }

  private func point(_ place: Place) -> String { "\(number(place.x)) \(number(place.y))" }

  private func bend(_ a: Place, _ b: Place) -> String {
    let middle = (a.x + b.x) / 2
    return "C\(point((middle, a.y))) \(point((middle, b.y))) \(point(b))"
  }

  private func frame(_ x: Double, _ y: Double, _ width: Double, _ height: Double) -> String {
    "x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(width))\" height=\"\(number(height))\""
  }
}
