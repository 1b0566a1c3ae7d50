/// Builds blocks of text from a page's tags and texts, with the end tags that authors omit (13.2.6 of the standard, as
/// far as it matters for text).
///
/// Hidden text, such as `noscript` and `display: none`, is read separately: some pages have no other text. If such an
/// element is never closed, it hides nothing: its page is read again without it.
public final class HTMLReader {
  private var page = HTMLPage()
  private var shown: HTMLBlocks
  private var hidden = HTMLBlocks(reserving: 0)
  private let keepsRuby: Bool

  var stack = HTMLStack()
  /// What surrounds the next text.
  private var around = HTMLBlocks.Surroundings()
  private var hides = 0, skips = 0
  /// The number of elements so far that hide or are never text; and those without effect, since they are never closed.
  private var coverings = 0
  private let unended: Set<Int>
  /// The number of open elements when a link, a form or a reading began.
  private var linkDepth: Int?
  private var formDepth: Int?
  private var readingDepth: Int?

  static let maximumTitleBytes = 4096

  private init(keepsRuby: Bool, bytes: Int, unended: Set<Int>) {
    self.keepsRuby = keepsRuby
    self.unended = unended
    shown = HTMLBlocks(reserving: bytes / 4)
  }

  /// Reads a page in UTF-8.
  public static func read(_ text: [UInt8], keepsRuby: Bool) -> (shown: HTMLPage, hidden: HTMLPage) {
    var reader = read(text, keepsRuby, unended: [])
    let unended = reader.stack.frames.compactMap(\.covering)
    if !unended.isEmpty { reader = read(text, keepsRuby, unended: Set(unended)) }
    reader.closeAll(from: 0)
    reader.shown.close(reader.around)
    var page = reader.page
    (page.text, page.blocks) = (reader.shown.text, reader.shown.blocks)
    var hidden = reader.page
    (hidden.text, hidden.blocks) = (reader.hidden.text, reader.hidden.blocks)
    return (page, hidden)
  }

  private static func read(_ text: [UInt8], _ keepsRuby: Bool, unended: Set<Int>) -> HTMLReader {
    let reader = HTMLReader(keepsRuby: keepsRuby, bytes: text.count, unended: unended)
    text.withUnsafeBufferPointer { HTMLTokenizer.read($0, into: reader) }
    return reader
  }

  var wantsText: Bool { skips == 0 }
  var wantsTitle: Bool { skips == 0 && hides == 0 && page.title.isEmpty }
  var isForeign: Bool { stack.top?.isForeign ?? false }

  func text(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    if hides > 0 { hidden.append(bytes, count, around) } else { shown.append(bytes, count, around) }
  }

  /// Complete characters, up to a limit.
  func readTitle(_ text: [UInt8]) {
    for at in text.indices {
      let byte = text[at]
      if byte & 0xC0 != 0x80, page.title.count > Self.maximumTitleBytes - 4 { break }
      if byte > 32 {
        page.title.append(byte)
      } else if page.title.last.map({ $0 != 32 }) ?? false {
        page.title.append(32)
      }
    }
    if page.title.last == 32 { page.title.removeLast() }
  }

  // MARK: Start tags

  func start(_ name: HTMLName, _ attributes: HTMLAttributes) {
    switch name.element {
    case .void, .raw: return
    case .title, .body: return
    case .inline:
      if isHidden(attributes) { open(name, attributes, isHidden: true) }
    case .lineBreak:
      if hides > 0 { hidden.lineBreak() } else { shown.lineBreak() }
    case .rule:
      closeParagraph()
      closeBlock()
    case .meta: readMeta(attributes)
    case .html:
      if page.language.isEmpty { page.language = HTMLAttributes.string(attributes.language, maximumBytes: 35) }
    case .link: startLink(name, attributes)
    case .form: startForm()
    default:
      closeImplied(name)
      if name.element.isBlock { closeBlock() }
      open(name, attributes, isHidden: name.element == .hidden || isHidden(attributes))
    }
  }

  /// A drawing or a formula ends where a block of text begins in it.
  func startForeign(_ name: HTMLName, _ attributes: HTMLAttributes, isClosed: Bool) {
    if name.element.isBlock || name.element == .lineBreak || Self.breaksOut.contains(name.number) {
      while isForeign { close(from: stack.count - 1) }
      start(name, attributes)
    } else if name.element == .foreign || Self.integrating.contains(name.number), !isClosed {
      var frame = HTMLStack.Frame(name: name, around: around)
      frame.skips = true
      frame.isForeign = name.element == .foreign
      push(frame)
    }
  }

  private static let breaksOut: Set<UInt32> = numbers(
    "b", "big", "code", "em", "embed", "i", "img", "nobr", "ruby", "s", "small", "span", "strike", "strong", "sub",
    "sup",
    "tt", "u", "var")
  private static let integrating: Set<UInt32> = numbers("foreignobject", "desc", "annotation-xml")

  private static func numbers(_ names: StaticString...) -> Set<UInt32> { Set(names.map { HTMLName.named($0) }) }

  private func open(_ name: HTMLName, _ attributes: HTMLAttributes, isHidden: Bool) {
    var frame = HTMLStack.Frame(name: name, around: around)
    frame.hides = isHidden
    switch name.element {
    case .main: frame.around.isMain = true
    case .chrome: mark(.element, &frame)
    case .header: if !around.isMain { mark(.element, &frame) }
    case .cell: if hides > 0 { hidden.beginCell() } else { shown.beginCell() }
    case .skipped, .rubyParenthesis: frame.skips = true
    case .rubyReading where !keepsRuby: frame.skips = true
    case .foreign: (frame.skips, frame.isForeign) = (true, true)
    default: break
    }
    if name.element.mayBeMarked, name.element != .header || !around.isMain,
      let kind = PageMarks.kind(attributes.classes) ?? PageMarks.kind(attributes.id) ?? PageMarks.kind(attributes.role)
    {
      mark(kind, &frame)
    }
    if let kind = name.element.blockKind, around.kind != .preformatted { frame.around.kind = kind }
    if frame.hides || frame.skips, !frame.isForeign { cover(&frame) }
    push(frame)
    if name.element == .rubyReading, keepsRuby, readingDepth == nil, skips == 0 {
      appendMark("（")
      readingDepth = stack.count
    }
  }

  private func cover(_ frame: inout HTMLStack.Frame) {
    if unended.contains(coverings) { (frame.hides, frame.skips) = (false, false) } else { frame.covering = coverings }
    coverings += 1
  }

  private func mark(_ kind: PageMarks.Kind, _ frame: inout HTMLStack.Frame) {
    page.marks.append(HTMLPage.Mark(kind: kind, parent: frame.around.mark))
    frame.around.mark = page.marks.count - 1
  }

  private func push(_ frame: HTMLStack.Frame) {
    guard stack.push(frame) else { return }
    if frame.skips || frame.hides, !frame.name.element.isBlock { gap() }
    hides += frame.hides ? 1 : 0
    skips += frame.skips ? 1 : 0
    around = frame.around
    setSurroundings()
  }

  private func gap() { if hides > 0 { hidden.gap() } else { shown.gap() } }

  private func setSurroundings() {
    around.isLink = linkDepth != nil
    around.isForm = formDepth != nil
  }

  /// In old pages many links only name a position.
  private func startLink(_ name: HTMLName, _ attributes: HTMLAttributes) {
    linkDepth = attributes.holdsReference ? stack.count : nil
    setSurroundings()
    if isHidden(attributes) { open(name, attributes, isHidden: true) }
  }

  private func startForm() {
    closeParagraph()
    closeBlock()
    guard formDepth == nil else { return }
    formDepth = stack.count
    setSurroundings()
  }

  private func isHidden(_ attributes: HTMLAttributes) -> Bool { attributes.isHidden || attributes.isStyledAway }

  // MARK: End tags

  func end(_ name: HTMLName) {
    switch name.element {
    case .void, .raw, .title, .meta, .rule: return
    case .html, .body: closeBlock()
    case .link: endLink(name)
    case .form: endForm()
    case .lineBreak: start(name, HTMLAttributes())
    case _ where stack.endsBeyond(name.number): if name.element.isBlock { closeBlock() }
    case .paragraph where stack.last(name.number) <= stack.barrier: closeBlock()
    case .heading:
      let last = Self.headings.reduce(-1) { max($0, stack.last($1)) }
      if last > stack.barrier { close(from: last) }
    default:
      let last = stack.last(name.number)
      if last >= 0, last > limit(of: name) { close(from: last) }
    }
  }

  /// The depth up to which an end tag has no effect: tags of a table end within the table, all others within a cell.
  private func limit(of name: HTMLName) -> Int {
    switch name.element {
    case .table: -1
    case .section, .row, .cell: stack.last(Self.table)
    case .caption: max(stack.last(Self.table), -1)
    default: stack.barrier
    }
  }

  private func endLink(_ name: HTMLName) {
    linkDepth = nil
    setSurroundings()
    let last = stack.last(name.number)
    if last > stack.barrier { close(from: last) }
  }

  private func endForm() {
    closeBlock()
    formDepth = nil
    setSurroundings()
  }

  private func closeBlock() {
    guard skips == 0 else { return }
    if hides > 0 { hidden.close(around) } else { shown.close(around) }
  }

  private func closeAll(from place: Int) { if stack.count > place { close(from: place) } }

  /// Closes an element and all within it.
  func close(from place: Int) {
    if let depth = readingDepth, place < depth {
      appendMark("）")
      readingDepth = nil
    }
    if stack.block >= place { closeBlock() }
    while stack.count > place {
      let frame = stack.pop()
      if frame.hides, hides == 1 { hidden.close(around) }
      hides -= frame.hides ? 1 : 0
      skips -= frame.skips ? 1 : 0
    }
    if let depth = linkDepth, stack.count < depth { linkDepth = nil }
    if let depth = formDepth, stack.count < depth { formDepth = nil }
    around = stack.top?.around ?? HTMLBlocks.Surroundings()
    setSurroundings()
  }

  private func appendMark(_ text: StaticString) {
    if hides > 0 { hidden.append(text, around) } else { shown.append(text, around) }
  }

  // MARK: Omitted end tags

  static let table = HTMLName.named("table")
  private static let paragraph = HTMLName.named("p")
  private static let headings = ["h1", "h2", "h3", "h4", "h5", "h6"].map { HTMLName.named($0) }
  static let lists = ["ul", "ol", "menu", "dir", "dl"].map { HTMLName.named($0) }
  static let sections = ["tbody", "thead", "tfoot"].map { HTMLName.named($0) }
  static let cells = ["td", "th"].map { HTMLName.named($0) }
  static let terms = ["dt", "dd"].map { HTMLName.named($0) }
  static let readings = ["rt", "rtc", "rp"].map { HTMLName.named($0) }
  static let row = HTMLName.named("tr")
  static let select = HTMLName.named("select")
  static let ruby = HTMLName.named("ruby")

  func closeParagraph() { closeLast(of: [Self.paragraph], above: stack.barrier) }

  /// Closes the innermost element with one of some names, if it is above a given position.
  func closeLast(of numbers: [UInt32], above place: Int) {
    var last = -1
    for number in numbers { last = max(last, stack.last(number)) }
    if last >= 0, last > place { close(from: last) }
  }

  func outermost(_ numbers: [UInt32]) -> Int {
    var last = stack.barrier
    for number in numbers { last = max(last, stack.last(number)) }
    return last
  }

  /// Closes the open row of a table, or its sections, or cells outside of rows.
  func closeRows(with sections: [UInt32]) {
    let table = stack.last(Self.table)
    closeLast(of: sections, above: table)
    closeLast(of: [Self.row], above: table)
    closeLast(of: Self.cells, above: table)
  }

  // MARK: Metadata of a page

  private func readMeta(_ attributes: HTMLAttributes) {
    guard attributes.name != nil, attributes.content != nil else { return }
    let name = HTMLAttributes.string(attributes.name).lowercased()
    guard name == "robots" || name == RobotsDirectives.agent else { return }
    page.robots += RobotsDirectives.words(HTMLAttributes.string(attributes.content))
  }
}

extension HTMLElement {
  /// The kind of the blocks directly in it; nil if the surroundings decide.
  fileprivate var blockKind: HTMLPage.Block.Kind? {
    switch self {
    case .heading: .heading
    case .listItem: .listItem
    case .row: .row
    case .caption: .caption
    case .preformatted, .rawText: .preformatted
    default: isBlock ? .text : nil
    }
  }
}
