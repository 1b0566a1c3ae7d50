/// The quotes of one line: `''italic''`, `'''bold'''`, and the apostrophes that stand beside them.
///
/// MediaWiki reads them line by line. Where a line has an odd number of both, one of its bold marks was an apostrophe
/// and an italic mark: `l'''italique''`, `''Supreme Clientele'''s`. It takes the first behind a word of one letter, else
/// the first behind a longer word, else the first behind a space.
struct WikitextQuotes {
  private var italics = 0
  private var bolds = 0
  private var afterLetter: Int?
  private var afterWord: Int?
  private var afterSpace: Int?

  mutating func addItalic() { italics += 1 }

  /// - Parameters:
  ///   - position: where the apostrophe would stand in the output.
  ///   - last: the byte before the mark, and `secondLast` the one before that.
  mutating func addBold(at position: Int, last: UInt8, secondLast: UInt8) {
    bolds += 1
    if last == 0x20 {
      afterSpace = afterSpace ?? position
    } else if secondLast == 0x20 {
      afterLetter = afterLetter ?? position
    } else {
      afterWord = afterWord ?? position
    }
  }

  mutating func addBoth() {
    italics += 1
    bolds += 1
  }

  /// Ends the line: where its missing apostrophe belongs, if it has one.
  mutating func endLine() -> Int? {
    guard italics | bolds != 0 else { return nil }
    let position = italics & bolds & 1 == 1 ? afterLetter ?? afterWord ?? afterSpace : nil
    self = WikitextQuotes()
    return position
  }
}

extension Wikitext {
  /// A run of apostrophes. Two are italic, three bold, five both; of four the first is text, and of more than five all
  /// beyond five.
  mutating func quotes(_ start: Int, _ end: Int) -> Int {
    let length = run(of: UInt8(ascii: "'"), start, end)
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

  /// Ends a line of the page.
  @inline(__always)
  mutating func endQuotes() {
    if let position = quotes.endLine(), position <= out.count { out.insert(UInt8(ascii: "'"), at: position) }
  }
}
