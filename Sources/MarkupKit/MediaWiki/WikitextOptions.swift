/// What extraction keeps of an article.
public struct WikitextOptions: Sendable {
  public enum Formulas: String, CaseIterable, Sendable { case tex, replace, drop }
  public enum Unresolved: String, CaseIterable, Sendable { case dropSentence, replace, leave }

  /// Headings as lines of their own. A heading whose section has no text is left out in any case.
  public var keepHeadings = true
  /// List items as lines.
  public var keepLists = true
  /// Written before each item of `*` and `#` lists; may be empty.
  public var listMarker = "・"
  /// Captions of images as lines of their own.
  public var keepCaptions = false
  /// Readings of ruby and of the reading templates, in parentheses after the base.
  public var keepReadings = true
  /// What becomes of formulas that do not read as text.
  public var formulas = Formulas.tex
  /// What becomes of a sentence with a figure that the dump does not hold.
  public var unresolved = Unresolved.dropSentence
  /// What stands for formulas and figures that are replaced.
  public var placeholder = "〓"
  /// Sections left out with their subsections, by heading.
  public var droppedSections = WikitextOptions.referenceSections
  /// Templates rendered as one of their positional arguments (from 1), beyond the built-in ones. Zero drops.
  public var templates: [String: Int] = [:]

  public init(
    keepHeadings: Bool = true, keepLists: Bool = true, listMarker: String = "・", keepCaptions: Bool = false,
    keepReadings: Bool = true, formulas: Formulas = Formulas.tex, unresolved: Unresolved = Unresolved.dropSentence,
    placeholder: String = "〓", droppedSections: [String] = WikitextOptions.referenceSections,
    templates: [String: Int] = [:]
  ) {
    self.keepHeadings = keepHeadings
    self.keepLists = keepLists
    self.listMarker = listMarker
    self.keepCaptions = keepCaptions
    self.keepReadings = keepReadings
    self.formulas = formulas
    self.unresolved = unresolved
    self.placeholder = placeholder
    self.droppedSections = droppedSections
    self.templates = templates
  }

  /// Sections that hold references and link lists, not prose.
  public static let referenceSections = [
    "脚注", "注釈", "注記", "出典", "参照", "参考文献", "外部リンク", "関連項目", "関連書籍", "関連文献", "脚注・出典", "出典・脚注", "注釈・出典",
    "出典・参考文献", "脚注・参考文献", "脚注と出典", "注", "註", "註釈", "References", "Notes", "Footnotes", "Citations", "Sources",
    "Bibliography", "Further reading", "External links", "See also", "Notes and references",
  ]
}
