import ShardKit

/// Turns wikitext into plain text, one page at a time, in two linear passes.
///
/// The first pass renders markup, whose ends `WikitextScanner` finds, and writes text with control bytes as marks
/// (`WikitextMark`). The second, `WikitextTidying`, reads lines: headings whose section is empty, sections to drop,
/// spaces and parentheses that removed markup left behind.
///
/// Nested structures are rendered by recursion down to `maximumDepth`; anything deeper is removed.
///
/// Methods that render markup take the span that starts with it and ends where its surroundings end, and return the
/// index at which text resumes.
public struct WikitextRenderer: ~Copyable {
  /// Nesting rendered; MediaWiki itself stops at 40.
  static let maximumDepth = 24

  /// How newlines read: as lines of a block, or as spaces inside a line (labels, headings).
  enum Flow { case block, inline }

  /// Where text is rendered.
  struct Context {
    var depth = 0
    var flow = Flow.block

    var canNest: Bool { depth < WikitextRenderer.maximumDepth }
    /// One level deeper.
    var nested: Context { Context(depth: depth + 1, flow: flow) }
    var nestedInline: Context { Context(depth: depth + 1, flow: .inline) }
    /// What separates lines here.
    var lineBreak: UInt8 { flow == .block ? 0x0A : 0x20 }
  }

  let rules: WikitextRules
  var scanner: WikitextScanner
  var title: [UInt8] = []
  /// Sentences left out for a figure that is missing, of all pages.
  public private(set) var cutSentences = 0
  var out = PageBuffer()
  /// The arguments of the templates being rendered, innermost last.
  var arguments: [WikiTemplateArgument] = []
  var quotes = WikitextQuotes()
  /// Whether a condition is rendered, in which a missing figure is a hole whatever is written for one.
  var isCondition = false
  private let classes: UnsafePointer<UInt8>

  public init(rules: WikitextRules) {
    self.rules = rules
    scanner = WikitextScanner(UnsafeBufferPointer(start: nil, count: 0), rules: rules)
    classes = WikitextByteClass.markup
  }

  @inline(__always)
  var page: UnsafePointer<UInt8> { scanner.page }

  /// Appends the text of a page to `output`. Nothing is appended where no text is left.
  public mutating func extract(_ text: UnsafeBufferPointer<UInt8>, title: [UInt8] = [], into output: inout PageBuffer) {
    guard text.baseAddress != nil else { return }
    scanner = WikitextScanner(text, rules: rules)
    self.title = title
    out.removeAll()
    arguments.removeAll(keepingCapacity: true)
    quotes = WikitextQuotes()
    render(WikitextSpan(0, text.count), Context())
    quotes.endLine()
    out.insert(UInt8(ascii: "'"), at: quotes.apostrophes)
    var tidy = WikitextTidying(rules: rules)
    tidy.run(out.bytes, into: &output)
    cutSentences += tidy.cutSentences
  }

  /// Writes the text of a span.
  mutating func render(_ span: WikitextSpan, _ context: Context) {
    let end = span.end
    var index = span.start
    var atLineStart = context.flow == .block && context.depth == 0
    while index < end {
      if atLineStart {
        index = beginLine(WikitextSpan(index, end), context)
        atLineStart = false
        if index >= end { break }
      }
      let plain = index
      while index < end, classes[Int(page[index])] == 0 { index += 1 }
      if index > plain { out.append(page + plain, index - plain) }
      if index >= end { break }
      if page[index] == 0x0A {
        quotes.endLine()
        out.append(context.lineBreak)
        atLineStart = context.flow == .block
        index += 1
      } else {
        index = renderMarkup(WikitextSpan(index, end), context)
      }
    }
  }

  /// Renders what the byte of markup at the start of a span begins.
  private mutating func renderMarkup(_ span: WikitextSpan, _ context: Context) -> Int {
    let byte = page[span.start]
    switch byte {
    case UInt8(ascii: "["):
      return scanner.peek(span.start + 1, span.end) == byte
        ? renderLink(span, context) : renderExternalLink(span, context)
    case UInt8(ascii: "{"): return renderBraces(span, context)
    case UInt8(ascii: "<"): return renderTag(span, context)
    case UInt8(ascii: "&"): return renderCharacterReference(span)
    case UInt8(ascii: "'"): return renderQuotes(span)
    case UInt8(ascii: "_"): return renderUnderscores(span)
    case UInt8(ascii: "]"), UInt8(ascii: "}"):
      let length = scanner.run(of: byte, span.start, span.end)
      if length == 1 { out.append(byte) }
      return span.start + length
    default: return span.start + 1  // a control character
    }
  }

  /// Marks that markup was removed here, so that the tidying pass may remove what it leaves behind.
  @inline(__always)
  mutating func markRemoved() {
    if out.last != WikitextMark.removed { out.append(WikitextMark.removed) }
  }

  mutating func append(_ span: WikitextSpan) { out.append(page + span.start, max(0, span.count)) }

  /// `&name;`: decoded here, so that a decoded bracket or angle is text.
  private mutating func renderCharacterReference(_ span: WikitextSpan) -> Int {
    guard let (scalar, length) = HTMLEntities.decode(page, span.start, span.end) else {
      out.append(UInt8(ascii: "&"))
      return span.start + 1
    }
    switch scalar {
    case 0xA0, 0x2002, 0x2003, 0x2009: out.append(0x20)
    case 0xAD, 0x200B, 0x200E, 0x200F: break  // invisible: soft hyphen, zero-width space, direction marks
    default: out.append(scalar: scalar)
    }
    return span.start + length
  }

  /// Two underscores: a behavior switch, or one byte of text.
  private mutating func renderUnderscores(_ span: WikitextSpan) -> Int {
    if scanner.peek(span.start + 1, span.end) == UInt8(ascii: "_"),
      let close = scanner.switchEnd(span.start + 2, span.end)
    {
      markRemoved()
      return close
    }
    out.append(UInt8(ascii: "_"))
    return span.start + 1
  }
}
