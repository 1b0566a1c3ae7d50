/// Apostrophes, and changes of the output that move the places of quotes.
extension WikitextRenderer {
  /// A run of apostrophes. Two are italic, three bold, five both; of four the first is text, and of more than five all
  /// beyond five.
  mutating func renderQuotes(_ span: WikitextSpan) -> Int {
    let start = span.start
    let length = scanner.run(of: UInt8(ascii: "'"), start, span.end)
    let text = length == 1 || length == 4 ? 1 : max(0, length - 5)
    for _ in 0..<text { out.append(UInt8(ascii: "'")) }
    switch length - text {
    case 2: quotes.addItalic()
    case 3:
      let mark = start + text
      quotes.addBold(
        at: out.count, last: mark > 0 ? page[mark - 1] : 0, secondLast: mark > 1 ? page[mark - 2] : 0)
    case 5: quotes.addBoth()
    default: break
    }
    return start + length
  }

  /// Puts a byte into the output.
  mutating func insert(_ byte: UInt8, at place: Int) {
    out.insert(byte, at: place)
    quotes.shift(from: place)
  }

  /// Puts a byte before each of some places of the output, which rise.
  mutating func insert(_ byte: UInt8, at places: [Int]) {
    out.insert(byte, at: places)
    quotes.shift(from: places)
  }

  /// Takes back what was written behind `count`.
  mutating func truncate(to count: Int) {
    out.truncate(to: count)
    quotes.truncate(to: count)
  }
}
