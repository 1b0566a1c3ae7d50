/// A page's text, in blocks separated by its markup.
public struct HTMLPage {
  public struct Block {
    enum Kind: Sendable { case text, heading, listItem, row, preformatted, caption }

    var range: Range<Int>
    var kind: Kind
    /// Characters except white space, and those of them in links.
    public var characters: Int
    var linkCharacters: Int
    /// The innermost element around it that is marked as not content: an index of `marks`, or -1.
    var mark: Int
    var isForm: Bool
    /// Whether it is in an `article` or in `main`.
    var isMain: Bool
  }

  /// An element that is not content, by its name or by its class, id or role.
  struct Mark {
    var kind: PageMarks.Kind
    /// The one around it, or -1.
    var parent: Int
  }

  var text: [UInt8] = []
  public var blocks: [Block] = []
  var marks: [Mark] = []
  public var title: [UInt8] = []
  /// The value of `<html lang>`.
  public var language = ""
  /// The values of `<meta name="robots">` and of the one for this crawler, in lower case.
  public var robots: [String] = []

  /// The text of some blocks, one line each.
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
