/// Words that introduce a citation.
enum CitationLeads {
  /// Words that share a bracket with citations and are removed with them: "(see, e.g., [5])".
  static let inBrackets: Set<Substring> = [
    "see", "also", "e", "g", "eg", "i", "ie", "cf", "reviewed", "in", "for", "review", "reviews", "a", "and", "ref",
    "refs", "reference", "references", "by", "from", "as", "example", "instance", "文献",
  ]

  /// Words before a comma and a citation, after which a sentence would be incomplete without it.
  static let beforeComma = bytes([
    "e.g.", "e.g", "eg.", "i.e.", "i.e", "cf.", "see", "for example", "for instance", "namely",
  ])

  /// Words that a sentence cannot end with.
  static let all =
    beforeComma
    + bytes([
      "in", "of", "by", "from", "to", "with", "and", "or", "than", "for", "on", "at", "per", "following", "as", "via",
      "within", "without", "using", "under", "between", "among", "against", "like", "including", "into", "through",
      "upon", "after", "before", "since", "about", "unlike", "both", "see also", "cf", "eg", "ref", "ref.", "refs",
      "refs.", "reference",
      "references", "viz.",
    ])

  private static func bytes(_ words: [String]) -> [[UInt8]] { words.map { Array($0.utf8) } }
}

/// A round or square bracket, in ASCII or full width.
struct Bracket {
  var isOpening: Bool
  var length: Int

  init?(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) {
    guard index < text.count else { return nil }
    switch text[index] {
    case UInt8(ascii: "("), UInt8(ascii: "["): (isOpening, length) = (true, 1)
    case UInt8(ascii: ")"), UInt8(ascii: "]"): (isOpening, length) = (false, 1)
    case 0xEF where index + 2 < text.count && text[index + 1] == 0xBC:
      switch text[index + 2] {
      case 0x88, 0xBB: (isOpening, length) = (true, 3)
      case 0x89, 0xBD: (isOpening, length) = (false, 3)
      default: return nil
      }
    case 0xE3 where index + 2 < text.count && text[index + 1] == 0x80:
      switch text[index + 2] {
      case 0x90, 0x94: (isOpening, length) = (true, 3)
      case 0x91, 0x95: (isOpening, length) = (false, 3)
      default: return nil
      }
    default: return nil
    }
  }
}
