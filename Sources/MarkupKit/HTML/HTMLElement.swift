import ShardKit

/// What an element is to the extraction of text.
enum HTMLElement: UInt8, Sendable {
  /// Makes no difference (`span`, `b`, names that nobody knows).
  case inline
  /// Parts blocks of text from each other.
  case block
  case heading, listItem, list, preformatted, table, section, row, cell, caption, details
  /// The page's own content, as its author marks it.
  case main
  /// Navigation, heads and feet, by the element's meaning.
  case chrome
  /// Of the page, unless it stands in its content.
  case header
  case form
  /// Never text: styles, templates.
  case skipped
  /// Drawings and formulas, in which other rules count for the markup.
  case foreign
  /// Shown only where something else is not, or when asked for: text of a page that has no other.
  case hidden
  /// Its content is no markup: `script`, `textarea`.
  case raw
  /// The same, and shown: `xmp`, `plaintext`.
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

  /// Whether its beginning ends a paragraph that is open.
  var endsParagraph: Bool {
    switch self {
    case .block, .heading, .listItem, .list, .preformatted, .table, .details, .main, .chrome, .header, .form, .rawText,
      .rule, .paragraph, .term:
      true
    default: false
    }
  }

  /// Whether a class, an id or a role may say that it is no content.
  var mayBeMarked: Bool {
    switch self {
    case .block, .header, .listItem, .list, .row, .table, .details, .caption, .cell, .paragraph, .heading: true
    default: false
    }
  }
}

/// An element's name: what it is, and a number by which ends find their beginnings.
struct HTMLName: Sendable {
  var element: HTMLElement
  /// Below `known` for the names of the table; above it a hash of all others.
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
