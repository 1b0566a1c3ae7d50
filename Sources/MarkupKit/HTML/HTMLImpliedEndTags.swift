/// End tags that a page leaves out: which start tags end which open elements.
extension HTMLReader {
  func closeImplied(_ name: HTMLName) {
    if name.element.endsParagraph {
      if stack.last(Self.select) >= 0 { closeLast(of: [Self.select], above: stack.barrier) }
      closeParagraph()
    }
    switch name.element {
    case .heading: if stack.top?.name.element == .heading { close(from: stack.count - 1) }
    case .listItem: closeLast(of: [name.number], above: outermost(Self.lists))
    case .term: closeLast(of: Self.terms, above: outermost(Self.lists))
    case .section: closeRows(with: Self.sections)
    case .row: closeRows(with: [])
    case .cell: closeLast(of: Self.cells, above: max(stack.last(Self.table), stack.last(Self.row)))
    case .rubyReading, .rubyParenthesis: closeLast(of: Self.readings, above: max(stack.last(Self.ruby), stack.block))
    case .hidden: closeLast(of: [name.number], above: stack.block)
    default: break
    }
  }
}

extension HTMLElement {
  /// Whether its start ends an open paragraph.
  var endsParagraph: Bool {
    switch self {
    case .block, .heading, .listItem, .list, .preformatted, .table, .details, .main, .chrome, .header, .form, .rawText,
      .rule, .paragraph, .term:
      true
    default: false
    }
  }
}
