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
  /// Where apostrophes belong in the output, in the lines that have ended. They are put there in the end, so that no
  /// place in the output moves while a page is read.
  private(set) var apostrophes: [Int] = []

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

  /// Ends the line, and notes where its missing apostrophe belongs, if it has one.
  mutating func endLine() {
    guard italics | bolds != 0 else { return }
    if italics & bolds & 1 == 1, let place = afterLetter ?? afterWord ?? afterSpace {
      apostrophes.append(max(place, apostrophes.last ?? 0))
    }
    (italics, bolds, afterLetter, afterWord, afterSpace) = (0, 0, nil, nil, nil)
  }

  /// A byte was put before `place` of the output.
  mutating func shift(from place: Int) { moveAll { $0 > place ? $0 + 1 : $0 } }

  /// A byte was put before each of some places of the output, which rise.
  mutating func shift(from places: [Int]) {
    moveAll { place in
      var low = 0, high = places.count
      while low < high {
        let middle = (low + high) / 2
        if places[middle] < place { low = middle + 1 } else { high = middle }
      }
      return place + low
    }
  }

  /// The output was cut to `count` bytes.
  mutating func truncate(to count: Int) { moveAll { min($0, count) } }

  private mutating func moveAll(_ moved: (Int) -> Int) {
    afterLetter = afterLetter.map(moved)
    afterWord = afterWord.map(moved)
    afterSpace = afterSpace.map(moved)
    // Places rise, so that the ones before a place that stays are where they were.
    var index = apostrophes.count
    while index > 0, moved(apostrophes[index - 1]) != apostrophes[index - 1] {
      index -= 1
      apostrophes[index] = moved(apostrophes[index])
    }
  }
}
