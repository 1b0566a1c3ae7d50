/// Removes citations from a block, with the brackets, commas and lead words ("see", "e.g.") that belong only to them.
///
/// A marker is removed if it is a number, or is inside brackets: "[1]–[3]", "(Smith 2004; Jones 2005)". Names that are
/// part of a sentence ("as Smith (2004) showed") are kept, because the sentence needs them; so are such numbers
/// ("in [3]", "In 2004, [3] showed", "これは[3]で述べた", `CitationRole`). A marker without
/// characters is the position of something else that was removed, such as a formula.
/// One pass over the block, with bounded lookbehind.
struct CitationTidying {
  static func tidied(_ text: [UInt8]) -> [UInt8] {
    text.withUnsafeBufferPointer { text in
      var tidying = CitationTidying(text)
      return tidying.run()
    }
  }

  private let text: UnsafeBufferPointer<UInt8>
  private var out: [UInt8] = []
  private var at = 0
  /// Number of open brackets in `out`.
  private var depth = 0

  private static let longestLead = 40
  /// Maximum number of bytes of `out` removed with one marker.
  private static let longestReach = 200

  private init(_ text: UnsafeBufferPointer<UInt8>) {
    self.text = text
    out.reserveCapacity(text.count)
  }

  private mutating func run() -> [UInt8] {
    while at < text.count {
      if text[at] == BlockText.citationStart {
        takeMarker()
        continue
      }
      if let bracket = Bracket(text, at) { depth = max(0, depth + (bracket.isOpening ? 1 : -1)) }
      if text[at] != BlockText.citationEnd { out.append(text[at]) }
      at += 1
    }
    return out
  }

  /// Removes the marker here, if the sentence does not need it.
  private mutating func takeMarker() {
    let start = at
    let end = markerEnd(start)
    let marker = UnsafeBufferPointer(rebasing: text[(start + 1)..<end])
    at = min(end + 1, text.count)
    let before = (tail: Array(out.suffix(Self.longestReach)), count: out.count, depth: depth)
    if depth > 0 || Self.isNumber(marker) {
      takeRun()
      let runEnd = at
      let isBracketed = Bracket(marker, 0) != nil || endsInOpening
      let hadSpace = close()
      guard !marker.isEmpty, hadSpace && endsInLead || isBracketed && (endsInLead || isPart(hadSpace)) else { return }
      // "as reported in [5]", "see, e.g., [5]": the sentence would be incomplete.
      out.removeLast(out.count - min(out.count, before.count - before.tail.count))
      out += before.tail
      (at, depth) = (runEnd, before.depth)
      out.append(contentsOf: text[start..<runEnd].filter { $0 > 2 })
    } else {
      out.append(contentsOf: marker.filter { $0 > 2 })
    }
  }

  private func markerEnd(_ start: Int) -> Int {
    var end = start + 1
    while end < text.count && text[end] != BlockText.citationEnd { end += 1 }
    return end
  }

  /// Digits, signs and single letters ("12a", "*"), but not words.
  private static func isNumber(_ marker: UnsafeBufferPointer<UInt8>) -> Bool {
    var letters = 0
    for (index, byte) in marker.enumerated() {
      switch byte {
      case 0x41...0x5A, 0x61...0x7A, 0xC3...0xDF: letters += 1
      case 0xE4...0xED: return false
      case 0xE3 where index + 1 < marker.count && marker[index + 1] > 0x80: return false
      case 0x80...0xBF: break
      default: letters = 0
      }
      if letters > 1 { return false }
    }
    return true
  }

  /// Removes further markers that only separators separate from this one.
  private mutating func takeRun() {
    while true {
      var next = at
      while let length = separator(next) { next += length }
      guard next < text.count, text[next] == BlockText.citationStart else { return }
      let end = markerEnd(next)
      guard depth > 0 || Self.isNumber(UnsafeBufferPointer(rebasing: text[(next + 1)..<end])) else { return }
      at = min(end + 1, text.count)
    }
  }

  /// Closes the gap: removes the bracket if nothing else is in it, else the separator on one side.
  /// Returns whether there was a space before it.
  private mutating func close() -> Bool {
    let most = max(0, out.count - Self.longestReach)
    var hadSpace = dropSpace()
    while let (opening, after) = emptyBracket(), opening >= most {
      out.removeLast(out.count - opening)
      depth = max(0, depth - 1)
      at = after
      takeRun()
      hadSpace = dropSpace() || hadSpace
    }
    var right = at
    while let length = separator(right) { right += length }
    if right < text.count, let bracket = Bracket(text, right), !bracket.isOpening {
      while let last = out.last, Self.spaceOrComma.contains(last) { out.removeLast() }
      at = right
    } else if out.isEmpty || endsInOpening {
      at = right
    } else if let last = out.last, Self.spaceOrComma.contains(last), at < text.count, text[at] != 32,
      let length = separator(at)
    {
      at += length
    } else if hadSpace, at < text.count, isWordByte(text[at]) {
      out.append(32)
    }
    return hadSpace
  }

  private mutating func dropSpace() -> Bool {
    guard out.last == 32 else { return false }
    while out.last == 32 { out.removeLast() }
    return true
  }

  /// The bracket around this position, if it contains only separators and lead words: where it opens in `out`, and
  /// where the text continues after it.
  private func emptyBracket() -> (opening: Int, after: Int)? {
    var right = at
    while let length = separator(right) { right += length }
    guard let closing = Bracket(text, right), !closing.isOpening else { return nil }
    return out.withUnsafeBufferPointer { out in
      var index = out.count - 1
      let floor = max(0, out.count - Self.longestLead)
      while index >= floor {
        if let bracket = Bracket(out, index) {
          guard bracket.isOpening, Self.isLead(out[(index + bracket.length)...]) else { return nil }
          return (index, right + closing.length)
        }
        index -= 1
      }
      return nil
    }
  }

  private var endsInOpening: Bool {
    out.withUnsafeBufferPointer { out in
      [1, 3].contains { length in
        guard out.count >= length, let bracket = Bracket(out, out.count - length) else { return false }
        return bracket.isOpening && bracket.length == length
      }
    }
  }

  /// Whether the sentence around the gap needs what was removed.
  private func isPart(_ hadSpace: Bool) -> Bool {
    let behind = UnsafeBufferPointer(rebasing: text[at..<min(text.count, at + Self.longestLead)])
    return CitationRole.isPart(behind: out.suffix(Self.longestLead), before: behind, hadSpace: hadSpace)
  }

  /// Whether the sentence so far ends in a word that needs another one after it: a preposition, an abbreviation such as
  /// "e.g." (and a comma), "for example,".
  private var endsInLead: Bool {
    var tail = out.suffix(Self.longestLead).map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
    while tail.last == 32 { tail.removeLast() }
    let hasComma = tail.last == UInt8(ascii: ",")
    if hasComma { tail.removeLast() }
    let phrases = hasComma ? CitationLeads.beforeComma : CitationLeads.all
    return phrases.contains { phrase in
      guard tail.count >= phrase.count, tail.suffix(phrase.count).elementsEqual(phrase) else { return false }
      return tail.count == phrase.count || !isLetterOrStop(tail[tail.count - phrase.count - 1])
    }
  }

  private func isLetterOrStop(_ byte: UInt8) -> Bool {
    byte >= 0x80 || byte == UInt8(ascii: ".") || 0x61...0x7A ~= byte || 0x30...0x39 ~= byte
  }

  private static func isLead(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    String(decoding: bytes, as: UTF8.self).lowercased().split(whereSeparator: { " ,;:.–-".contains($0) })
      .allSatisfy { CitationLeads.inBrackets.contains($0) }
  }

  private static let spaceOrComma: [UInt8] = [32, UInt8(ascii: ","), UInt8(ascii: ";")]

  private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0xC3...0xDF: true
    case UInt8(ascii: "("), UInt8(ascii: "["): true
    default: false
    }
  }

  /// The length of a separator between two markers, if there is one here.
  private func separator(_ index: Int) -> Int? {
    guard index < text.count else { return nil }
    switch text[index] {
    case 32, UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "-"), UInt8(ascii: "&"), UInt8(ascii: "~"): return 1
    case UInt8(ascii: "a"):
      guard index > 0, text[index - 1] == 32, index + 3 < text.count else { return nil }
      let isAnd = text[index + 1] == UInt8(ascii: "n") && text[index + 2] == UInt8(ascii: "d")
      return isAnd && (text[index + 3] == 32 || text[index + 3] == BlockText.citationStart) ? 3 : nil
    case 0xE2, 0xE3, 0xEF: return Self.wideSeparators.contains { text[index...].starts(with: $0) } ? 3 : nil
    default: return nil
    }
  }

  private static let wideSeparators = ["‐", "‑", "–", "—", "−", "、", "，", "；", "・", "～", "〜"].map { Array($0.utf8) }
}
