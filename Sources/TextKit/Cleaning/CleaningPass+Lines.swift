// Spaces, line ends and brackets.
extension CleaningPass {
  /// A run of spaces becomes one space, or none at the ends of a line.
  mutating func whitespace(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    flush(text, start)
    var i = start, count = 0
    while i < text.count, let width = Self.spaceWidth(text, i) {
      i += width
      count += 1
    }
    let isAtStart = out.count == lineStart || out.last == 0x20
    if !isAtStart { out.append(0x20) }
    counts[.whitespace] += isAtStart ? count : count - 1
    flush(text, start, resume: i)
    return i
  }

  private static func spaceWidth(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    if text[i] == 0x20 || text[i] == 0x09 { return 1 }
    guard text[i] >= 0xC2 else { return nil }
    let (scalar, count) = UTF8Scanning.scalar(at: i, in: text.baseAddress!, end: text.count)
    return InvisibleKind(scalar) == .space ? count : nil
  }

  mutating func newline(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, count: Int) -> Int {
    // A line end behind a visible character stays, and is copied with what surrounds it.
    if text[i] == 0x0A, let length = unflushed(text, i), text[i - 1] > 0x20 {
      lineStart = out.count + length + 1
      return i + 1
    }
    flush(text, i, resume: i + count)
    if rules.tidiesWhitespace { tidyNewline(count) } else { out.append(0x0A) }
    lineStart = out.count
    return i + count
  }

  private mutating func tidyNewline(_ count: Int) {
    trimLine()
    let isBlank = out.count == lineStart
    let isRedundant = isBlank && (lineStart == 0 || lineStart >= 2 && out[lineStart - 2] == 0x0A)
    if !isRedundant { out.append(0x0A) }
    counts[.whitespace] += isRedundant ? count : count - 1
  }

  private mutating func trimLine() {
    while out.count > lineStart, out.last == 0x20 {
      out.removeLast()
      counts[.whitespace] += 1
    }
  }

  /// Ends the text: removes spaces and line ends after the last line.
  mutating func finish() {
    guard rules.tidiesWhitespace else { return }
    trimLine()
    while out.last == 0x0A {
      out.removeLast()
      counts[.whitespace] += 1
    }
  }

  enum Bracket {
    case ascii, fullWidth
    /// The last byte of 〉》」』】〕〗; its opening partner is one below.
    case ideographic(UInt8)
  }

  /// At a closing bracket: if there are only spaces and commas since the opening one, both are removed.
  mutating func closing(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, _ bracket: Bracket) -> Int {
    let width = if case .ascii = bracket { 1 } else { 3 }
    if unflushed(text, i) != nil, !mayBeEmpty[Int(text[i - 1])] { return i + width }
    flush(text, i)
    var inside = out.count
    while inside > lineStart, let filler = fillerWidth(before: inside) { inside -= filler }
    guard let opening = opening(of: bracket, endingAt: inside) else { return i + width }
    counts[.brackets] += 1 + scalars(from: opening)
    out.removeLast(out.count - opening)
    flush(text, i, resume: i + width)
    return i + width
  }

  /// The last bytes of what can precede the closing bracket of an empty pair: fillers and opening brackets.
  static let emptyEnds = ByteTable { byte in
    [0x20, 0x2C, 0x3B, 0x81, 0x8C, 0x28, 0x88, 0x8A, 0x8E, 0x90, 0x94, 0x96].contains(byte)
  }

  private func fillerWidth(before end: Int) -> Int? {
    switch out[end - 1] {
    case 0x20, 0x2C, 0x3B: return 1
    case 0x81 where end - 3 >= lineStart && out[end - 3] == 0xE3 && out[end - 2] == 0x80: return 3  // 、
    case 0x8C where end - 3 >= lineStart && out[end - 3] == 0xEF && out[end - 2] == 0xBC: return 3  // ，
    default: return nil
    }
  }

  private func opening(of bracket: Bracket, endingAt end: Int) -> Int? {
    switch bracket {
    case .ascii:
      guard end > lineStart, out[end - 1] == 0x28 else { return nil }
      guard end - 1 > lineStart else { return end - 1 }
      let before = out[end - 2]
      return before.isASCIIAlphanumeric || "_)]>.".utf8.contains(before) ? nil : end - 1
    case .fullWidth: return ends(end, 0xEF, 0xBC, 0x88) ? end - 3 : nil
    case .ideographic(let c): return ends(end, 0xE3, 0x80, c - 1) ? end - 3 : nil
    }
  }

  private func ends(_ end: Int, _ a: UInt8, _ b: UInt8, _ c: UInt8) -> Bool {
    end - 3 >= lineStart && out[end - 3] == a && out[end - 2] == b && out[end - 1] == c
  }

  /// 、 directly after an opening round bracket.
  mutating func comma(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    guard i > 0, text[i - 1] == 0x28 || text[i - 1] == 0x88 || text[i - 1] == 0x81 else { return i + 3 }
    flush(text, i)
    guard out.count > lineStart, out.last == 0x28 || ends(out.count, 0xEF, 0xBC, 0x88) else { return i + 3 }
    flush(text, i, resume: i + 3)
    counts[.brackets] += 1
    return i + 3
  }

  func scalars(from start: Int) -> Int { out[start...].count { !$0.isContinuation } }
}
