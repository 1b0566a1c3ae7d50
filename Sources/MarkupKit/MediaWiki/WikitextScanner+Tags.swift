/// Comments, HTML and extension tags.
extension WikitextScanner {
  /// The longest tag read, attributes included, in bytes.
  private static let longestTag = 4096

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
      kind: kind, name: WikitextSpan(name, nameEnd), end: index + 1, isClosing: isClosing, isEmpty: isEmpty)
  }

  /// The `</name …>` of a tag; nil where there is none.
  mutating func closingTag(_ tag: WikiTag, _ end: Int) -> WikitextSpan? {
    guard patience > 0 else { return nil }
    let length = tag.name.count
    var index = tag.end
    while let hit = find("</", index, end) {
      index = hit + 2
      guard end - index >= length, isSameName(tag.name.start, index, length) else { continue }
      let after = skipSpaces(index + length, end)
      if peek(after, end) == UInt8(ascii: ">") { return WikitextSpan(hit, after + 1) }
    }
    patience -= 1
    return nil
  }

  private func isSameName(_ first: Int, _ second: Int, _ length: Int) -> Bool {
    for offset in 0..<length where page[first + offset] | 0x20 != page[second + offset] | 0x20 { return false }
    return true
  }

  /// Passes a comment or an element whose content is not wikitext; else one byte.
  mutating func passAngle(_ index: Int, _ end: Int) -> Int {
    if isComment(index, end) { return commentEnd(index, end) }
    guard let tag = tag(index, end), !tag.isClosing, tag.kind.isRaw, !tag.isEmpty else { return index + 1 }
    return closingTag(tag, end)?.end ?? index + 1
  }

  func isComment(_ index: Int, _ end: Int) -> Bool {
    end - index >= 4 && page[index] == UInt8(ascii: "<") && page[index + 1] == UInt8(ascii: "!")
      && page[index + 2] == UInt8(ascii: "-") && page[index + 3] == UInt8(ascii: "-")
  }

  /// The index after `-->`. A comment that is never closed hides the remaining text, as in MediaWiki.
  func commentEnd(_ index: Int, _ end: Int) -> Int {
    find("-->", index + 4, end).map { $0 + 3 } ?? end
  }

  /// Where the footnote of a start tag ends. One that is never closed, or in which another starts, ends with its line.
  func footnoteEnd(_ tag: WikiTag, _ end: Int) -> Int {
    if tag.isEmpty { return tag.end }
    var index = tag.end
    while let bracket = find("<", index, end) {
      index = bracket + 1
      guard let other = self.tag(bracket, end), other.kind == .reference, !other.isEmpty else { continue }
      return other.isClosing ? other.end : min(lineEnd(tag.end, bracket), bracket)
    }
    return lineEnd(tag.end, end)
  }

  /// Where an HTML table ends, tables inside it included. Of one that is never closed, only the start tag is passed.
  mutating func htmlTableEnd(_ tag: WikiTag, _ end: Int) -> Int {
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

  /// Where the reading behind `<rt>` ends; its end tag may be missing.
  func rubyTextEnd(_ tag: WikiTag, _ end: Int) -> Int {
    var index = tag.end
    while index < end, page[index] != UInt8(ascii: "<"), page[index] != 0x0A { index += 1 }
    return index
  }

  /// Where the parenthesis behind `<rp>` ends.
  func rubyParenthesisEnd(_ tag: WikiTag, _ end: Int) -> Int {
    var index = tag.end
    while index < end, index - tag.end < 16, page[index] != UInt8(ascii: "<"), page[index] != 0x0A { index += 1 }
    return peek(index, end) == UInt8(ascii: "<") ? index : tag.end
  }
}
