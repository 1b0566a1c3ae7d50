import ShardKit

/// The role of an element in the extraction of text.
enum HTMLElement: UInt8, Sendable {
  /// No effect (`span`, `b`, unknown names).
  case inline
  /// Separates blocks of text.
  case block
  case heading, listItem, list, preformatted, table, section, row, cell, caption, details
  /// The page's own content, as marked by its author.
  case main
  /// Navigation, headers and footers, by the element's meaning.
  case chrome
  /// Of the page, unless it is within its content.
  case header
  case form
  /// Never text: styles, templates.
  case skipped
  /// Drawings and formulas, whose markup follows other rules.
  case foreign
  /// Shown only as a fallback or on request: counts as text if a page has no other.
  case hidden
  /// Its content is not markup: `script`, `textarea`.
  case raw
  /// The same, but shown: `xmp`, `plaintext`.
  case rawText
  /// Has no content.
  case void
  case rule, lineBreak, paragraph, term, link, title, meta, ruby, rubyReading, rubyParenthesis, html, body

  /// Whether it begins and ends a block.
  var isBlock: Bool {
    switch self {
    case .block, .heading, .listItem, .list, .preformatted, .table, .section, .row, .caption, .details, .main, .chrome,
      .header, .form, .rawText, .rule, .paragraph, .term, .html, .body:
      true
    default: false
    }
  }

  /// Whether a class, an id or a role may mark it as not content.
  var mayBeMarked: Bool {
    switch self {
    case .block, .header, .listItem, .list, .row, .table, .details, .caption, .cell, .paragraph, .heading: true
    default: false
    }
  }
}

/// An element's name: its role, and a number by which end tags find their start tags.
struct HTMLName: Sendable {
  var element: HTMLElement
  /// Below `known` for the names in the table; otherwise a hash of the name.
  var number: UInt32

  static let known: UInt32 = 192

  init(_ name: UnsafePointer<UInt8>, _ count: Int) {
    if let found = Self.table.value(name, count) {
      self = found
    } else {
      var hash: UInt32 = 0x811C_9DC5
      for offset in 0..<count { hash = (hash ^ UInt32(ByteNameTable<Bool>.folded(name[offset]))) &* 0x0100_0193 }
      self.init(.inline, hash | 1 << 31)
    }
  }

  private init(_ element: HTMLElement, _ number: UInt32) {
    self.element = element
    self.number = number
  }

  static func named(_ name: StaticString) -> UInt32 { HTMLName(name.utf8Start, name.utf8CodeUnitCount).number }

  private static let table: ByteNameTable<HTMLName> = {
    var table = ByteNameTable<HTMLName>()
    var count: UInt32 = 0
    for (words, element) in lists {
      for word in words.split(separator: " ") {
        table.insert(String(word), HTMLName(element, count))
        count += 1
      }
    }
    precondition(count <= known)
    return table
  }()

  private static let lists: [(String, HTMLElement)] = [
    (
      "address blockquote center div fieldset figure hgroup legend optgroup search summary frameset",
      .block
    ),
    ("h1 h2 h3 h4 h5 h6", .heading), ("li", .listItem), ("ul ol menu dir dl", .list), ("dt dd", .term),
    ("p", .paragraph),
    ("pre listing", .preformatted), ("xmp plaintext", .rawText), ("table", .table), ("tbody thead tfoot", .section),
    ("tr", .row), ("td th", .cell), ("caption figcaption", .caption), ("details section", .details),
    ("main article", .main), ("nav aside footer", .chrome), ("header", .header), ("form", .form),
    ("template", .skipped), ("svg math", .foreign),
    ("noscript dialog select option datalist button canvas object audio video applet noframes", .hidden),
    ("script style textarea iframe noembed", .raw),
    (
      "img input link area base col colgroup embed param source track wbr basefont bgsound frame keygen image", .void
    ), ("hr", .rule), ("br", .lineBreak), ("a", .link), ("title", .title), ("meta", .meta), ("ruby", .ruby),
    ("rt rtc", .rubyReading), ("rp", .rubyParenthesis), ("html", .html), ("body head", .body),
  ]
}
