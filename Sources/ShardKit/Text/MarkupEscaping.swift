/// A text as it stands in HTML, XML and SVG, between tags and, with quotes escaped, in attributes.
///
/// Controls of ASCII have no place in XML: each becomes a space.
public func markupEscaped(_ text: String, quotes: Bool = true) -> String {
  var out = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"" where quotes: out += "&quot;"
    case _ where scalar.value < 0x20: out += " "
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}
