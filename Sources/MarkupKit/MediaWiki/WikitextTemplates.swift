/// One argument of a template or link: its bounds in the page and, where it is `name=value`, its name's.
struct WikiTemplateArgument {
  var nameStart: Int
  var nameEnd: Int
  var start: Int
  var end: Int

  var isNamed: Bool { nameEnd > nameStart }
}

/// `{{templates}}`, `{{{parameters}}}` and `-{variants}-`.
///
/// A template is removed whole unless a rule says which of its arguments is text, so nothing inside a removed one is
/// ever rendered.
extension Wikitext {
  /// Handles a brace at `start`; returns where text goes on.
  mutating func braces(_ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) -> Int {
    let length = run(of: UInt8(ascii: "{"), start, end)
    if length == 1 { return variant(start, end, depth, flow) }
    guard let close = templateEnd(start, end) else { return unclosedTemplate(start, start + length, end, depth, flow) }
    guard depth < Self.maximumDepth else {
      dropped()
      return close
    }
    let tail = length == 3 ? 3 : 2
    let open = length == 3 ? start + 3 : start + 2
    let contentEnd = max(open, closingBraces(open, close, tail))
    if length == 3 {
      parameter(open, contentEnd, depth, flow)
    } else {
      template(open, contentEnd, depth, flow)
    }
    return close
  }

  /// Where the closing braces of a structure that ends at `close` begin.
  private func closingBraces(_ open: Int, _ close: Int, _ tail: Int) -> Int {
    var index = close
    while index > open, close - index < tail, page[index - 1] == UInt8(ascii: "}") { index -= 1 }
    return index
  }

  /// `{{{name|default}}}` outside its template reads as its default.
  private mutating func parameter(_ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) {
    var index = start
    while index < end, page[index] != UInt8(ascii: "|") { index += 1 }
    if index < end { render(index + 1, end, depth: depth + 1, flow) } else { dropped() }
  }

  /// A template that is never closed. With a lone brace later on its line that brace closes it (`{{lang|en|x}`); at
  /// the start of a line it goes with the rows that follow it (an infobox); elsewhere, up to the sentence's end.
  private mutating func unclosedTemplate(_ start: Int, _ open: Int, _ end: Int, _ depth: Int, _ flow: Flow) -> Int {
    dropped()
    guard patience > 0 else { return open }
    let isLineStart = start == 0 || page[start - 1] == 0x0A
    var index = open
    while index < end, page[index] != 0x0A, page[index] != UInt8(ascii: "{") {
      if page[index] == UInt8(ascii: "}") {
        if depth < Self.maximumDepth { template(open, index, depth, flow) }
        return index + 1
      }
      if !isLineStart, page[index] == 0xE3, peek(index + 1, end) == 0x80, peek(index + 2, end) == 0x82 { return index }
      index += 1
    }
    index = lineEnd(index, end)
    while isLineStart, index < end, isTemplateRow(skipSpaces(index + 1, end), end) { index = lineEnd(index + 1, end) }
    return index
  }

  private func isTemplateRow(_ line: Int, _ end: Int) -> Bool {
    let first = peek(line, end)
    return first == UInt8(ascii: "|") || first == UInt8(ascii: "}")
  }

  /// `-{text}-`, `-{zh-hans:A;zh-hant:B}-`, `-{}-`: the first form given. The hyphen is in `out` already.
  private mutating func variant(_ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) -> Int {
    let limit = min(end, start + 512)
    guard start > 0, page[start - 1] == UInt8(ascii: "-"), out.last == UInt8(ascii: "-"), depth < Self.maximumDepth,
      let close = find("}-", start + 1, limit), lineEnd(start, close) == close
    else {
      out.append(UInt8(ascii: "{"))
      return start + 1
    }
    truncate(to: out.count - 1)
    var text = start + 1, textEnd = close
    if let bar = first(of: UInt8(ascii: "|"), text, min(text + 8, close)) {
      let isHidden = first(of: UInt8(ascii: "H"), text, bar) != nil || first(of: UInt8(ascii: "T"), text, bar) != nil
      text = isHidden ? close : bar + 1
    }
    if let separator = first(of: UInt8(ascii: ";"), text, close),
      let colon = first(of: UInt8(ascii: ":"), text, separator)
    {
      (text, textEnd) = (colon + 1, separator)
    }
    if text < textEnd { render(text, textEnd, depth: depth + 1, flow) } else { dropped() }
    return close + 2
  }

  /// Splits `page[start..<end]` at its own bars: those inside templates, links, tables and raw elements are passed.
  mutating func splitArguments(_ start: Int, _ end: Int) {
    var argument = WikiTemplateArgument(nameStart: start, nameEnd: start, start: start, end: end)
    var mayBeName = true
    var index = start
    while index < end {
      let byte = page[index]
      switch byte {
      case UInt8(ascii: "|"):
        argument.end = index
        arguments.append(argument)
        index += 1
        argument = WikiTemplateArgument(nameStart: index, nameEnd: index, start: index, end: end)
        mayBeName = true
      case UInt8(ascii: "=") where mayBeName:
        argument.nameStart = skipBlanks(argument.start, index)
        argument.nameEnd = trimmedEnd(argument.nameStart, index)
        argument.start = index + 1
        mayBeName = false
        index += 1
      case UInt8(ascii: "{"):
        if peek(index + 1, end) == byte {
          index = templateEnd(index, end) ?? index + 2
        } else if peek(index + 1, end) == UInt8(ascii: "|"), index > start, page[index - 1] == 0x0A {
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
    argument.end = end
    arguments.append(argument)
  }

  func skipBlanks(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, page[index] == 0x20 || page[index] == 0x0A || page[index] == 0x09 { index += 1 }
    return index
  }

  /// Renders the template whose content is `page[start..<end]`.
  private mutating func template(_ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) {
    var name = skipBlanks(start, end)
    while isComment(name, end) { name = skipBlanks(commentEnd(name, end), end) }
    var bar = name
    while bar < end, page[bar] != UInt8(ascii: "|"), page[bar] != UInt8(ascii: "{"), page[bar] != UInt8(ascii: "<") {
      bar += 1
    }
    let nameEnd = trimmedEnd(name, bar)
    if nameEnd == name { return dropped() }
    if bar < end, page[bar] == UInt8(ascii: "<") {
      while bar < end, page[bar] != UInt8(ascii: "|") { bar = isComment(bar, end) ? commentEnd(bar, end) : bar + 1 }
    }
    if let colon = first(of: UInt8(ascii: ":"), name, nameEnd) {
      return parserFunction(name, colon, nameEnd, start: start, end, depth, flow)
    }
    guard let rule = rules.template(page + name, nameEnd - name) else { return dropped() }
    let base = arguments.count
    if bar < end { splitArguments(bar + 1, end) }
    apply(
      rule, WikiTemplateCall(name: name, nameEnd: nameEnd, base: base, count: arguments.count, depth: depth, flow: flow)
    )
    arguments.removeLast(arguments.count - base)
  }

  /// `{{formatnum:1234}}`, `{{DEFAULTSORT:…}}`, `{{#if:…}}`, `{{subst:name|…}}`.
  private mutating func parserFunction(
    _ name: Int, _ colon: Int, _ nameEnd: Int, start: Int, _ end: Int, _ depth: Int, _ flow: Flow
  ) {
    switch rules.functions.value(page + name, trimmedEnd(name, colon) - name) {
    case .value?:
      let before = out.count
      renderValue(colon + 1, end, depth)
      if !hasText(from: before) { unresolved() }
    case .number?:
      let before = out.count
      formatNumber(colon + 1, end, depth)
      if !hasText(from: before) { unresolved() }
    case .branch(let kind)?: branch(kind, colon + 1, end, depth, flow)
    case .letters(let change)?:
      let before = out.count
      renderValue(colon + 1, end, depth)
      changeCase(change, from: before)
    case .unresolved?: unresolved()
    case .prefix? where depth < Self.maximumDepth: template(colon + 1, end, depth + 1, flow)
    default: dropped()
    }
  }

  /// The first argument of a function.
  private mutating func renderValue(_ start: Int, _ end: Int, _ depth: Int) {
    let base = arguments.count
    splitArguments(start, end)
    let argument = arguments[base]
    arguments.removeLast(arguments.count - base)
    let first = skipBlanks(start, argument.end)
    render(first, trimmedEnd(first, argument.end), depth: depth + 1, .inline)
  }

  private func hasText(from start: Int) -> Bool {
    (start..<out.count).contains { out.base[$0] > 0x20 }
  }
}
