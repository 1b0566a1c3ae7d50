import ShardKit

/// Turns wikitext into plain text, one page at a time, in two linear passes.
///
/// The first pass reads markup and writes text with control bytes as marks (`WikitextMark`); the second, `tidy`, reads lines:
/// headings whose section is empty, sections to drop, spaces and parentheses that removed markup left behind.
///
/// Nested structures are found by counting depth, never by a regular expression, and rendered by recursion down to
/// `maximumDepth`; anything deeper is removed. A search for a closer that fails costs `patience`; a page that runs out
/// of it (100,000 unclosed braces) has its openers dropped one by one. So cost is linear in the page, whatever it is.
public struct Wikitext: ~Copyable {
  /// Nesting rendered; MediaWiki itself stops at 40.
  static let maximumDepth = 24
  /// Failed searches allowed in one page.
  static let initialPatience = 48

  let rules: WikitextRules
  var page = UnsafePointer<UInt8>(bitPattern: 1)!
  private(set) var pageBytes = 0
  var title: [UInt8] = []
  /// Sentences left out for a figure that is missing, of all pages.
  public private(set) var cutSentences = 0
  var out = PageBuffer()
  var arguments: [WikiTemplateArgument] = []
  var patience = Wikitext.initialPatience
  var quotes = WikitextQuotes()
  /// Whether a condition is rendered, in which a missing figure is a hole whatever is written for one.
  var isCondition = false
  let classes: UnsafePointer<UInt8>

  public init(rules: WikitextRules) {
    self.rules = rules
    classes = WikitextByteClass.markup
  }

  /// Appends the text of a page to `output`. Nothing is appended where no text is left.
  public mutating func extract(_ text: UnsafeBufferPointer<UInt8>, title: [UInt8] = [], into output: inout PageBuffer) {
    guard let base = text.baseAddress else { return }
    page = base
    pageBytes = text.count
    self.title = title
    out.removeAll()
    arguments.removeAll(keepingCapacity: true)
    patience = Self.initialPatience
    quotes = WikitextQuotes()
    render(0, text.count, depth: 0, .block)
    quotes.endLine()
    out.insert(UInt8(ascii: "'"), at: quotes.apostrophes)
    var tidy = WikitextTidying(rules: rules)
    tidy.run(out.bytes, into: &output)
    cutSentences += tidy.cutSentences
  }

  /// How newlines read: as lines of a block, or as spaces inside a line (labels, headings).
  enum Flow { case block, inline }

  /// Writes the text of `page[start..<end]`.
  mutating func render(_ start: Int, _ end: Int, depth: Int, _ flow: Flow) {
    var index = start
    var atLineStart = flow == .block && depth == 0
    while index < end {
      if atLineStart {
        index = lineStart(index, end, depth)
        atLineStart = false
        if index >= end { break }
      }
      let plain = index
      while index < end, classes[Int(page[index])] == 0 { index += 1 }
      if index > plain { out.append(page + plain, index - plain) }
      if index >= end { break }
      if page[index] == 0x0A {
        quotes.endLine()
        out.append(flow == .block ? 0x0A : 0x20)
        atLineStart = flow == .block
        index += 1
      } else {
        index = markup(index, end, depth, flow)
      }
    }
  }

  /// Handles the byte of markup at `index`; returns where text goes on.
  private mutating func markup(_ index: Int, _ end: Int, _ depth: Int, _ flow: Flow) -> Int {
    let byte = page[index]
    switch byte {
    case UInt8(ascii: "["):
      return peek(index + 1, end) == byte
        ? link(index, end, depth, flow) : externalLink(index, end, depth)
    case UInt8(ascii: "{"): return braces(index, end, depth, flow)
    case UInt8(ascii: "<"): return angle(index, end, depth, flow)
    case UInt8(ascii: "&"): return reference(index, end)
    case UInt8(ascii: "'"): return quotes(index, end)
    case UInt8(ascii: "_"): return underscores(index, end)
    case UInt8(ascii: "]"), UInt8(ascii: "}"):
      let length = run(of: byte, index, end)
      if length == 1 { out.append(byte) }
      return index + length
    default: return index + 1  // a control character
    }
  }

  /// Marks that markup was removed here, so that the tidying pass may remove what it leaves behind.
  @inline(__always)
  mutating func dropped() {
    if out.last != WikitextMark.removed { out.append(WikitextMark.removed) }
  }

  @inline(__always)
  func peek(_ index: Int, _ end: Int) -> UInt8 { index < end ? page[index] : 0 }

  @inline(__always)
  func run(of byte: UInt8, _ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end, page[index] == byte { index += 1 }
    return index - start
  }

  /// `&name;`: decoded here, so that a decoded bracket or angle is text.
  private mutating func reference(_ index: Int, _ end: Int) -> Int {
    guard let (scalar, length) = HTMLEntities.decode(page, index, end) else {
      out.append(UInt8(ascii: "&"))
      return index + 1
    }
    switch scalar {
    case 0xA0, 0x2002, 0x2003, 0x2009: out.append(0x20)
    case 0xAD, 0x200B, 0x200E, 0x200F: break  // invisible: soft hyphen, zero-width space, direction marks
    default: out.append(scalar: scalar)
    }
    return index + length
  }
}

/// Bytes below a space that the first pass writes for the second. None can come from a page: it drops controls.
enum WikitextMark {
  /// A heading; the next byte is its level plus `headingLevel`.
  static let heading: UInt8 = 0x01
  static let headingLevel: UInt8 = 0x10
  /// An item of a `*` or `#` list.
  static let item: UInt8 = 0x02
  /// A figure is missing here, so that the sentence makes no sense.
  static let hole: UInt8 = 0x03
  /// Something was removed here.
  static let removed: UInt8 = 0x05
  /// A line whose spaces are kept (`<pre>`).
  static let verbatim: UInt8 = 0x06
}

/// Which bytes end a run of plain text: one table a pass.
enum WikitextByteClass {
  /// Markup and controls.
  nonisolated(unsafe) static let markup = table { byte in
    byte < 0x20 && byte != 0x09 || byte == 0x7F || "[]{}<&'_".utf8.contains(byte)
  }

  /// Spaces, controls, parentheses, and the lead byte of the wide ones.
  nonisolated(unsafe) static let line = table { byte in
    byte <= 0x20 || byte == 0x28 || byte == 0x29 || byte == 0x7F || byte == 0xEF
  }

  private static func table(_ ends: (UInt8) -> Bool) -> UnsafePointer<UInt8> {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    for byte in 0..<256 { table[byte] = ends(UInt8(byte)) ? 1 : 0 }
    return UnsafePointer(table)
  }
}
