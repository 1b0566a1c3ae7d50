/// Aligned columns of text; numbers are right-aligned.
struct TextTable {
  enum Side { case left, right }

  private let sides: [Side]
  private var rows: [[String]]
  private let hasHeader: Bool

  init(_ header: [(name: String, side: Side)]) {
    sides = header.map(\.side)
    hasHeader = header.contains { !$0.name.isEmpty }
    rows = hasHeader ? [header.map(\.name)] : []
  }

  mutating func add(_ cells: [String]) { rows.append(cells.map { visible($0) }) }

  /// Lines without trailing spaces.
  func lines(_ style: Style, indent: String = "") -> [String] {
    var widths = [Int](repeating: 0, count: sides.count)
    for row in rows { for (i, cell) in row.enumerated() { widths[i] = max(widths[i], displayWidth(cell)) } }
    return rows.enumerated().map { number, row in
      var line = indent
      for (i, cell) in row.enumerated() {
        let pad = String(repeating: " ", count: widths[i] - displayWidth(cell))
        if sides[i] == .right { line += pad + cell } else { line += cell + pad }
        if i + 1 < row.count { line += "  " }
      }
      while line.last == " " { line.removeLast() }
      return hasHeader && number == 0 ? style.bold(line) : line
    }
  }
}

/// Display width on a terminal: escape sequences count 0 columns, East Asian wide characters 2.
func displayWidth(_ text: String) -> Int {
  var width = 0
  var isEscape = false
  for scalar in text.unicodeScalars {
    if isEscape {
      if scalar == "m" { isEscape = false }
    } else if scalar == "\u{1B}" {
      isEscape = true
    } else {
      width += isWide(scalar.value) ? 2 : 1
    }
  }
  return width
}

/// The ranges of UAX #11 that matter for names and messages.
private func isWide(_ value: UInt32) -> Bool {
  switch value {
  case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
    true
  default: false
  }
}

/// Truncates to a number of columns, with an ellipsis. For text without escape sequences.
func fitted(_ text: String, columns: Int) -> String {
  guard displayWidth(text) > columns else { return text }
  var out = ""
  var width = 0
  for character in text {
    let next = displayWidth(String(character))
    if width + next > columns - 1 { break }
    out.append(character)
    width += next
  }
  return out + "…"
}
