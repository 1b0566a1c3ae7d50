import ShardKit

/// Formulas (`<math>`, `<chem>`) and figures that cannot be told: what would leave a hole in its sentence.
extension Wikitext {
  /// A formula. One that reads as text (`x`, `n + 1`) stays as it is; what becomes of others is an option.
  mutating func math(_ tag: WikiTag, _ end: Int) -> Int {
    guard !tag.isEmpty, let close = closingTag(tag, from: tag.end, end) else {
      dropped()
      return tag.end
    }
    let (start, last) = formulaBounds(tag.end, close.start)
    if start == last {
      dropped()
    } else if last - start <= 40, (start..<last).allSatisfy({ Self.isPlainFormula(page[$0]) }) {
      out.append(page + start, last - start)
    } else {
      writeFormula(tag, start, last)
    }
    return close.end
  }

  /// A formula without the blanks and the commands for space at its edges: `u\,` is `u`.
  private func formulaBounds(_ start: Int, _ end: Int) -> (start: Int, end: Int) {
    var first = skipBlanks(start, end), last = trimmedEnd(first, end)
    while let next = skipSpacing(first, last) { first = next }
    while last > first, let previous = dropSpacing(first, last) { last = previous }
    return (first, max(first, last))
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

  private static func isPlainFormula(_ byte: UInt8) -> Bool {
    byte | 0x20 &- 0x61 < 26 || byte &- 0x30 < 10 || " +-=().,/<>|'".utf8.contains(byte)
  }

  private mutating func writeFormula(_ tag: WikiTag, _ start: Int, _ end: Int) {
    switch rules.options.formulas {
    case .drop: dropped()
    case .replace: out.append(rules.placeholder)
    case .tex:
      let isChemistry = page[tag.nameStart] | 0x20 == UInt8(ascii: "c")
      out.append(isChemistry ? "$\\ce{" : "$")
      writeTeX(start, end)
      out.append(isChemistry ? "}$" : "$")
    }
  }

  /// The source of a formula on one line, with its character references decoded. A space, which TeX passes over, keeps
  /// braces apart that would look like a template's.
  private mutating func writeTeX(_ start: Int, _ end: Int) {
    var index = start
    while index < end {
      let byte = page[index]
      if byte == UInt8(ascii: "&"), let (scalar, length) = HTMLEntities.decode(page, index, end) {
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
  mutating func unresolved() {
    switch isCondition ? .dropSentence : rules.options.unresolved {
    case .leave: dropped()
    case .replace: out.append(rules.placeholder)
    case .dropSentence: out.append(WikitextMark.hole)
    }
  }
}

/// Sentences that have a hole.
enum WikitextSentences {
  /// Removes the sentences of `output[start...]` that hold one of the places `holes`, which rise. Returns how many went.
  ///
  /// A sentence ends at `。`, `！` or `？` outside brackets, and at a full stop before a space.
  static func cut(_ output: inout PageBuffer, from start: Int, holes: [Int]) -> Int {
    var kept = start, sentence = start, cut = 0
    var next = holes.startIndex
    while sentence < output.count {
      let (end, isClosed) = self.end(of: sentence, output)
      while next < holes.endIndex, holes[next] < sentence { next += 1 }
      if next < holes.endIndex, holes[next] < end || !isClosed {
        cut += 1
      } else {
        (output.base + kept).update(from: output.base + sentence, count: end - sentence)
        kept += end - sentence
      }
      sentence = end
    }
    output.truncate(to: kept)
    return cut
  }

  /// The index after the sentence that starts at `start`, with the space behind it, and whether a stop ends it.
  private static func end(of start: Int, _ output: borrowing PageBuffer) -> (index: Int, isClosed: Bool) {
    var index = start, depth = 0
    let bytes = output.base, count = output.count
    while index < count {
      switch bytes[index] {
      case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"):
        index += 1
        if index == count || bytes[index] == 0x20 { return (min(index + 1, count), true) }
      case 0xE3 where index + 2 < count && bytes[index + 1] == 0x80:
        let last = bytes[index + 2]
        index += 3
        if last == 0x82, depth == 0 { return (index, true) }  // 。
        if last == 0x8C || last == 0x8E { depth += 1 }  // 「『
        if last == 0x8D || last == 0x8F { depth = max(0, depth - 1) }  // 」』
      case 0xEF where index + 2 < count && bytes[index + 1] == 0xBC:
        let last = bytes[index + 2]
        index += 3
        if last == 0x81 || last == 0x9F, depth == 0 { return (index, true) }  // ！？
        if last == 0x88 { depth += 1 }  // （
        if last == 0x89 { depth = max(0, depth - 1) }  // ）
      default: index += 1
      }
    }
    return (count, false)
  }
}
