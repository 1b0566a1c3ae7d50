import Glibc

/// Finding where a structure ends, without rendering it. Each search is linear in what it passes; one that fails
/// costs a point of `patience`, and none starts without patience.
extension Wikitext {
  /// The index after the closing braces of the template or parameter that opens at `start`; nil where none closes it.
  ///
  /// A run of k braces opens or closes k/2 structures, so `{{{1}}}`, `{{a|{{{1}}}}}` and a table's lone brace before
  /// the closer (`{|…|}}}`) all balance without a stack.
  mutating func templateEnd(_ start: Int, _ end: Int) -> Int? {
    guard patience > 0 else { return nil }
    let opener = run(of: UInt8(ascii: "{"), start, end)
    var depth = opener / 2
    var index = start + opener
    while index < end {
      let byte = page[index]
      if byte == UInt8(ascii: "{") {
        let length = run(of: byte, index, end)
        depth += length / 2
        index += length
      } else if byte == UInt8(ascii: "}") {
        let length = run(of: byte, index, end)
        if length / 2 >= depth {
          let needed = 2 * depth + (opener & 1)
          return index + (length - needed == 1 ? length : min(length, needed))
        }
        depth -= length / 2
        index += length
      } else {
        index = byte == UInt8(ascii: "<") ? passAngle(index, end) : index + 1
      }
    }
    patience -= 1
    return nil
  }

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

  /// Passes a comment or an element whose content is not wikitext; else one byte.
  mutating func passAngle(_ index: Int, _ end: Int) -> Int {
    if isComment(index, end) { return commentEnd(index, end) }
    guard let tag = tag(index, end), !tag.isClosing, tag.kind.isRaw, !tag.isEmpty else { return index + 1 }
    return closingTag(tag, from: tag.end, end)?.end ?? index + 1
  }

  func isComment(_ index: Int, _ end: Int) -> Bool {
    end - index >= 4 && page[index] == UInt8(ascii: "<") && page[index + 1] == UInt8(ascii: "!")
      && page[index + 2] == UInt8(ascii: "-") && page[index + 3] == UInt8(ascii: "-")
  }

  /// The index after `-->`. A comment that is never closed hides the rest, as in MediaWiki.
  func commentEnd(_ index: Int, _ end: Int) -> Int {
    find("-->", index + 4, end).map { $0 + 3 } ?? end
  }

  /// Where the `</name …>` of a tag starts and ends; nil where there is none.
  mutating func closingTag(_ tag: WikiTag, from start: Int, _ end: Int) -> (start: Int, end: Int)? {
    guard patience > 0 else { return nil }
    let length = tag.nameEnd - tag.nameStart
    var index = start
    while let hit = find("</", index, end) {
      index = hit + 2
      guard end - index >= length, isSameName(tag.nameStart, index, length) else { continue }
      let after = skipSpaces(index + length, end)
      if peek(after, end) == UInt8(ascii: ">") { return (hit, after + 1) }
    }
    patience -= 1
    return nil
  }

  private func isSameName(_ first: Int, _ second: Int, _ length: Int) -> Bool {
    for offset in 0..<length where page[first + offset] | 0x20 != page[second + offset] | 0x20 { return false }
    return true
  }

  /// The first occurrence of a few ASCII bytes in `page[start..<end]`.
  func find(_ needle: StaticString, _ start: Int, _ end: Int) -> Int? {
    let length = needle.utf8CodeUnitCount
    var index = start
    while index + length <= end, let hit = first(of: needle.utf8Start[0], index, end - length + 1) {
      if memcmp(page + hit, needle.utf8Start, length) == 0 { return hit }
      index = hit + 1
    }
    return nil
  }

  /// The index of the newline that ends the line, or `end`.
  func lineEnd(_ start: Int, _ end: Int) -> Int {
    guard start < end, let hit = memchr(page + start, 0x0A, end - start) else { return end }
    return UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - page
  }

  func first(of byte: UInt8, _ start: Int, _ end: Int) -> Int? {
    guard start < end, let hit = memchr(page + start, Int32(byte), end - start) else { return nil }
    return UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - page
  }

  @inline(__always)
  func skipSpaces(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, page[index] == 0x20 || page[index] == 0x09 { index += 1 }
    return index
  }

  /// The start of the first line at or after `start` (a newline) that is not blank; after the last newline if none.
  func nextTextLine(_ start: Int, _ end: Int) -> Int {
    var index = start, line = start + 1
    while index < end, page[index] == 0x20 || page[index] == 0x09 || page[index] == 0x0A || page[index] == 0x0D {
      if page[index] == 0x0A { line = index + 1 }
      index += 1
    }
    return line
  }

  func trimmedEnd(_ start: Int, _ end: Int) -> Int {
    var index = end
    while index > start, page[index - 1] == 0x20 || page[index - 1] == 0x09 || page[index - 1] == 0x0A { index -= 1 }
    return index
  }
}
