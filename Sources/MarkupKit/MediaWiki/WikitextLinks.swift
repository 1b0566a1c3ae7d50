/// `[[links]]` and `[http://… external links]`.
extension Wikitext {
  /// Renders the link at `start`; returns where text goes on. One that is not closed loses its brackets alone.
  mutating func link(_ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) -> Int {
    let target = start + 2
    var index = target
    while index < end, !Self.endsPlainTarget(page[index]) { index += 1 }
    let (prefix, isInline) = linkPrefix(target, index)
    let isText = isInline || prefix == nil || prefix == .project || isNamespace(prefix)
    if isText, peek(index, end) == UInt8(ascii: "]"), peek(index + 1, end) == UInt8(ascii: "]"), index > target {
      appendTarget(target, index, prefix, isInline)
      return index + 2
    }
    if isText, peek(index, end) == UInt8(ascii: "|") {
      var close = index + 1
      while close < end, !Self.endsPlainLabel(page[close]) { close += 1 }
      if close > index + 1, peek(close, end) == UInt8(ascii: "]"), peek(close + 1, end) == UInt8(ascii: "]"),
        peek(close + 2, end) != UInt8(ascii: "]")
      {
        out.append(page + index + 1, close - index - 1)
        return close + 2
      }
    }
    guard let close = linkEnd(start, end) else {
      let brackets = run(of: UInt8(ascii: "["), start, end)
      if isText { return start + brackets }
      dropped()
      return lineEnd(start, end)  // a file or category that is never closed: its line is no text
    }
    if isText {
      if depth >= Self.maximumDepth { dropped() } else { slowLink(target, close - 2, prefix, isInline, depth) }
    } else {
      if prefix == .file, rules.options.keepCaptions, depth < Self.maximumDepth { caption(target, close - 2, depth) }
      dropped()
    }
    return close
  }

  private static func endsPlainTarget(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x0A, UInt8(ascii: "|"), UInt8(ascii: "]"), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "}"),
      UInt8(ascii: "<"), UInt8(ascii: "&"):
      true
    default: byte < 0x20
    }
  }

  private static func endsPlainLabel(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "'") || endsPlainTarget(byte) }

  private func isNamespace(_ prefix: WikiLinkPrefix?) -> Bool {
    if case .namespace = prefix { true } else { false }
  }

  /// What the target's prefix stands for, and whether a colon before it asks for a link in the text.
  private func linkPrefix(_ start: Int, _ end: Int) -> (prefix: WikiLinkPrefix?, isInline: Bool) {
    var first = skipSpaces(start, end)
    let isInline = peek(first, end) == UInt8(ascii: ":")
    if isInline { first = skipSpaces(first + 1, end) }
    guard let colon = colon(first, end) else { return (nil, isInline) }
    let last = trimmedEnd(first, colon)
    return (rules.site.prefixes.value(page + first, last - first), isInline)
  }

  /// The first colon where a namespace name may end: names are short.
  private func colon(_ start: Int, _ end: Int) -> Int? {
    var index = start
    let limit = min(end, start + 48)
    while index < limit {
      if page[index] == UInt8(ascii: ":") { return index > start ? index : nil }
      index += 1
    }
    return nil
  }

  /// A target that stands as its own label: without the leading colon, `#`, or the prefix of another wiki.
  private mutating func appendTarget(_ start: Int, _ end: Int, _ prefix: WikiLinkPrefix?, _ isInline: Bool) {
    let text = targetText(start, end, prefix)
    out.append(page + text, max(0, end - text))
  }

  /// `:en:Title` and `wikt:word` without their prefix; chains such as `:w:en:Title` lose each.
  private func targetText(_ start: Int, _ end: Int, _ prefix: WikiLinkPrefix?) -> Int {
    var first = start
    var prefix = prefix
    while true {
      while first < end, page[first] == UInt8(ascii: ":") || page[first] == UInt8(ascii: "#") || page[first] == 0x20 {
        first += 1
      }
      guard prefix == .language || prefix == .project, let colon = colon(first, end) else { return first }
      let next = skipSpaces(colon + 1, end)
      prefix = linkPrefix(next, end).prefix
      first = next
      guard prefix == .language || prefix == .project else { return first }
    }
  }

  /// A link with markup in its target or label.
  private mutating func slowLink(
    _ start: Int, _ end: Int, _ prefix: WikiLinkPrefix?, _ isInline: Bool, _ depth: Int
  ) {
    let base = arguments.count
    splitArguments(start, end)
    defer { arguments.removeLast(arguments.count - base) }
    let target = arguments[base]
    if arguments.count > base + 1 {
      let label = arguments[base + 1].start
      if trimmedEnd(label, end) > label {
        render(label, end, depth: depth + 1, .inline)
        return
      }
    }
    render(targetText(target.start, target.end, prefix), target.end, depth: depth + 1, .inline)
  }

  /// The caption of an image: its last argument that is no option, on a line of its own.
  private mutating func caption(_ start: Int, _ end: Int, _ depth: Int) {
    let base = arguments.count
    splitArguments(start, end)
    defer { arguments.removeLast(arguments.count - base) }
    for index in stride(from: arguments.count - 1, to: base, by: -1) {
      let argument = arguments[index]
      let start = argument.isNamed ? argument.nameStart : argument.start
      guard !isImageOption(start, argument.end) else { continue }
      out.append(0x0A)
      render(start, argument.end, depth: depth + 1, .inline)
      out.append(0x0A)
      return
    }
  }

  /// `thumb`, `右`, `220px`, `100x80px`, `220ピクセル`, `代替文=…`: layout, not text.
  private func isImageOption(_ start: Int, _ end: Int) -> Bool {
    let first = skipSpaces(start, end), last = trimmedEnd(first, end)
    if first >= last { return true }
    if rules.imageOptions.value(page + first, last - first) != nil { return true }
    var index = first
    while index < last, page[index] &- 0x30 < 10 || page[index] == UInt8(ascii: "x") { index += 1 }
    if index > first {
      let unit = skipSpaces(index, last)
      return rules.pixelUnits.value(page + unit, last - unit) != nil
    }
    if isNumberedOption(first, last) { return true }
    while index < last, page[index] != UInt8(ascii: "="), index - first < 48 { index += 1 }
    guard index < last, page[index] == UInt8(ascii: "=") else { return false }
    return rules.imageParameters.value(page + first, trimmedEnd(first, index) - first) != nil
  }

  /// `page 3`, `hochkant_1.2`: a parameter with its number and no equal sign.
  private func isNumberedOption(_ start: Int, _ end: Int) -> Bool {
    var number = end
    while number > start, page[number - 1] &- 0x30 < 10 || page[number - 1] == UInt8(ascii: ".") { number -= 1 }
    guard number < end, number - start >= 2, page[number - 1] == 0x20 || page[number - 1] == UInt8(ascii: "_") else {
      return false
    }
    return rules.imageParameters.value(page + start, number - 1 - start) != nil
  }

  /// `[http://host label]` reads as its label, and as nothing without one. Any other bracket is text.
  mutating func externalLink(_ start: Int, _ end: Int, _ depth: Int) -> Int {
    guard isAddress(start + 1, end), depth < Self.maximumDepth else {
      out.append(UInt8(ascii: "["))
      return start + 1
    }
    var index = start + 1
    while index < end, !endsAddress(index, end) { index += 1 }
    guard let close = externalLinkEnd(index, end) else {
      dropped()
      return index
    }
    let label = skipSpaces(index, close)
    if label < close { render(label, close, depth: depth + 1, .inline) } else { dropped() }
    return close + 1
  }

  private func isAddress(_ start: Int, _ end: Int) -> Bool {
    if peek(start, end) == UInt8(ascii: "/") { return peek(start + 1, end) == UInt8(ascii: "/") }
    var index = start
    while index < end, index - start < 10, page[index] | 0x20 &- 0x61 < 26 { index += 1 }
    guard index > start, peek(index, end) == UInt8(ascii: ":") else { return false }
    return rules.protocols.value(page + start, index - start) != nil
  }

  private func endsAddress(_ index: Int, _ end: Int) -> Bool {
    switch page[index] {
    case 0...0x20, UInt8(ascii: "]"), UInt8(ascii: "["), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""): true
    case UInt8(ascii: "{"), UInt8(ascii: "}"): peek(index + 1, end) == page[index]
    case UInt8(ascii: "'"): peek(index + 1, end) == page[index]
    case 0xE3: peek(index + 1, end) == 0x80 && peek(index + 2, end) == 0x80  // ideographic space
    default: false
    }
  }

  /// The bracket that closes an external link, on its own line; links and templates in the label are passed.
  private mutating func externalLinkEnd(_ start: Int, _ end: Int) -> Int? {
    var index = start
    while index < end {
      switch page[index] {
      case UInt8(ascii: "]"): return index
      case UInt8(ascii: "[") where peek(index + 1, end) == UInt8(ascii: "["):
        index = linkEnd(index, end) ?? index + 2
      case UInt8(ascii: "{") where peek(index + 1, end) == UInt8(ascii: "{"):
        index = templateEnd(index, end) ?? index + 2
      case UInt8(ascii: "["), 0x0A: return nil
      default: index += 1
      }
    }
    return nil
  }
}
