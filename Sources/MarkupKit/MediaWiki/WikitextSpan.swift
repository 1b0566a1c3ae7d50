/// A range of bytes of a page.
struct WikitextSpan {
  var start: Int
  var end: Int

  init(_ start: Int, _ end: Int) {
    self.start = start
    self.end = end
  }

  var count: Int { end - start }
  var isEmpty: Bool { start >= end }
}
