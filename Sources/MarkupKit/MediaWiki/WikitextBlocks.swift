/// What a line's first bytes mean: headings, lists, tables, rules, and the debris of broken tables.
extension Wikitext {
  /// Reads the start of a line; returns where its inline text begins, or the end of the line where it has none.
  mutating func lineStart(_ start: Int, _ end: Int, _ depth: Int) -> Int {
    var index = start
    while isComment(index, end) {
      index = commentEnd(index, end)
      dropped()
    }
    switch peek(index, end) {
    case UInt8(ascii: "="): return heading(index, end, depth) ?? index
    case UInt8(ascii: "*"), UInt8(ascii: "#"), UInt8(ascii: ":"), UInt8(ascii: ";"): return list(index, end, depth)
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "{"), UInt8(ascii: "|"): return tableLine(index, end)
    case UInt8(ascii: "-"):
      let length = run(of: UInt8(ascii: "-"), index, end)
      return length >= 4 ? index + length : index
    default: return index
    }
  }

  /// A line that may open a table, or be the row of one whose opener is missing; spaces before other text go.
  private mutating func tableLine(_ start: Int, _ end: Int) -> Int {
    let text = skipSpaces(start, end)
    guard let mark = tableMark(text, end) else { return text }
    switch mark.kind {
    case .open: return table(text, end)
    case .close where text == start || mark.isTemplate: return debris(text, mark, end)
    case .row where text == start && page[text] == UInt8(ascii: "|"): return debris(text, mark, end)
    default: return text
    }
  }

  /// Whether the line at `start` begins and ends with `=`, trailing spaces and comments apart.
  func isHeading(_ start: Int, _ end: Int) -> Bool { headingBounds(start, end) != nil }

  /// The text of a heading between its equal signs, its level, and the end of its line.
  private func headingBounds(_ start: Int, _ end: Int) -> (start: Int, end: Int, level: Int, line: Int)? {
    var line = lineEnd(start, end)
    var last = line
    if let comment = find("<!", start, line), isComment(comment, end), commentEnd(comment, end) > line {
      last = comment  // a comment that goes on below
      line = lineEnd(commentEnd(comment, end), end)
    }
    last = trimmedEnd(start, last)
    while last - start > 3, page[last - 1] == UInt8(ascii: ">"), let comment = lastComment(start, last) {
      last = trimmedEnd(start, comment)
    }
    guard last - start >= 3, page[last - 1] == UInt8(ascii: "=") else { return nil }
    var level = 0
    while level < 6, start + level < last - level - 1, page[start + level] == UInt8(ascii: "="),
      page[last - level - 1] == UInt8(ascii: "=")
    {
      level += 1
    }
    guard level > 0, start + level < last - level else { return nil }
    return (start + level, last - level, level, line)
  }

  /// Where a comment that ends at `end` starts.
  private func lastComment(_ start: Int, _ end: Int) -> Int? {
    guard end - start >= 7, page[end - 2] == UInt8(ascii: "-"), page[end - 3] == UInt8(ascii: "-") else { return nil }
    var index = end - 7
    while index >= start {
      if isComment(index, end) { return index }
      index -= 1
    }
    return nil
  }

  private mutating func heading(_ start: Int, _ end: Int, _ depth: Int) -> Int? {
    guard depth == 0, let bounds = headingBounds(start, end) else { return nil }
    out.append(WikitextMark.heading)
    out.append(WikitextMark.headingLevel + UInt8(bounds.level))
    render(bounds.start, bounds.end, depth: depth + 1, .inline)
    return bounds.line
  }

  /// `*`, `#`, `:` and `;` in any mixture; the last decides. A definition list may hold a table.
  private mutating func list(_ start: Int, _ end: Int, _ depth: Int) -> Int {
    var index = start
    while index < end, isListByte(page[index]) { index += 1 }
    let last = page[index - 1]
    let text = skipSpaces(index, end)
    if peek(text, end) == UInt8(ascii: "{"), tableMark(text, end)?.kind == .open { return table(text, end) }
    if last == UInt8(ascii: "*") || last == UInt8(ascii: "#") { out.append(WikitextMark.item) } else { dropped() }
    return text
  }

  private func isListByte(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "*") || byte == UInt8(ascii: "#") || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ";")
  }
}
