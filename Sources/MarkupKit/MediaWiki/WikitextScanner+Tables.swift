/// A search for the line that closes a table.
private struct WikiTableSearch {
  var depth = 1
  /// Where the table ends if nothing closes it: the first blank line that no row follows,
  var blankLine: Int?
  /// or behind a template alone on its line that no row follows.
  var template: Int?

  var fallback: Int? {
    guard let blankLine, let template else { return blankLine ?? template }
    return min(blankLine, template)
  }
}

/// Tables: `{|`…`|}`, and the same by magic words (`{{{!}}`, `{{(!}}`…) or closed by a template.
extension WikitextScanner {
  /// The mark at `line`, the first byte of a line that is no blank; nil where it is text.
  func tableMark(_ line: Int, _ end: Int) -> WikiTableMark? {
    switch peek(line, end) {
    case UInt8(ascii: "|"):
      let isClose = peek(line + 1, end) == UInt8(ascii: "}")
      return WikiTableMark(kind: isClose ? .close : .row, end: line + (isClose ? 2 : 1))
    case UInt8(ascii: "!"): return WikiTableMark(kind: .row, end: line + 1)
    case UInt8(ascii: "{"):
      if peek(line + 1, end) == UInt8(ascii: "|") { return WikiTableMark(kind: .open, end: line + 2) }
      return peek(line + 1, end) == UInt8(ascii: "{") ? templateMark(line, end) : nil
    default: return nil
    }
  }

  /// `{{{!}}`, `{{(!}}`, `{{!}}`, `{{!-}}`, `{{!}}}`, `{{!)}}`, and templates that stand for `|}`.
  private func templateMark(_ line: Int, _ end: Int) -> WikiTableMark? {
    let braces = run(of: UInt8(ascii: "{"), line, end)
    let name = skipSpaces(line + braces, end)
    let limit = min(end, name + 32)
    var nameEnd = name
    while nameEnd < limit, page[nameEnd] != UInt8(ascii: "}"), page[nameEnd] != UInt8(ascii: "|"), page[nameEnd] != 0x0A
    {
      nameEnd += 1
    }
    let closers = run(of: UInt8(ascii: "}"), nameEnd, end)
    guard braces <= 3, closers >= 2 || peek(nameEnd, end) == UInt8(ascii: "|"), nameEnd > name,
      let kind = rules.tableTemplates.value(page + name, trimmedEnd(name, nameEnd) - name)
    else { return nil }
    let isBar = nameEnd == name + 1 && page[name] == UInt8(ascii: "!")
    if braces == 3 { return isBar ? WikiTableMark(kind: .open, end: nameEnd + 2, isTemplate: true) : nil }
    if isBar, closers & 1 == 1 { return WikiTableMark(kind: .close, end: nameEnd + 3, isTemplate: true) }
    return WikiTableMark(kind: kind, end: nameEnd + (closers >= 2 ? 2 : 1), isTemplate: true)
  }

  /// The index after the line that closes the table opening at `start`. A heading ends a table that is not closed;
  /// failing that, the first blank line that no row follows, or a template alone on its line.
  mutating func tableEnd(_ start: Int, _ end: Int) -> Int {
    guard patience > 0 else { return lineEnd(start, end) }
    var search = WikiTableSearch()
    var index = tableMark(start, end)?.end ?? start + 2
    while index < end {
      switch page[index] {
      case UInt8(ascii: "{") where peek(index + 1, end) == UInt8(ascii: "{"):
        index = templateEnd(index, end) ?? index + 2
      case UInt8(ascii: "<"): index = passAngle(index, end)
      case 0x0A:
        let next = passTableLine(index, end, &search)
        if next.isEnd { return next.index }
        index = next.index
      default: index += 1
      }
    }
    patience -= 1
    return search.fallback ?? end
  }

  /// Reads the beginning of the line behind a newline: where the search goes on, and whether the table ends there.
  private mutating func passTableLine(
    _ newline: Int, _ end: Int, _ search: inout WikiTableSearch
  ) -> (index: Int, isEnd: Bool) {
    let line = skipSpaces(newline + 1, end)
    if let mark = tableMark(line, end) {
      switch mark.kind {
      case .open: search.depth += 1
      case .close:
        search.depth -= 1
        if search.depth == 0 { return (markEnd(line, mark, end), true) }
      case .row: if search.depth == 1 { search.template = nil }
      }
      return (mark.end, false)
    }
    switch peek(line, end) {
    case UInt8(ascii: "=") where peek(line + 1, end) == UInt8(ascii: "=") && isHeading(line, end):
      return (search.fallback ?? newline, true)
    case 0x0A:
      let next = nextTextLine(line, end)
      if search.blankLine == nil, !isTableLine(skipSpaces(next, end), end) { search.blankLine = newline }
      return (next - 1, false)
    case UInt8(ascii: "{") where peek(line + 1, end) == UInt8(ascii: "{"):
      guard let close = templateEnd(line, end) else { return (line + 2, false) }
      let lineEnd = skipSpaces(close, end)
      if search.template == nil, lineEnd == end || page[lineEnd] == 0x0A,
        !isTableLine(skipSpaces(nextTextLine(lineEnd, end), end), end)
      {
        search.template = close
      }
      return (close, false)
    default: return (line, false)
    }
  }

  /// The end of a closer with arguments: `{{end|…}}`.
  private mutating func markEnd(_ line: Int, _ mark: WikiTableMark, _ end: Int) -> Int {
    guard mark.isTemplate, page[mark.end - 1] == UInt8(ascii: "|") else { return mark.end }
    return templateEnd(line, end) ?? mark.end
  }

  func isTableLine(_ line: Int, _ end: Int) -> Bool { tableMark(line, end).map { $0.kind != .close } ?? false }

  /// Where a row or a closing mark outside any table ends.
  mutating func tableDebrisEnd(_ start: Int, _ mark: WikiTableMark, _ end: Int) -> Int {
    if mark.kind == .close {
      return mark.isTemplate ? markEnd(start, mark, end) : mark.end + run(of: UInt8(ascii: "}"), mark.end, end)
    }
    var index = start
    while index < end, page[index] != 0x0A {
      if page[index] == UInt8(ascii: "{"), peek(index + 1, end) == UInt8(ascii: "{") {
        index = templateEnd(index, end) ?? index + 2
      } else {
        index += 1
      }
    }
    return index
  }
}
