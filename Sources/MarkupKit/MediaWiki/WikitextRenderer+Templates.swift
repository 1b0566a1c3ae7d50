/// `{{templates}}`, `{{{parameters}}}` and `-{variants}-`.
///
/// A template is removed whole unless a rule says which of its arguments is text, so nothing inside a removed one is
/// ever rendered.
extension WikitextRenderer {
  /// One or more braces.
  mutating func renderBraces(_ span: WikitextSpan, _ context: Context) -> Int {
    let length = scanner.run(of: UInt8(ascii: "{"), span.start, span.end)
    if length == 1 { return renderVariant(span, context) }
    guard let close = scanner.templateEnd(span.start, span.end) else {
      return renderUnclosedTemplate(span, braces: length, context)
    }
    guard context.canNest else {
      markRemoved()
      return close
    }
    if length == 3 {
      renderParameter(scanner.bracesContent(span.start, close, braces: 3), context)
    } else {
      renderTemplate(scanner.bracesContent(span.start, close, braces: 2), context)
    }
    return close
  }

  /// `{{{name|default}}}` outside its template reads as its default.
  private mutating func renderParameter(_ content: WikitextSpan, _ context: Context) {
    if let bar = scanner.first(of: UInt8(ascii: "|"), content.start, content.end) {
      render(WikitextSpan(bar + 1, content.end), context.nested)
    } else {
      markRemoved()
    }
  }

  /// A template that is never closed. With a lone brace later on its line that brace closes it (`{{lang|en|x}`); at
  /// the start of a line it goes with the rows that follow it (an infobox); elsewhere, up to the sentence's end.
  private mutating func renderUnclosedTemplate(_ span: WikitextSpan, braces: Int, _ context: Context) -> Int {
    let open = span.start + braces, end = span.end
    markRemoved()
    guard scanner.patience > 0 else { return open }
    let isLineStart = span.start == 0 || page[span.start - 1] == 0x0A
    var index = open
    while index < end, page[index] != 0x0A, page[index] != UInt8(ascii: "{") {
      if page[index] == UInt8(ascii: "}") {
        if context.canNest { renderTemplate(WikitextSpan(open, index), context) }
        return index + 1
      }
      if !isLineStart, page[index] == 0xE3, scanner.peek(index + 1, end) == 0x80, scanner.peek(index + 2, end) == 0x82 {
        return index  // 。
      }
      index += 1
    }
    index = scanner.lineEnd(index, end)
    while isLineStart, index < end, scanner.isTemplateRow(scanner.skipSpaces(index + 1, end), end) {
      index = scanner.lineEnd(index + 1, end)
    }
    return index
  }

  /// `-{text}-`: one of the forms of a text in several scripts. The hyphen is in `out` already.
  private mutating func renderVariant(_ span: WikitextSpan, _ context: Context) -> Int {
    let open = span.start, limit = min(span.end, open + 512)
    guard open > 0, page[open - 1] == UInt8(ascii: "-"), out.last == UInt8(ascii: "-"), context.canNest,
      let close = scanner.find("}-", open + 1, limit), scanner.lineEnd(open, close) == close
    else {
      out.append(UInt8(ascii: "{"))
      return open + 1
    }
    truncate(to: out.count - 1)
    let text = scanner.variantText(WikitextSpan(open + 1, close))
    if text.isEmpty { markRemoved() } else { render(text, context.nested) }
    return close + 2
  }

  /// The template or parser function between two braces.
  mutating func renderTemplate(_ content: WikitextSpan, _ context: Context) {
    let (name, parts) = scanner.templateParts(content)
    if name.isEmpty { return markRemoved() }
    if let colon = scanner.first(of: UInt8(ascii: ":"), name.start, name.end) {
      let function = WikitextSpan(name.start, scanner.trimmedEnd(name.start, colon))
      return renderParserFunction(function, WikitextSpan(colon + 1, content.end), context)
    }
    guard let rule = rules.template(page + name.start, name.count) else { return markRemoved() }
    let base = arguments.count
    if let parts { scanner.splitArguments(parts, into: &arguments) }
    apply(rule, WikiTemplateCall(name: name, arguments: base..<arguments.count, context: context))
    arguments.removeLast(arguments.count - base)
  }
}
