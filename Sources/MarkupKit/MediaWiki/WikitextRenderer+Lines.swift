/// What the first bytes of a line mean: headings, lists, tables, rules, and the debris of broken tables.
extension WikitextRenderer {
  /// Renders the start of a line; returns where its inline text begins, or the end of the line where it has none.
  mutating func beginLine(_ line: WikitextSpan, _ context: Context) -> Int {
    var span = line
    while scanner.isComment(span.start, span.end) {
      span.start = scanner.commentEnd(span.start, span.end)
      markRemoved()
    }
    switch scanner.peek(span.start, span.end) {
    case UInt8(ascii: "="): return renderHeading(span, context) ?? span.start
    case UInt8(ascii: "*"), UInt8(ascii: "#"), UInt8(ascii: ":"), UInt8(ascii: ";"): return beginListItem(span)
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "{"), UInt8(ascii: "|"): return beginTableLine(span)
    case UInt8(ascii: "-"):
      let length = scanner.run(of: UInt8(ascii: "-"), span.start, span.end)
      return length >= 4 ? span.start + length : span.start
    default: return span.start
    }
  }

  private mutating func renderHeading(_ span: WikitextSpan, _ context: Context) -> Int? {
    guard context.depth == 0, let heading = scanner.heading(span.start, span.end) else { return nil }
    out.append(WikitextMark.heading)
    out.append(WikitextMark.headingLevel + UInt8(heading.level))
    render(heading.text, context.nestedInline)
    return heading.lineEnd
  }

  /// `*`, `#`, `:` and `;` in any mixture; the last decides. A definition list may hold a table.
  private mutating func beginListItem(_ span: WikitextSpan) -> Int {
    let marksEnd = scanner.listMarksEnd(span.start, span.end)
    let last = page[marksEnd - 1]
    let text = WikitextSpan(scanner.skipSpaces(marksEnd, span.end), span.end)
    if scanner.peek(text.start, text.end) == UInt8(ascii: "{"),
      scanner.tableMark(text.start, text.end)?.kind == .open
    {
      return skipTable(text)
    }
    if last == UInt8(ascii: "*") || last == UInt8(ascii: "#") { out.append(WikitextMark.item) } else { markRemoved() }
    return text.start
  }

  /// A line that may open a table, or be the row of one whose opener is missing; spaces before other text go.
  private mutating func beginTableLine(_ span: WikitextSpan) -> Int {
    let text = WikitextSpan(scanner.skipSpaces(span.start, span.end), span.end)
    guard let mark = scanner.tableMark(text.start, text.end) else { return text.start }
    switch mark.kind {
    case .open: return skipTable(text)
    case .close where text.start == span.start || mark.isTemplate: return skipTableDebris(text, mark)
    case .row where text.start == span.start && page[text.start] == UInt8(ascii: "|"):
      return skipTableDebris(text, mark)
    default: return text.start
    }
  }

  /// Tables are removed.
  private mutating func skipTable(_ span: WikitextSpan) -> Int {
    markRemoved()
    return scanner.tableEnd(span.start, span.end)
  }

  /// A row outside any table: its table was opened by a template, or lost its opener.
  private mutating func skipTableDebris(_ span: WikitextSpan, _ mark: WikiTableMark) -> Int {
    markRemoved()
    return scanner.tableDebrisEnd(span.start, mark, span.end)
  }
}
