/// A tag as it stands in the page.
struct WikiTag {
  var kind: WikiTagKind
  var nameStart: Int
  var nameEnd: Int
  /// After the `>`.
  var end: Int
  var isClosing: Bool
  /// `<name …/>`.
  var isEmpty: Bool
}

/// Comments, HTML and extension tags.
extension Wikitext {
  /// The longest tag read, attributes included, in bytes.
  static let longestTag = 4096

  /// The known tag at `start`; nil where the angle bracket is text (`x < y`, `<stdio.h>`).
  func tag(_ start: Int, _ end: Int) -> WikiTag? {
    var name = start + 1
    let isClosing = peek(name, end) == UInt8(ascii: "/")
    if isClosing { name += 1 }
    var nameEnd = name
    let nameLimit = min(end, name + 20)
    while nameEnd < nameLimit, page[nameEnd] | 0x20 &- 0x61 < 26 || nameEnd > name && page[nameEnd] &- 0x30 < 10 {
      nameEnd += 1
    }
    guard nameEnd > name, let kind = rules.tags.value(page + name, nameEnd - name) else { return nil }
    var index = nameEnd
    let limit = min(end, start + Self.longestTag)
    while index < limit, page[index] != UInt8(ascii: ">") {
      if page[index] == UInt8(ascii: "<") { return nil }
      index += 1
    }
    guard index < limit else { return nil }
    let isEmpty = page[index - 1] == UInt8(ascii: "/")
    return WikiTag(
      kind: kind, nameStart: name, nameEnd: nameEnd, end: index + 1, isClosing: isClosing, isEmpty: isEmpty)
  }

  /// Handles an angle bracket at `start`; returns where text goes on.
  mutating func angle(_ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) -> Int {
    if isComment(start, end) {
      dropped()
      return commentEnd(start, end)
    }
    guard let tag = tag(start, end) else {
      out.append(UInt8(ascii: "<"))
      return start + 1
    }
    if tag.isClosing { return closing(tag, flow) }
    switch tag.kind {
    case .reference: return reference(tag, end)
    case .references, .removed:
      dropped()
      return tag.isEmpty ? tag.end : closingTag(tag, from: tag.end, end)?.end ?? tag.end
    case .math: return math(tag, end)
    case .nowiki: return raw(tag, end, isVerbatim: false)
    case .verbatim: return raw(tag, end, isVerbatim: flow == .block)
    case .superscript, .subscript_: return script(tag, end)
    case .table: return htmlTable(tag, end, flow)
    case .rubyText: return rubyText(tag, end, depth)
    case .rubyParenthesis: return rubyParenthesis(tag, end)
    case .item:
      if flow == .block { out.append(0x0A) }
      out.append(flow == .block ? WikitextMark.item : 0x20)
    case .block, .lineBreak, .rule: lineBreak(flow)
    case .inline, .ruby: break
    }
    return tag.end
  }

  private mutating func closing(_ tag: WikiTag, _ flow: Flow) -> Int {
    switch tag.kind {
    case .block, .item, .lineBreak, .table: lineBreak(flow)
    default: break
    }
    return tag.end
  }

  private mutating func lineBreak(_ flow: Flow) {
    if flow == .inline { out.append(0x20) } else if out.last != 0x0A { out.append(0x0A) }
    dropped()
  }

  /// A footnote. One that is never closed, or that another footnote opens inside, ends with its line.
  private mutating func reference(_ tag: WikiTag, _ end: Int) -> Int {
    dropped()
    if tag.isEmpty { return tag.end }
    var index = tag.end
    while let bracket = find("<", index, end) {
      index = bracket + 1
      guard let other = self.tag(bracket, end), other.kind == .reference, !other.isEmpty else { continue }
      return other.isClosing ? other.end : min(lineEnd(tag.end, bracket), bracket)
    }
    return lineEnd(tag.end, end)
  }

  /// Text that is no wikitext; references (`&lt;`) are decoded still.
  private mutating func raw(_ tag: WikiTag, _ end: Int, isVerbatim: Bool) -> Int {
    guard !tag.isEmpty, let close = closingTag(tag, from: tag.end, end) else {
      dropped()
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

  /// `10<sup>8</sup>` must not become 108: digits and signs become Unicode's superscripts and subscripts. Other raised
  /// figures follow `^`.
  private mutating func script(_ tag: WikiTag, _ end: Int) -> Int {
    let first = skipBlanks(tag.end, end)
    var index = first
    while index < end, index - first < 16, let (_, length) = scriptScalar(index, end, tag.kind) { index += length }
    let text = index
    index = skipBlanks(index, end)
    guard text > first, let close = self.tag(index, end), close.isClosing, close.kind == tag.kind else {
      if tag.kind == .superscript, out.last &- 0x30 < 10, isRaisedFigure(first, end) { out.append("^") }
      return tag.end
    }
    index = first
    while index < text, let (scalar, length) = scriptScalar(index, text, tag.kind) {
      out.append(scalar: scalar)
      index += length
    }
    return close.end
  }

  /// Whether a raised text begins with a number or a letter of mathematics (`''n''`), so that it is an exponent.
  private func isRaisedFigure(_ start: Int, _ end: Int) -> Bool {
    let first = peek(start, end)
    return first &- 0x30 < 10 || first == UInt8(ascii: "'") && peek(start + 1, end) == first
      || first == UInt8(ascii: "-") || first == 0xE2 && peek(start + 1, end) == 0x88
  }

  /// All of a text in raised or lowered form; nil where Unicode lacks one of them.
  func scriptScalars(_ start: Int, _ end: Int, _ kind: WikiTagKind) -> [UInt32]? {
    guard start < end, end - start <= 32 else { return nil }
    var scalars: [UInt32] = []
    var index = start
    while index < end {
      guard let (scalar, length) = scriptScalar(index, end, kind) else { return nil }
      scalars.append(scalar)
      index += length
    }
    return scalars
  }

  /// The raised or lowered form of the character at `index`, and its bytes.
  private func scriptScalar(_ index: Int, _ end: Int, _ kind: WikiTagKind) -> (scalar: UInt32, length: Int)? {
    if page[index] < 0x80 { return WikitextScripts.scalar(page[index], kind).map { ($0, 1) } }
    guard end - index >= 3, page[index] == 0xE2 else { return nil }
    let isMinus =
      page[index + 1] == 0x88 && page[index + 2] == 0x92 || page[index + 1] == 0x80 && page[index + 2] == 0x93
    return isMinus ? (kind == .superscript ? 0x207B : 0x208B, 3) : nil
  }

  /// An HTML table goes with its content, tables inside it included. One that is never closed keeps its text.
  private mutating func htmlTable(_ tag: WikiTag, _ end: Int, _ flow: Flow) -> Int {
    lineBreak(flow)
    guard patience > 0 else { return tag.end }
    var depth = 1
    var index = tag.end
    while let bracket = find("<", index, end) {
      index = bracket + 1
      guard let other = self.tag(bracket, end), other.kind == .table else { continue }
      depth += other.isClosing ? -1 : 1
      if depth == 0 { return other.end }
    }
    patience -= 1
    return tag.end
  }

  /// The reading of ruby, in parentheses; its end may be left out.
  private mutating func rubyText(_ tag: WikiTag, _ end: Int, _ depth: Int) -> Int {
    var index = tag.end
    while index < end, page[index] != UInt8(ascii: "<"), page[index] != 0x0A { index += 1 }
    if rules.options.keepReadings, index > tag.end, depth < Self.maximumDepth {
      out.append("（")
      render(tag.end, index, depth: depth + 1, .inline)
      out.append("）")
    } else {
      dropped()
    }
    return index
  }

  /// `<rp>(</rp>`: parentheses for browsers without ruby; ours are written with the reading.
  private mutating func rubyParenthesis(_ tag: WikiTag, _ end: Int) -> Int {
    var index = tag.end
    while index < end, index - tag.end < 16, page[index] != UInt8(ascii: "<"), page[index] != 0x0A { index += 1 }
    return peek(index, end) == UInt8(ascii: "<") ? index : tag.end
  }
}

/// Superscript and subscript forms in Unicode.
private enum WikitextScripts {
  static func scalar(_ byte: UInt8, _ kind: WikiTagKind) -> UInt32? {
    let isSuper = kind == .superscript
    switch byte {
    case UInt8(ascii: "1") where isSuper: return 0xB9
    case UInt8(ascii: "2") where isSuper: return 0xB2
    case UInt8(ascii: "3") where isSuper: return 0xB3
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return (isSuper ? 0x2070 : 0x2080) + UInt32(byte &- 0x30)
    case UInt8(ascii: "+"): return isSuper ? 0x207A : 0x208A
    case UInt8(ascii: "-"): return isSuper ? 0x207B : 0x208B
    case UInt8(ascii: "("): return isSuper ? 0x207D : 0x208D
    case UInt8(ascii: ")"): return isSuper ? 0x207E : 0x208E
    case UInt8(ascii: "n") where isSuper: return 0x207F
    default: return nil
    }
  }
}
