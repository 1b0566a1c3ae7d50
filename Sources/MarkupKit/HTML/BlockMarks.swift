/// Which of a page's marks are trusted.
///
/// A mark says that an element is not content, but sites are often wrong: a wrapper of the entire article is called
/// `share` or `header`, a forum's posts `comments`. So each mark is checked against the text of its element, judged
/// as if it were not marked.
struct BlockMarks {
  /// By mark: whether it, or one around it, is trusted.
  private var isExcluded: [Bool]
  private var ignoresForms: Bool

  /// An element marked by its class, id or role is not content unless it has at least this many long paragraphs and
  /// more than this fraction of the page's text.
  private static let longParagraphs = 3
  private static let largestPart = 0.5
  /// Comments are not content unless they exceed this fraction of the text and the page has less other text than this.
  private static let largestComments = 0.5
  private static let textCharacters = 1500

  /// The amount of the page's prose, by its surroundings.
  private struct Sums {
    var all = 0, forms = 0, elements = 0, comments = 0
    /// Long paragraphs that are not comments.
    var long = 0
    var inside: [Int]
    var longInside: [Int]
  }

  init(_ page: HTMLPage, _ verdicts: [BoilerplateRemoval.Verdict]) {
    let sums = Self.sums(page, verdicts)
    ignoresForms = sums.forms * 2 > sums.all
    // Some pages never close their navigation.
    let ignoresElements = sums.elements * 10 > sums.all * 9
    let text = Double(sums.all - (ignoresElements ? 0 : sums.elements))
    let isShort = sums.long < Self.longParagraphs || Int(text) - sums.comments < Self.textCharacters
    let isForum = isShort && Double(sums.comments) > text * Self.largestComments
    isExcluded = page.marks.indices.map { mark in
      switch page.marks[mark].kind {
      case .element: !ignoresElements
      case .comments: !isForum
      case .chrome, .promotion:
        sums.longInside[mark] < Self.longParagraphs || Double(sums.inside[mark]) <= text * Self.largestPart
      }
    }
    // Marks come after the one around them.
    for mark in page.marks.indices where page.marks[mark].parent >= 0 && isExcluded[page.marks[mark].parent] {
      isExcluded[mark] = true
    }
  }

  func excludes(_ block: HTMLPage.Block) -> Bool {
    block.isForm && !ignoresForms || block.mark >= 0 && isExcluded[block.mark]
  }

  private static func sums(_ page: HTMLPage, _ verdicts: [BoilerplateRemoval.Verdict]) -> Sums {
    let none = [Int](repeating: 0, count: page.marks.count)
    var sums = Sums(inside: none, longInside: none)
    let (isElement, isComment) = (within(page, .element), within(page, .comments))
    for (block, verdict) in zip(page.blocks, verdicts) where verdict == .good || verdict == .nearGood {
      let isLong = verdict == .good ? 1 : 0
      sums.all += block.characters
      sums.forms += block.isForm ? block.characters : 0
      guard block.mark >= 0 else {
        sums.long += isLong
        continue
      }
      sums.inside[block.mark] += block.characters
      sums.longInside[block.mark] += isLong
      if isElement[block.mark] {
        sums.elements += block.characters
      } else if isComment[block.mark] {
        sums.comments += block.characters
      } else {
        sums.long += isLong
      }
    }
    // From the innermost outward.
    for mark in page.marks.indices.reversed() where page.marks[mark].parent >= 0 {
      sums.inside[page.marks[mark].parent] += sums.inside[mark]
      sums.longInside[page.marks[mark].parent] += sums.longInside[mark]
    }
    return sums
  }

  /// By mark: whether it, or one around it, is of a kind.
  private static func within(_ page: HTMLPage, _ kind: PageMarks.Kind) -> [Bool] {
    var found = page.marks.map { $0.kind == kind }
    for mark in page.marks.indices where page.marks[mark].parent >= 0 && found[page.marks[mark].parent] {
      found[mark] = true
    }
    return found
  }
}
