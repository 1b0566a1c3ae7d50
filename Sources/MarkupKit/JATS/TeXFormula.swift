/// The formula in a `<tex-math>`: PMC wraps each in a complete TeX document with a preamble.
enum TeXFormula {
  static func body(_ tex: [UInt8]) -> [UInt8] {
    var text = String(decoding: tex, as: UTF8.self)[...]
    if let begin = text.firstRange(of: "\\begin{document}") { text = text[begin.upperBound...] }
    if let end = text.firstRange(of: "\\end{document}") { text = text[..<end.lowerBound] }
    text = trimmed(text)
    for (opening, closing) in [("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)")]
    where text.hasPrefix(opening) && text.hasSuffix(closing)
      && text.utf8.count >= opening.utf8.count + closing.utf8.count
    {
      text = trimmed(text.dropFirst(opening.count).dropLast(closing.count))
      break
    }
    return Array(text.split(whereSeparator: \.isWhitespace).joined(separator: " ").utf8)
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
