import ShardKit

/// Words in `class`, `id` and `role` with which sites mark boilerplate.
enum PageMarks {
  enum Kind: Sendable {
    /// By the element's own name: `nav`, `aside`, `footer`, the page's `header`.
    case element
    case chrome
    /// Readers' comments below the page.
    case comments
    /// Newsletters, cookie notices, recommended pages.
    case promotion
  }

  static func kind(_ value: HTMLAttributes.Value?) -> Kind? {
    guard let value, let base = value.baseAddress else { return nil }
    let count = min(value.count, 1024)
    var start = 0
    for at in 0...count where at == count || base[at] <= 32 {
      if at > start {
        if let found = words.value(base + start, at - start) { return found }
        if at - start < 64, let found = partKind(base + start, at - start) { return found }
      }
      start = at + 1
    }
    return nil
  }

  /// By a component of a name (`post-comments`, `newsletterSignup`); names for what a page has or lacks do not count.
  private static func partKind(_ name: UnsafePointer<UInt8>, _ count: Int) -> Kind? {
    var start = 0
    var found: Kind?
    for at in 0...count {
      let isEnd = at == count || name[at] == UInt8(ascii: "-") || name[at] == UInt8(ascii: "_")
      let isCapital = at < count && at > start && name[at] &- 0x41 < 26 && name[at - 1] &- 0x61 < 26
      guard isEnd || isCapital else { continue }
      if at > start {
        if start == 0, states.value(name, at) != nil { return nil }
        found = found ?? parts.value(name + start, at - start)
      }
      start = isEnd ? at + 1 : at
    }
    return found
  }

  private static let states = ByteNameTable<Bool>(
    words: "has no not with without is show hide enable disable can open allow", value: true)

  private static let parts: ByteNameTable<Kind> = {
    var table = ByteNameTable<Kind>()
    table.insert(words: "comment comments commentlist commentbox disqus respond", .comments)
    table.insert(
      words: "breadcrumb breadcrumbs share sharing sharebar social sidebar navbar navigation", .chrome)
    table.insert(
      words: """
        newsletter newsletters subscribe signup promo promos related recommended recommendations cookie cookies gdpr
        consent sponsored outbrain taboola trending advert advertisement ads paywall popup readmore
        """, .promotion)
    return table
  }()

  private static let words: ByteNameTable<Kind> = {
    var table = ByteNameTable<Kind>()
    let words = """
      nav navi navigation gnav gnavi lnav globalnav global-nav global-navigation localnav local-nav navbar menu
      main-menu sidemenu side-menu header global-header globalheader site-header page-header footer global-footer
      globalfooter site-footer page-footer sidebar side-bar side sidenav subcolumn sub-column breadcrumb breadcrumbs
      pankuzu topicpath topic-path topicspath share sharing social socials sns sns-share share-buttons
      ranking banner banners pagetop page-top pager pagination
      copyright tagcloud tag-cloud toc-nav skip-link search-form
      contentinfo complementary menubar toolbar
      """
    insert(words, .chrome, into: &table)
    return table
  }()

  private static func insert(_ words: String, _ kind: Kind, into table: inout ByteNameTable<Kind>) {
    table.insert(words: words, kind)
    // The table folds _ to a space, which separates the words of a list.
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) where word.contains("-") {
      table.insert(String(word.replacing("-", with: "_")), kind)
    }
  }
}
