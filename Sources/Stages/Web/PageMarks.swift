/// Words in `class`, `id` and `role` by which sites mark what surrounds their content.
enum PageMarks {
  enum Kind: Sendable {
    /// By the element's own name: `nav`, `aside`, `footer`, the page's `header`.
    case element
    case chrome
  }

  static func kind(_ value: HTMLAttributes.Value?) -> Kind? {
    guard let value, let base = value.baseAddress else { return nil }
    let count = min(value.count, 1024)
    var start = 0
    for at in 0...count where at == count || base[at] <= 32 {
      if at > start, let found = words.value(base + start, at - start) { return found }
      start = at + 1
    }
    return nil
  }

  private static let words: ByteNameTable<Kind> = {
    var table = ByteNameTable<Kind>()
    let words = """
      nav navi navigation gnav gnavi lnav globalnav global-nav global-navigation localnav local-nav navbar menu
      main-menu sidemenu side-menu header global-header globalheader site-header page-header footer global-footer
      globalfooter site-footer page-footer sidebar side-bar side sidenav subcolumn sub-column breadcrumb breadcrumbs
      pankuzu topicpath topic-path topicspath share sharing social socials sns sns-share share-buttons related
      related-posts related-articles ranking banner banners ads advertisement pagetop page-top pager pagination
      copyright cookie cookie-banner cookie-notice tagcloud tag-cloud toc-nav skip-link search-form
      banner contentinfo complementary menubar toolbar
      """
    insert(words, .chrome, into: &table)
    return table
  }()

  private static func insert(_ words: String, _ kind: Kind, into table: inout ByteNameTable<Kind>) {
    table.insert(words: words, kind)
    // The table folds _ to a space, by which a list of words is parted.
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) where word.contains("-") {
      table.insert(String(word.replacing("-", with: "_")), kind)
    }
  }
}
