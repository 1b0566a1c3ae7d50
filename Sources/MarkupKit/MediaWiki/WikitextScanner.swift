import Glibc

/// Finds where the structures of a page end. Writes nothing.
///
/// A search starts at an index and does not look beyond the index `end`. Nested structures are found by counting depth.
/// Each search is linear in the bytes that it passes; a failed search costs a point of `patience`, and without patience
/// none starts. So the cost of all searches is linear in the page.
struct WikitextScanner {
  /// Failed searches allowed in one page.
  private static let initialPatience = 48

  let rules: WikitextRules
  let page: UnsafePointer<UInt8>
  /// Bytes of the page.
  let count: Int
  var patience = WikitextScanner.initialPatience

  init(_ text: UnsafeBufferPointer<UInt8>, rules: WikitextRules) {
    self.rules = rules
    page = text.baseAddress ?? UnsafePointer(bitPattern: 1)!
    count = text.count
  }

  // MARK: Bytes

  @inline(__always)
  func peek(_ index: Int, _ end: Int) -> UInt8 { index < end ? page[index] : 0 }

  /// Whether two equal bytes are at `index`.
  @inline(__always)
  func isPair(_ byte: UInt8, _ index: Int, _ end: Int) -> Bool {
    peek(index, end) == byte && peek(index + 1, end) == byte
  }

  /// How many equal bytes start at `start`.
  @inline(__always)
  func run(of byte: UInt8, _ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, page[index] == byte { index += 1 }
    return index - start
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

  func first(of byte: UInt8, _ start: Int, _ end: Int) -> Int? {
    guard start < end, let hit = memchr(page + start, Int32(byte), end - start) else { return nil }
    return UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - page
  }

  /// The index of the newline that ends the line, or `end`.
  func lineEnd(_ start: Int, _ end: Int) -> Int { first(of: 0x0A, start, end) ?? end }

  // MARK: Space

  /// Behind spaces and tabs.
  @inline(__always)
  func skipSpaces(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, page[index] == 0x20 || page[index] == 0x09 { index += 1 }
    return index
  }

  /// Behind spaces, tabs and newlines.
  func skipBlanks(_ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, page[index] == 0x20 || page[index] == 0x0A || page[index] == 0x09 { index += 1 }
    return index
  }

  /// Behind blanks and comments.
  func skipBlanksAndComments(_ start: Int, _ end: Int) -> Int {
    var index = skipBlanks(start, end)
    while isComment(index, end) { index = skipBlanks(commentEnd(index, end), end) }
    return index
  }

  func trimmedEnd(_ start: Int, _ end: Int) -> Int {
    var index = end
    while index > start, page[index - 1] == 0x20 || page[index - 1] == 0x09 || page[index - 1] == 0x0A { index -= 1 }
    return index
  }

  /// A span without the blanks at its edges.
  func trimmed(_ span: WikitextSpan) -> WikitextSpan {
    let start = skipBlanks(span.start, span.end)
    return WikitextSpan(start, trimmedEnd(start, span.end))
  }

  func isBlank(_ span: WikitextSpan) -> Bool { skipBlanks(span.start, span.end) >= span.end }

  /// The first byte of a span that is not blank.
  func firstByte(_ span: WikitextSpan) -> UInt8 { page[skipBlanks(span.start, span.end)] }

  /// The start of the first line at or after `start` (a newline) that is not blank; after the last newline if none.
  func nextTextLine(_ start: Int, _ end: Int) -> Int {
    var index = start, line = start + 1
    while index < end, page[index] == 0x20 || page[index] == 0x09 || page[index] == 0x0A || page[index] == 0x0D {
      if page[index] == 0x0A { line = index + 1 }
      index += 1
    }
    return line
  }

  /// A number of at most six digits; nil for anything else.
  func integer(_ span: WikitextSpan) -> Int? {
    let digits = trimmed(span)
    guard !digits.isEmpty, digits.count <= 6 else { return nil }
    var value = 0
    for index in digits.start..<digits.end {
      guard page[index] &- 0x30 < 10 else { return nil }
      value = value * 10 + Int(page[index] &- 0x30)
    }
    return value
  }
}
