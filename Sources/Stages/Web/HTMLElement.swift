/// What an element is to the extraction of text. Names that are not known (and `span`, `b`, …) are `inline`.
enum HTMLElement: Sendable {
  case inline
  /// Parts blocks of text from each other.
  case block
  case heading, listItem, preformatted, row, cell
  /// The page's own content, as its author marks it.
  case main
  /// Navigation, heads and feet, by the element's meaning.
  case chrome
  /// Of the page, unless it stands in its content.
  case header
  case form
  /// Not text: scripts, styles, embedded things, controls.
  case skipped
  case lineBreak, link, title, meta, ruby, rubyReading, rubyParenthesis, html, body

  init(_ name: UnsafePointer<UInt8>, _ count: Int) { self = Self.table.value(name, count) ?? .inline }

  var isBlock: Bool {
    switch self {
    case .inline, .lineBreak, .link, .title, .meta, .ruby, .rubyReading, .rubyParenthesis, .cell: false
    default: true
    }
  }

  /// Whether a class, an id or a role may say that it is no content.
  var mayBeMarked: Bool { self == .block || self == .header || self == .listItem || self == .row }

  private static let table: ByteNameTable<HTMLElement> = {
    var table = ByteNameTable<HTMLElement>()
    let blocks =
      "address blockquote caption center dd details dir div dl dt fieldset figcaption figure hgroup hr img legend ol "
      + "optgroup p search section summary table tbody tfoot thead ul"
    table.insert(words: blocks, .block)
    table.insert("img", .inline)
    table.insert(words: "h1 h2 h3 h4 h5 h6", .heading)
    table.insert("li", .listItem)
    table.insert(words: "pre listing xmp plaintext", .preformatted)
    table.insert("tr", .row)
    table.insert(words: "td th", .cell)
    table.insert(words: "main article", .main)
    table.insert(words: "nav aside footer menu", .chrome)
    table.insert("header", .header)
    table.insert("form", .form)
    let skipped =
      "script style template noscript noframes iframe object embed applet svg math canvas audio video picture map "
      + "select option datalist button textarea dialog"
    table.insert(words: skipped, .skipped)
    table.insert("br", .lineBreak)
    table.insert("a", .link)
    table.insert("title", .title)
    table.insert("meta", .meta)
    table.insert("ruby", .ruby)
    table.insert(words: "rt rtc", .rubyReading)
    table.insert("rp", .rubyParenthesis)
    table.insert("html", .html)
    table.insert(words: "body head", .body)
    return table
  }()
}

/// Words in `class`, `id` and `role` by which sites mark what surrounds their content.
enum PageMarks {
  static func isChrome(_ value: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    var start = 0
    for at in 0...count where at == count || value[at] <= 32 {
      if at > start, words.value(value + start, at - start) != nil { return true }
      start = at + 1
    }
    return false
  }

  private static let words: ByteNameTable<Bool> = {
    var table = ByteNameTable<Bool>()
    let words = """
      nav navi navigation gnav gnavi lnav globalnav global-nav global-navigation localnav local-nav navbar menu
      main-menu sidemenu side-menu header global-header globalheader site-header page-header footer global-footer
      globalfooter site-footer page-footer sidebar side-bar side sidenav subcolumn sub-column breadcrumb breadcrumbs
      pankuzu topicpath topic-path topicspath share sharing social socials sns sns-share share-buttons related
      related-posts related-articles ranking banner banners ads advertisement pagetop page-top pager pagination
      copyright cookie cookie-banner cookie-notice tagcloud tag-cloud toc-nav skip-link search-form
      banner contentinfo complementary menubar toolbar
      """
    table.insert(words: words, true)
    // The table folds _ to a space, by which a list of words is parted.
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) where word.contains("-") {
      table.insert(String(word.replacing("-", with: "_")), true)
    }
    return table
  }()
}
