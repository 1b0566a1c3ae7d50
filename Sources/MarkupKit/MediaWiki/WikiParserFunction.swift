/// A parser function that reads as text.
enum WikiParserFunction: Sendable {
  /// Its argument is the text: `anchorencode:`.
  case value
  /// Its argument is a number: `formatnum:`.
  case number
  /// It has conditions and branches: `#if:`.
  case branch(WikiBranch)
  /// The text is its argument in another case: `lc:`.
  case letters(WikitextCase)
  /// A prefix before a template's name: `subst:`.
  case prefix
  /// A calculation, or a figure of the day: `#expr:`.
  case unresolved
}
