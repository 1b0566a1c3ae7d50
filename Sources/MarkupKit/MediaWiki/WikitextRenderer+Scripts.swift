import ShardKit

/// Superscripts and subscripts.
extension WikitextRenderer {
  /// `10<sup>8</sup>` must not become 108: digits and signs become Unicode's superscripts and subscripts. Other raised
  /// figures follow `^`.
  mutating func renderScript(_ tag: WikiTag, _ end: Int) -> Int {
    let first = scanner.skipBlanks(tag.end, end)
    var index = first
    while index < end, index - first < 16, let (_, length) = scanner.scriptScalar(index, end, tag.kind) {
      index += length
    }
    let text = index
    index = scanner.skipBlanks(index, end)
    guard text > first, let close = scanner.tag(index, end), close.isClosing, close.kind == tag.kind else {
      if tag.kind == .superscript, out.last &- 0x30 < 10, scanner.isRaisedFigure(first, end) { out.append("^") }
      return tag.end
    }
    index = first
    while index < text, let (scalar, length) = scanner.scriptScalar(index, text, tag.kind) {
      out.append(scalar: scalar)
      index += length
    }
    return close.end
  }

  /// `{{sup|2}}`, `{{sub|2}}`.
  mutating func writeScript(_ kind: WikiTagKind, _ call: WikiTemplateCall) {
    if let argument = positional(1, call) { writeScript(kind, argument, call) }
  }

  /// Raised or lowered figures; where Unicode has no such form, a raised text follows `^` behind a figure.
  mutating func writeScript(_ kind: WikiTagKind, _ argument: WikiTemplateArgument, _ call: WikiTemplateCall) {
    if let scalars = scanner.scriptScalars(scanner.trimmed(argument.value), kind) {
      for scalar in scalars { out.append(scalar: scalar) }
      return
    }
    if kind == .superscript, out.last &- 0x30 < 10 { out.append("^") }
    write(argument, call)
  }
}

extension WikitextScanner {
  /// Whether a raised text begins with a number or a letter of mathematics (`''n''`), so that it is an exponent.
  fileprivate func isRaisedFigure(_ start: Int, _ end: Int) -> Bool {
    let first = peek(start, end)
    return first &- 0x30 < 10 || first == UInt8(ascii: "'") && peek(start + 1, end) == first
      || first == UInt8(ascii: "-") || first == 0xE2 && peek(start + 1, end) == 0x88
  }

  /// All of a text in raised or lowered form; nil where Unicode lacks one of them.
  fileprivate func scriptScalars(_ text: WikitextSpan, _ kind: WikiTagKind) -> [UInt32]? {
    guard !text.isEmpty, text.count <= 32 else { return nil }
    var scalars: [UInt32] = []
    var index = text.start
    while index < text.end {
      guard let (scalar, length) = scriptScalar(index, text.end, kind) else { return nil }
      scalars.append(scalar)
      index += length
    }
    return scalars
  }

  /// The raised or lowered form of the character at `index`, and its bytes.
  fileprivate func scriptScalar(_ index: Int, _ end: Int, _ kind: WikiTagKind) -> (scalar: UInt32, length: Int)? {
    if page[index] < 0x80 { return Self.scriptScalar(page[index], kind).map { ($0, 1) } }
    guard end - index >= 3, page[index] == 0xE2 else { return nil }
    let isMinus =
      page[index + 1] == 0x88 && page[index + 2] == 0x92 || page[index + 1] == 0x80 && page[index + 2] == 0x93
    return isMinus ? (kind == .superscript ? 0x207B : 0x208B, 3) : nil
  }

  private static func scriptScalar(_ byte: UInt8, _ kind: WikiTagKind) -> UInt32? {
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
