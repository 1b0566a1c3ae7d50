/// An argument of a template or link.
struct WikiTemplateArgument {
  /// Empty unless it is `name=value`.
  var name: WikitextSpan
  var value: WikitextSpan

  /// One without a name.
  init(_ value: WikitextSpan) {
    name = WikitextSpan(value.start, value.start)
    self.value = value
  }

  var isNamed: Bool { name.end > name.start }
  /// Whether an equal sign is in it, even one without a name before it.
  var hasSign: Bool { value.start > name.start }
}
