/// A page's text, in blocks as its markup parts it.
public struct HTMLPage {
  public struct Block {
    enum Kind: Sendable { case text, heading, listItem, row, preformatted, caption }

    var range: Range<Int>
    var kind: Kind
    /// Characters that are no white space; those of them that stand in links.
    public var characters: Int
    var linkCharacters: Int
    /// The innermost element around it that its page marks as no content: a place in `marks`, or -1.
    var mark: Int
    var isForm: Bool
    /// It stands in an `article` or in `main`.
    var isMain: Bool
  }

  /// An element that is no content, by its name or by what its class, id or role says.
  struct Mark {
    var kind: PageMarks.Kind
    /// The one around it, or -1.
    var parent: Int
  }

  var text: [UInt8] = []
  public var blocks: [Block] = []
  var marks: [Mark] = []
  public var title: [UInt8] = []
  /// As `<html lang>` has it.
  public var language = ""
  /// Of `<meta name="robots">` and of the one for this crawler, in lower case.
  public var robots: [String] = []

  /// The text of some blocks, a line each.
  public func joined(_ isKept: (Int) -> Bool) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(text.count + blocks.count)
    for (number, block) in blocks.enumerated() where isKept(number) {
      if !out.isEmpty { out.append(10) }
      out.append(contentsOf: text[block.range])
    }
    return out
  }
}
