import ShardKit

/// Comments, HTML and extension tags.
extension WikitextRenderer {
  /// An angle bracket: a comment, a tag with or without its content, or text.
  mutating func renderTag(_ span: WikitextSpan, _ context: Context) -> Int {
    let end = span.end
    if scanner.isComment(span.start, end) {
      markRemoved()
      return scanner.commentEnd(span.start, end)
    }
    guard let tag = scanner.tag(span.start, end) else {
      out.append(UInt8(ascii: "<"))
      return span.start + 1
    }
    if tag.isClosing { return renderClosingTag(tag, context) }
    switch tag.kind {
    case .reference:
      markRemoved()
      return scanner.footnoteEnd(tag, end)
    case .references, .removed:
      markRemoved()
      return tag.isEmpty ? tag.end : scanner.closingTag(tag, end)?.end ?? tag.end
    case .math: return renderFormula(tag, end)
    case .nowiki: return renderRaw(tag, end, isVerbatim: false)
    case .verbatim: return renderRaw(tag, end, isVerbatim: context.flow == .block)
    case .superscript, .subscript_: return renderScript(tag, end)
    case .table:
      breakLine(context)
      return scanner.htmlTableEnd(tag, end)
    case .rubyText: return renderRubyText(tag, end, context)
    case .rubyParenthesis: return scanner.rubyParenthesisEnd(tag, end)  // ours are written with the reading
    case .item:
      if context.flow == .block { out.append(0x0A) }
      out.append(context.flow == .block ? WikitextMark.item : 0x20)
    case .block, .lineBreak, .rule: breakLine(context)
    case .inline, .ruby: break
    }
    return tag.end
  }

  private mutating func renderClosingTag(_ tag: WikiTag, _ context: Context) -> Int {
    switch tag.kind {
    case .block, .item, .lineBreak, .table: breakLine(context)
    default: break
    }
    return tag.end
  }

  private mutating func breakLine(_ context: Context) {
    if context.flow == .inline { out.append(0x20) } else if out.last != 0x0A { out.append(0x0A) }
    markRemoved()
  }

  /// Text that is not wikitext; character references (`&lt;`) are decoded.
  private mutating func renderRaw(_ tag: WikiTag, _ end: Int, isVerbatim: Bool) -> Int {
    guard !tag.isEmpty, let close = scanner.closingTag(tag, end) else {
      markRemoved()
      return tag.end
    }
    if isVerbatim {
      if out.last != 0x0A { out.append(0x0A) }
      out.append(WikitextMark.verbatim)
    }
    var index = tag.end
    while index < close.start {
      let byte = page[index]
      if byte == UInt8(ascii: "&"), let (scalar, length) = HTMLEntities.decode(page, index, close.start) {
        out.append(scalar: scalar)
        index += length
        continue
      }
      if byte >= 0x20 || byte == 0x09 || byte == 0x0A { out.append(byte) }
      if byte == 0x0A, isVerbatim { out.append(WikitextMark.verbatim) }
      index += 1
    }
    if isVerbatim { out.append(0x0A) }
    return close.end
  }

  /// The reading of ruby, in parentheses.
  private mutating func renderRubyText(_ tag: WikiTag, _ end: Int, _ context: Context) -> Int {
    let text = WikitextSpan(tag.end, scanner.rubyTextEnd(tag, end))
    if rules.options.keepReadings, !text.isEmpty, context.canNest {
      out.append("（")
      render(text, context.nestedInline)
      out.append("）")
    } else {
      markRemoved()
    }
    return text.end
  }
}
