/// A page's text, in blocks as its markup parts it.
struct HTMLPage {
  struct Block {
    enum Kind: Sendable { case text, heading, listItem, row, preformatted }

    var range: Range<Int>
    var kind: Kind
    /// Characters that are no white space; those of them that stand in links.
    var characters: Int
    var linkCharacters: Int
    /// It stands in navigation, a head or a foot, by the page's own marks.
    var isChrome: Bool
    var isForm: Bool
    /// It stands in an `article` or in `main`.
    var isMain: Bool
  }

  var text: [UInt8] = []
  var blocks: [Block] = []
  var title: [UInt8] = []
  /// As `<html lang>` has it.
  var language = ""
  /// Of `<meta name="robots">` and of the one for this crawler, in lower case.
  var robots: [String] = []

  /// The text of some blocks, a line each.
  func joined(_ isKept: (Int) -> Bool) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(text.count + blocks.count)
    for (number, block) in blocks.enumerated() where isKept(number) {
      if !out.isEmpty { out.append(10) }
      out.append(contentsOf: text[block.range])
    }
    return out
  }
}
