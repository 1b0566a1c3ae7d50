/// A tag of a page.
struct WikiTag {
  var kind: WikiTagKind
  var name: WikitextSpan
  /// After the `>`.
  var end: Int
  var isClosing: Bool
  /// `<name …/>`.
  var isEmpty: Bool
}
