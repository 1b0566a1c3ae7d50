/// What extraction keeps of an article.
struct WikitextOptions: Sendable {
  /// Headings as lines of their own. A heading whose section has no text is left out in any case.
  var keepsHeadings = true
  /// List items as lines.
  var keepsLists = true
  /// Written before each item of `*` and `#` lists; may be empty.
  var listMarker = "・"
  /// Captions of images as lines of their own.
  var keepsCaptions = false
  /// Readings of ruby and of the reading templates, in parentheses after the base.
  var keepsReadings = true
  /// What becomes of formulas that do not read as text.
  var formulas = WikipediaExtract.Formulas.tex
  /// What becomes of a sentence with a figure that the dump does not hold.
  var unresolved = WikipediaExtract.Unresolved.dropSentence
  /// What stands for formulas and figures that are replaced.
  var placeholder = "〓"
  /// Sections left out with their subsections, by heading.
  var droppedSections = WikitextOptions.referenceSections
  /// Templates rendered as one of their positional arguments (from 1), beyond the built-in ones. Zero drops.
  var templates: [String: Int] = [:]

  /// Sections that hold references and link lists, not prose.
  static let referenceSections = [
    "脚注", "注釈", "注記", "出典", "参照", "参考文献", "外部リンク", "関連項目", "関連書籍", "関連文献", "脚注・出典", "出典・脚注", "注釈・出典",
    "出典・参考文献", "脚注・参考文献", "脚注と出典", "注", "註", "註釈", "References", "Notes", "Footnotes", "Citations", "Sources",
    "Bibliography", "Further reading", "External links", "See also", "Notes and references",
  ]
}
