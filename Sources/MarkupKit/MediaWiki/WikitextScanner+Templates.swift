/// `{{templates}}`, `{{{parameters}}}` and `-{variants}-`.
extension WikitextScanner {
  /// The index after the closing braces of the template or parameter that opens at `start`; nil where none closes it.
  ///
  /// A run of k braces opens or closes k/2 structures, so `{{{1}}}`, `{{a|{{{1}}}}}` and a table's lone brace before
  /// the closer (`{|…|}}}`) all balance without a stack.
  mutating func templateEnd(_ start: Int, _ end: Int) -> Int? {
    guard patience > 0 else { return nil }
    let opener = run(of: UInt8(ascii: "{"), start, end)
    var depth = opener / 2
    var index = start + opener
    while index < end {
      let byte = page[index]
      if byte == UInt8(ascii: "{") {
        let length = run(of: byte, index, end)
        depth += length / 2
        index += length
      } else if byte == UInt8(ascii: "}") {
        let length = run(of: byte, index, end)
        if length / 2 >= depth {
          let needed = 2 * depth + (opener & 1)
          return index + (length - needed == 1 ? length : min(length, needed))
        }
        depth -= length / 2
        index += length
      } else {
        index = byte == UInt8(ascii: "<") ? passAngle(index, end) : index + 1
      }
    }
    patience -= 1
    return nil
  }

  /// What is between the braces of a structure that opens at `start` and ends at `close`.
  func bracesContent(_ start: Int, _ close: Int, braces: Int) -> WikitextSpan {
    let open = start + braces
    var end = close
    while end > open, close - end < braces, page[end - 1] == UInt8(ascii: "}") { end -= 1 }
    return WikitextSpan(open, max(open, end))
  }

  /// Splits a span at its own bars, and appends its arguments: bars inside templates, links, tables and raw elements
  /// are passed.
  mutating func splitArguments(_ span: WikitextSpan, into arguments: inout [WikiTemplateArgument]) {
    let end = span.end
    var argument = WikiTemplateArgument(span)
    var mayBeName = true
    var index = span.start
    while index < end {
      let byte = page[index]
      switch byte {
      case UInt8(ascii: "|"):
        argument.value.end = index
        arguments.append(argument)
        index += 1
        argument = WikiTemplateArgument(WikitextSpan(index, end))
        mayBeName = true
      case UInt8(ascii: "=") where mayBeName:
        argument.name = trimmed(WikitextSpan(argument.value.start, index))
        argument.value.start = index + 1
        mayBeName = false
        index += 1
      case UInt8(ascii: "{"):
        if peek(index + 1, end) == byte {
          index = templateEnd(index, end) ?? index + 2
        } else if peek(index + 1, end) == UInt8(ascii: "|"), index > span.start, page[index - 1] == 0x0A {
          index = tableEnd(index, end)
        } else {
          index += 1
        }
        mayBeName = false
      case UInt8(ascii: "[") where peek(index + 1, end) == byte:
        index = linkEnd(index, end) ?? index + 2
        mayBeName = false
      case UInt8(ascii: "<"):
        if !isComment(index, end) { mayBeName = false }
        index = passAngle(index, end)
      default: index += 1
      }
    }
    argument.value.end = end
    arguments.append(argument)
  }

  /// A template's name, and its arguments: nil where there are none.
  func templateParts(_ content: WikitextSpan) -> (name: WikitextSpan, arguments: WikitextSpan?) {
    let end = content.end
    let name = skipBlanksAndComments(content.start, end)
    var bar = name
    while bar < end, page[bar] != UInt8(ascii: "|"), page[bar] != UInt8(ascii: "{"), page[bar] != UInt8(ascii: "<") {
      bar += 1
    }
    let nameEnd = trimmedEnd(name, bar)
    if nameEnd > name, bar < end, page[bar] == UInt8(ascii: "<") {
      while bar < end, page[bar] != UInt8(ascii: "|") { bar = isComment(bar, end) ? commentEnd(bar, end) : bar + 1 }
    }
    return (WikitextSpan(name, nameEnd), bar < end ? WikitextSpan(bar + 1, end) : nil)
  }

  /// Whether a line continues a template that is not closed.
  func isTemplateRow(_ line: Int, _ end: Int) -> Bool {
    let first = peek(line, end)
    return first == UInt8(ascii: "|") || first == UInt8(ascii: "}")
  }

  /// The first form given by `-{text}-`, `-{zh-hans:A;zh-hant:B}-` or `-{}-`, between the braces.
  func variantText(_ content: WikitextSpan) -> WikitextSpan {
    var text = content
    if let bar = first(of: UInt8(ascii: "|"), text.start, min(text.start + 8, text.end)) {
      let isHidden =
        first(of: UInt8(ascii: "H"), text.start, bar) != nil || first(of: UInt8(ascii: "T"), text.start, bar) != nil
      text.start = isHidden ? text.end : bar + 1
    }
    if let separator = first(of: UInt8(ascii: ";"), text.start, text.end),
      let colon = first(of: UInt8(ascii: ":"), text.start, separator)
    {
      return WikitextSpan(colon + 1, separator)
    }
    return text
  }

  /// The index after the behavior switch whose word starts at `start` (`__NOTOC__`); nil where it is not one.
  func switchEnd(_ start: Int, _ end: Int) -> Int? {
    let limit = min(end - 1, start + WikiSwitches.longestBytes)
    var close = start
    while close < limit, page[close] > 0x20, page[close] != UInt8(ascii: "_") || page[close + 1] != page[close] {
      close += 1
    }
    guard close > start, close < limit, page[close] == UInt8(ascii: "_") else { return nil }
    return rules.isSwitch(page + start, close - start) ? close + 2 : nil
  }
}
