/// A heading: the span between its equal signs, its level, and the end of its line.
struct WikitextHeading {
  var text: WikitextSpan
  var level: Int
  var lineEnd: Int
}

/// What the first bytes of a line mean.
extension WikitextScanner {
  /// Whether the line at `start` begins and ends with `=`, trailing spaces and comments apart.
  func isHeading(_ start: Int, _ end: Int) -> Bool { heading(start, end) != nil }

  /// The heading that the line at `start` is; nil where it is none.
  func heading(_ start: Int, _ end: Int) -> WikitextHeading? {
    var line = lineEnd(start, end)
    var last = line
    if let comment = find("<!", start, line), isComment(comment, end), commentEnd(comment, end) > line {
      last = comment  // a comment that continues on the next line
      line = lineEnd(commentEnd(comment, end), end)
    }
    last = trimmedEnd(start, last)
    while last - start > 3, page[last - 1] == UInt8(ascii: ">"), let comment = lastComment(start, last) {
      last = trimmedEnd(start, comment)
    }
    guard last - start >= 3, page[last - 1] == UInt8(ascii: "=") else { return nil }
    var level = 0
    while level < 6, start + level < last - level - 1, page[start + level] == UInt8(ascii: "="),
      page[last - level - 1] == UInt8(ascii: "=")
    {
      level += 1
    }
    guard level > 0, start + level < last - level else { return nil }
    return WikitextHeading(text: WikitextSpan(start + level, last - level), level: level, lineEnd: line)
  }

  /// Where a comment that ends at `end` starts.
  private func lastComment(_ start: Int, _ end: Int) -> Int? {
    guard end - start >= 7, page[end - 2] == UInt8(ascii: "-"), page[end - 3] == UInt8(ascii: "-") else { return nil }
    var index = end - 7
    while index >= start {
      if isComment(index, end) { return index }
      index -= 1
    }
    return nil
  }

  /// Behind the `*`, `#`, `:` and `;` of a list item.
  func listMarksEnd(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, isListMark(page[index]) { index += 1 }
    return index
  }

  private func isListMark(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "*") || byte == UInt8(ascii: "#") || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ";")
  }
}
