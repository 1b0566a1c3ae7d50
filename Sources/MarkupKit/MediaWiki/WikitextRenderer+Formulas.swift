import ShardKit

/// Formulas (`<math>`, `<chem>`) and figures that the dump does not hold: what would leave a hole in its sentence.
extension WikitextRenderer {
  /// A formula. One that reads as text (`x`, `n + 1`) stays as it is; what becomes of others is an option.
  mutating func renderFormula(_ tag: WikiTag, _ end: Int) -> Int {
    guard !tag.isEmpty, let close = scanner.closingTag(tag, end) else {
      markRemoved()
      return tag.end
    }
    let formula = scanner.formula(WikitextSpan(tag.end, close.start))
    if formula.isEmpty {
      markRemoved()
    } else if formula.count <= 40, (formula.start..<formula.end).allSatisfy({ Self.isPlainFormula(page[$0]) }) {
      append(formula)
    } else {
      writeFormula(tag, formula)
    }
    return close.end
  }

  private static func isPlainFormula(_ byte: UInt8) -> Bool {
    byte | 0x20 &- 0x61 < 26 || byte &- 0x30 < 10 || " +-=().,/<>|'".utf8.contains(byte)
  }

  private mutating func writeFormula(_ tag: WikiTag, _ formula: WikitextSpan) {
    switch rules.options.formulas {
    case .drop: markRemoved()
    case .replace: out.append(rules.placeholder)
    case .tex:
      let isChemistry = page[tag.name.start] | 0x20 == UInt8(ascii: "c")
      out.append(isChemistry ? "$\\ce{" : "$")
      writeTeX(formula)
      out.append(isChemistry ? "}$" : "$")
    }
  }

  /// The source of a formula on one line, with its character references decoded. A space, which TeX passes over, keeps
  /// braces apart that would look like a template's.
  private mutating func writeTeX(_ formula: WikitextSpan) {
    var index = formula.start
    while index < formula.end {
      let byte = page[index]
      if byte == UInt8(ascii: "&"), let (scalar, length) = HTMLEntities.decode(page, index, formula.end) {
        out.append(scalar: scalar == 0x0A || scalar == 0xA0 ? 0x20 : scalar)
        index += length
      } else {
        if byte == out.last, byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") { out.append(0x20) }
        if byte > 0x20, byte != 0x7F { out.append(byte) } else if out.last != 0x20 { out.append(0x20) }
        index += 1
      }
    }
  }

  /// Marks a figure that the dump does not hold: the result of a calculation, or of data kept in another page.
  mutating func writeHole() {
    switch isCondition ? .dropSentence : rules.options.unresolved {
    case .leave: markRemoved()
    case .replace: out.append(rules.placeholder)
    case .dropSentence: out.append(WikitextMark.hole)
    }
  }
}

extension WikitextScanner {
  /// A formula without the blanks and the commands for space at its edges: `u\,` is `u`.
  fileprivate func formula(_ content: WikitextSpan) -> WikitextSpan {
    var formula = trimmed(content)
    while let next = skipSpacing(formula.start, formula.end) { formula.start = next }
    while !formula.isEmpty, let previous = dropSpacing(formula.start, formula.end) { formula.end = previous }
    return formula
  }

  private func skipSpacing(_ start: Int, _ end: Int) -> Int? {
    if start < end, page[start] == UInt8(ascii: "~") || page[start] <= 0x20 { return start + 1 }
    guard end - start >= 2, page[start] == UInt8(ascii: "\\"), Self.isSpacing(page[start + 1]) else { return nil }
    return start + 2
  }

  private func dropSpacing(_ start: Int, _ end: Int) -> Int? {
    let last = page[end - 1]
    if last <= 0x20 { return end - 1 }
    var slashes = 0
    let place = last == UInt8(ascii: "\\") ? end : end - 1
    while place - slashes > start, page[place - slashes - 1] == UInt8(ascii: "\\") { slashes += 1 }
    if slashes & 1 == 1 { return last == UInt8(ascii: "\\") || Self.isSpacing(last) ? place - 1 : nil }
    return last == UInt8(ascii: "~") ? end - 1 : nil
  }

  private static func isSpacing(_ byte: UInt8) -> Bool {
    byte <= 0x20 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: ":")
      || byte == UInt8(ascii: "!")
  }
}
