/// The prefix of a link's target.
struct WikitextLinkPrefix {
  /// nil for an article.
  var kind: WikiLinkPrefix?
  /// Whether a colon before it asks for a link in the text.
  var isInline: Bool

  /// Whether the link is part of the text, unlike a file, a category or a link in the margin.
  var isText: Bool {
    switch kind {
    case nil, .project?, .namespace?: true
    case .file?, .category?, .language?: isInline
    }
  }
}

/// `[[links]]` and `[http://… external links]`.
extension WikitextScanner {
  /// The index after `]]` of the link that opens at `start`; nil at a blank line or the end. A bracket inside the
  /// label closes first: `[[a|[b]]]`.
  mutating func linkEnd(_ start: Int, _ end: Int) -> Int? {
    guard patience > 0 else { return nil }
    var depth = 0, singles = 0
    var index = start
    while index < end {
      let byte = page[index]
      switch byte {
      case UInt8(ascii: "["):
        let length = run(of: byte, index, end)
        depth += length / 2
        singles += length & 1
        index += length
      case UInt8(ascii: "]"):
        var length = run(of: byte, index, end)
        if length & 1 == 1, singles > 0 {
          singles -= 1
          index += 1
          length -= 1
        }
        if length / 2 >= depth { return index + 2 * depth }
        depth -= length / 2
        index += length
      case 0x0A where peek(index + 1, end) == 0x0A:
        patience -= 1
        return nil
      case UInt8(ascii: "<"): index = passAngle(index, end)
      default: index += 1
      }
    }
    patience -= 1
    return nil
  }

  /// Where a target without markup ends.
  func plainTargetEnd(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, !Self.endsPlainTarget(page[index]) { index += 1 }
    return index
  }

  /// The label without markup that starts at `start`; nil where it is empty or not closed by exactly two brackets.
  func plainLabel(_ start: Int, _ end: Int) -> WikitextSpan? {
    var close = start
    while close < end, page[close] != UInt8(ascii: "'"), !Self.endsPlainTarget(page[close]) { close += 1 }
    guard close > start, isPair(UInt8(ascii: "]"), close, end), peek(close + 2, end) != UInt8(ascii: "]") else {
      return nil
    }
    return WikitextSpan(start, close)
  }

  private static func endsPlainTarget(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x0A, UInt8(ascii: "|"), UInt8(ascii: "]"), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "}"),
      UInt8(ascii: "<"), UInt8(ascii: "&"):
      true
    default: byte < 0x20
    }
  }

  func linkPrefix(_ start: Int, _ end: Int) -> WikitextLinkPrefix {
    var first = skipSpaces(start, end)
    let isInline = peek(first, end) == UInt8(ascii: ":")
    if isInline { first = skipSpaces(first + 1, end) }
    guard let colon = prefixColon(first, end) else { return WikitextLinkPrefix(kind: nil, isInline: isInline) }
    let last = trimmedEnd(first, colon)
    return WikitextLinkPrefix(kind: rules.site.prefixes.value(page + first, last - first), isInline: isInline)
  }

  /// The first colon where a namespace name may end: names are short.
  private func prefixColon(_ start: Int, _ end: Int) -> Int? {
    var index = start
    let limit = min(end, start + 48)
    while index < limit {
      if page[index] == UInt8(ascii: ":") { return index > start ? index : nil }
      index += 1
    }
    return nil
  }

  /// What a target reads as without a label: no leading colon or `#`, and no prefix of another wiki (`:en:Title`,
  /// `wikt:word`, `:w:en:Title`).
  func targetText(_ target: WikitextSpan, _ prefix: WikiLinkPrefix?) -> WikitextSpan {
    var first = target.start
    let end = target.end
    var prefix = prefix
    while true {
      while first < end, page[first] == UInt8(ascii: ":") || page[first] == UInt8(ascii: "#") || page[first] == 0x20 {
        first += 1
      }
      guard prefix == .language || prefix == .project, let colon = prefixColon(first, end) else { break }
      first = skipSpaces(colon + 1, end)
      prefix = linkPrefix(first, end).kind
      guard prefix == .language || prefix == .project else { break }
    }
    return WikitextSpan(first, end)
  }

  /// `thumb`, `右`, `220px`, `100x80px`, `220ピクセル`, `代替文=…`: layout, not text.
  func isImageOption(_ argument: WikitextSpan) -> Bool {
    let first = skipSpaces(argument.start, argument.end), last = trimmedEnd(first, argument.end)
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

  /// Whether an address of the web or the like starts here.
  func isAddress(_ start: Int, _ end: Int) -> Bool {
    if peek(start, end) == UInt8(ascii: "/") { return peek(start + 1, end) == UInt8(ascii: "/") }
    var index = start
    while index < end, index - start < 10, page[index] | 0x20 &- 0x61 < 26 { index += 1 }
    guard index > start, peek(index, end) == UInt8(ascii: ":") else { return false }
    return rules.protocols.value(page + start, index - start) != nil
  }

  func addressEnd(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, !endsAddress(index, end) { index += 1 }
    return index
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
  mutating func externalLinkClose(_ start: Int, _ end: Int) -> Int? {
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
