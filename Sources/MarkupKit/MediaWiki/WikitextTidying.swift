import Glibc
import ShardKit

/// The second pass: lines with marks in, clean text out.
///
/// Removes what removed markup leaves: lines that held nothing else, parentheses emptied (`（、）`) and the separators
/// at their edges, doubled spaces. Parentheses that lost nothing stay as they are (`main()`). Leaves out dropped
/// sections and headings without text; runs of blank lines become one.
struct WikitextTidying {
  let rules: WikitextRules
  private var pending: [Heading] = []
  /// The level of the dropped section being passed; 0 for none.
  private var droppedLevel: UInt8 = 0
  private var wantsBlankLine = false
  private var parentheses: [Parenthesis] = []

  private struct Heading {
    var level: UInt8
    var text: [UInt8]
  }

  private struct Parenthesis {
    /// Where its content starts in the output.
    var start: Int
    var lostMarkup: Bool
    var hasHole = false
  }

  /// Where figures are missing in the line, as places in the output.
  private var holes: [Int] = []
  /// Sentences left out because of them.
  private(set) var cutSentences = 0

  private let classes = WikitextByteClass.line

  init(rules: WikitextRules) { self.rules = rules }

  mutating func run(_ marked: UnsafeBufferPointer<UInt8>, into output: inout PageBuffer) {
    guard let base = marked.baseAddress else { return }
    let first = output.count
    var start = 0
    while start < marked.count {
      let rest = UnsafeBufferPointer(rebasing: marked[start...])
      let length = rest.firstIndex(of: 0x0A) ?? rest.count
      line(base + start, length, first, &output)
      start += length + 1
    }
  }

  private mutating func line(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ first: Int, _ output: inout PageBuffer
  ) {
    let start = skipRemoved(bytes, count)
    guard start < count else {
      if !contains(WikitextMark.removed, bytes, count) { wantsBlankLine = true }
      return
    }
    if bytes[start] == WikitextMark.heading { return heading(bytes + start, count - start, &output) }
    let isItem = bytes[start] == WikitextMark.item
    guard droppedLevel == 0, !isItem || rules.options.keepLists else { return }
    let restore = output.count
    if output.count == first || wantsBlankLine || !pending.isEmpty || !continues(bytes + start, count - start) {
      beginLine(first, &output)
    }
    if isItem { output.append(rules.listMarker) }
    let text = output.count
    if bytes[start] == WikitextMark.verbatim {
      verbatim(bytes + start, count - start, &output)
    } else {
      clean(bytes, count, &output)
    }
    if output.count == text {
      output.truncate(to: restore)
      if !isItem, !contains(WikitextMark.removed, bytes, count), !contains(WikitextMark.hole, bytes, count) {
        wantsBlankLine = true
      }
      return
    }
    pending.removeAll(keepingCapacity: true)
    wantsBlankLine = false
  }

  private func contains(_ byte: UInt8, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    count > 0 && memchr(bytes, Int32(byte), count) != nil
  }

  /// Whether a line begins with `。` or `、`: the last one was broken before its stop.
  private func continues(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    count >= 3 && bytes[0] == 0xE3 && bytes[1] == 0x80 && bytes[2] &- 0x81 < 2
  }

  private func skipRemoved(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var index = 0
    while index < count, bytes[index] == WikitextMark.removed || bytes[index] == 0x20 { index += 1 }
    return index
  }

  /// Writes what stands between the last line and this one: a newline, a blank line, headings that now have text.
  private func beginLine(_ first: Int, _ output: inout PageBuffer) {
    if output.count > first {
      output.append(0x0A)
      if wantsBlankLine || !pending.isEmpty { output.append(0x0A) }
    }
    for heading in pending {
      output.append(heading.text)
      output.append(0x0A)
    }
  }

  private mutating func heading(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ output: inout PageBuffer) {
    guard count >= 2 else { return }
    let level = bytes[1] &- WikitextMark.headingLevel
    if droppedLevel > 0, level > droppedLevel { return }
    droppedLevel = 0
    while let last = pending.last, last.level >= level { pending.removeLast() }
    wantsBlankLine = true
    let restore = output.count
    clean(bytes + 2, count - 2, &output)
    let text = Array(output.bytes[restore...])
    output.truncate(to: restore)
    if rules.droppedSections.value(text) != nil {
      droppedLevel = level
    } else if rules.options.keepHeadings, !text.isEmpty {
      pending.append(Heading(level: level, text: text))
    }
  }

  private func verbatim(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ output: inout PageBuffer) {
    let start = output.count
    for index in 0..<count where bytes[index] >= 0x20 || bytes[index] == 0x09 { output.append(bytes[index]) }
    trimEnd(start, &output)
  }

  /// Copies a line: marks and controls go, spaces run together, parentheses that lost their content go.
  private mutating func clean(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ output: inout PageBuffer) {
    let start = output.count
    parentheses.removeAll(keepingCapacity: true)
    var index = 0
    while index < count {
      let plain = index
      while index < count, classes[Int(bytes[index])] == 0 { index += 1 }
      if index > plain { output.append(bytes + plain, index - plain) }
      if index >= count { break }
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "("):
        output.append(byte)
        open(output.count)
        index += 1
      case UInt8(ascii: ")"):
        index = close(start, opener: 1, bytes, index, count, &output)
      case 0xEF where isFullwidth(bytes, index, count, 0x88):  // （
        output.append(bytes + index, 3)
        open(output.count)
        index += 3
      case 0xEF where isFullwidth(bytes, index, count, 0x89):  // ）
        index = close(start, opener: 3, bytes, index, count, &output)
      case 0xEF:
        if let end = wideSwitchEnd(bytes, index, count) {
          index = end
        } else {
          output.append(byte)
          index += 1
        }
      case 0x20, 0x09:
        if output.count > start, output.last != 0x20 { output.append(0x20) }
        index += 1
      case WikitextMark.hole:
        hole(output.count)
        index += 1
      case WikitextMark.removed:
        if !parentheses.isEmpty { parentheses[parentheses.count - 1].lostMarkup = true }
        index = afterRemoved(bytes, index + 1, count, start, &output)
      default: index += 1
      }
    }
    if !holes.isEmpty {
      cutSentences += WikitextSentences.cut(&output, from: start, holes: holes)
      holes.removeAll(keepingCapacity: true)
    }
    trimEnd(start, &output)
    trimStart(start, &output)
  }

  private mutating func hole(_ place: Int) {
    holes.append(place)
    if !parentheses.isEmpty { parentheses[parentheses.count - 1].hasHole = true }
  }

  /// Text after something removed: of two commas or full stops that met one goes, and a space before one.
  private mutating func afterRemoved(
    _ bytes: UnsafePointer<UInt8>, _ index: Int, _ count: Int, _ start: Int, _ output: inout PageBuffer
  ) -> Int {
    var next = index
    while next < count, bytes[next] == 0x20 || bytes[next] == WikitextMark.removed { next += 1 }
    let isStop = next < count && (bytes[next] == UInt8(ascii: ",") || bytes[next] == UInt8(ascii: "."))
    if isStop || continues(bytes + next, count - next) {
      while output.count > start, output.last == 0x20 { output.truncate(to: output.count - 1) }
      if let hole = holes.last, hole > output.count { holes[holes.count - 1] = output.count }
      let isDoubled =
        !isStop && output.count - start >= 3 && memcmp(output.base + output.count - 3, bytes + next, 3) == 0
      return isDoubled ? next + 3 : next
    }
    if output.count > start, output.last != 0x20, memchr(bytes + index, 0x20, next - index) != nil {
      output.append(0x20)
    }
    return next
  }

  /// `＿＿目次非表示＿＿`: the index after it; nil where it is text, such as a blank to fill in.
  private func wideSwitchEnd(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int? {
    guard isWideLine(bytes, start, count), isWideLine(bytes, start + 3, count) else { return nil }
    var index = start + 6
    while index < min(count, start + WikiSwitches.longestBytes) {
      if isWideLine(bytes, index, count) {
        return isWideLine(bytes, index + 3, count) && rules.isSwitch(bytes + start + 6, index - start - 6)
          ? index + 6 : nil
      }
      guard bytes[index] >= 0x80 else { return nil }
      index += 1
    }
    return nil
  }

  private func isWideLine(_ bytes: UnsafePointer<UInt8>, _ index: Int, _ count: Int) -> Bool {
    index + 2 < count && bytes[index] == 0xEF && isFullwidth(bytes, index, count, 0xBF)
  }

  private func isFullwidth(_ bytes: UnsafePointer<UInt8>, _ index: Int, _ count: Int, _ last: UInt8) -> Bool {
    index + 2 < count && bytes[index + 1] == 0xBC && bytes[index + 2] == last
  }

  /// Nesting beyond this many parentheses is not followed.
  private static let deepestParentheses = 16

  private mutating func open(_ start: Int) {
    if parentheses.count == Self.deepestParentheses { parentheses.removeFirst() }
    parentheses.append(Parenthesis(start: start, lostMarkup: false))
  }

  /// Tidies the parenthesis that closes at `index`, and goes with its opener where nothing is left in it. Returns where
  /// text goes on.
  private mutating func close(
    _ lineStart: Int, opener: Int, _ bytes: UnsafePointer<UInt8>, _ index: Int, _ count: Int, _ output: inout PageBuffer
  ) -> Int {
    guard let parenthesis = parentheses.popLast(), parenthesis.lostMarkup || parenthesis.hasHole,
      parenthesis.start >= lineStart
    else {
      output.append(bytes + index, opener)
      return index + opener
    }
    if parenthesis.hasHole {
      while let hole = holes.last, hole >= parenthesis.start { holes.removeLast() }
    } else if trimContent(parenthesis.start, &output) {
      output.append(bytes + index, opener)
      return index + opener
    }
    let isFullwidth = parenthesis.start - lineStart >= 3 && output.base[parenthesis.start - 1] == 0x88
    output.truncate(to: parenthesis.start - (isFullwidth ? 3 : 1))
    return afterRemoved(bytes, index + opener, count, lineStart, &output)
  }

  /// Removes separators at the edges of a parenthesis; false where nothing is left.
  private func trimContent(_ start: Int, _ output: inout PageBuffer) -> Bool {
    var end = output.count
    while let length = WikitextSeparators.length(endingAt: end, from: start, output.base) { end -= length }
    output.truncate(to: end)
    var first = start
    while let length = WikitextSeparators.length(startingAt: first, to: end, output.base) { first += length }
    guard first < end else { return false }
    if first > start {
      (output.base + start).update(from: output.base + first, count: end - first)
      output.truncate(to: end - (first - start))
    }
    return true
  }

  private func trimEnd(_ start: Int, _ output: inout PageBuffer) {
    while output.count > start {
      if output.last == 0x20 || output.last == 0x09 {
        output.truncate(to: output.count - 1)
      } else if output.count - start >= 3, WikitextSeparators.isIdeographicSpace(output.base + output.count - 3) {
        output.truncate(to: output.count - 3)
      } else {
        return
      }
    }
  }

  /// An ideographic space that indents a paragraph.
  private func trimStart(_ start: Int, _ output: inout PageBuffer) {
    var first = start
    while first < output.count {
      if output.base[first] == 0x20 {
        first += 1
      } else if output.count - first >= 3, WikitextSeparators.isIdeographicSpace(output.base + first) {
        first += 3
      } else {
        break
      }
    }
    guard first > start else { return }
    (output.base + start).update(from: output.base + first, count: output.count - first)
    output.truncate(to: output.count - (first - start))
  }
}
