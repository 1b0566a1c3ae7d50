/// What a link prefix stands for.
enum WikiLinkPrefix: Sendable, Equatable {
  case file
  case category
  /// Another language's article: a link in the margin, no text. With a leading colon it is text.
  case language
  /// Another project (`wikt:`, `s:`): text, without the prefix.
  case project
  /// A local namespace that reads as text (`Help:`, `利用者:`), by its key.
  case namespace(Int)
}
