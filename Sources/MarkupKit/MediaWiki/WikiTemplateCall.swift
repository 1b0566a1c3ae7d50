/// A template of a page.
struct WikiTemplateCall {
  var name: WikitextSpan
  /// Which of the renderer's `arguments` are its own.
  var arguments: Range<Int>
  /// Where it is rendered.
  var context: WikitextRenderer.Context
}
