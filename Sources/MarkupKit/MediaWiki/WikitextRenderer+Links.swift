/// `[[links]]` and `[http://… external links]`.
extension WikitextRenderer {
  /// A link. One that is not closed loses its brackets alone.
  mutating func renderLink(_ span: WikitextSpan, _ context: Context) -> Int {
    let end = span.end
    let target = WikitextSpan(span.start + 2, scanner.plainTargetEnd(span.start + 2, end))
    let prefix = scanner.linkPrefix(target.start, target.end)
    if prefix.isText, scanner.isPair(UInt8(ascii: "]"), target.end, end), target.count > 0 {
      append(scanner.targetText(target, prefix.kind))
      return target.end + 2
    }
    if prefix.isText, scanner.peek(target.end, end) == UInt8(ascii: "|"),
      let label = scanner.plainLabel(target.end + 1, end)
    {
      append(label)
      return label.end + 2
    }
    guard let close = scanner.linkEnd(span.start, end) else {
      if prefix.isText { return span.start + scanner.run(of: UInt8(ascii: "["), span.start, end) }
      markRemoved()
      return scanner.lineEnd(span.start, end)  // a file or category that is never closed: its line is not text
    }
    let content = WikitextSpan(target.start, close - 2)
    if prefix.isText {
      if context.canNest { renderNestedLink(content, prefix.kind, context) } else { markRemoved() }
    } else {
      if prefix.kind == .file, rules.options.keepCaptions, context.canNest { renderCaption(content, context) }
      markRemoved()
    }
    return close
  }

  /// A link with markup in its target or label.
  private mutating func renderNestedLink(_ content: WikitextSpan, _ prefix: WikiLinkPrefix?, _ context: Context) {
    let base = arguments.count
    scanner.splitArguments(content, into: &arguments)
    defer { arguments.removeLast(arguments.count - base) }
    let target = arguments[base].value
    if arguments.count > base + 1 {
      let label = WikitextSpan(arguments[base + 1].value.start, content.end)
      if scanner.trimmedEnd(label.start, label.end) > label.start { return render(label, context.nestedInline) }
    }
    render(scanner.targetText(target, prefix), context.nestedInline)
  }

  /// The caption of an image: its last argument that is not an option, on a line of its own.
  private mutating func renderCaption(_ content: WikitextSpan, _ context: Context) {
    let base = arguments.count
    scanner.splitArguments(content, into: &arguments)
    defer { arguments.removeLast(arguments.count - base) }
    for index in stride(from: arguments.count - 1, to: base, by: -1) {
      let argument = arguments[index]
      let text = WikitextSpan(argument.isNamed ? argument.name.start : argument.value.start, argument.value.end)
      guard !scanner.isImageOption(text) else { continue }
      out.append(0x0A)
      render(text, context.nestedInline)
      out.append(0x0A)
      return
    }
  }

  /// `[http://host label]` reads as its label, and as nothing without one. Any other bracket is text.
  mutating func renderExternalLink(_ span: WikitextSpan, _ context: Context) -> Int {
    guard scanner.isAddress(span.start + 1, span.end), context.canNest else {
      out.append(UInt8(ascii: "["))
      return span.start + 1
    }
    let addressEnd = scanner.addressEnd(span.start + 1, span.end)
    guard let close = scanner.externalLinkClose(addressEnd, span.end) else {
      markRemoved()
      return addressEnd
    }
    let label = WikitextSpan(scanner.skipSpaces(addressEnd, close), close)
    if label.isEmpty { markRemoved() } else { render(label, context.nestedInline) }
    return close + 1
  }
}
