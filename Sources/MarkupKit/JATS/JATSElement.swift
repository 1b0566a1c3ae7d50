import ShardKit

/// The relevant elements of JATS, by local name; all others are transparent.
///
/// Names: https://jats.nlm.nih.gov/archiving/tag-library/1.3/
enum JATSElement: Sendable {
  // Structure
  case article, front, body, back, articleMeta, subArticle
  // Metadata of the article
  case journalTitle, articleID, titleGroup, articleTitle, translatedTitle, translatedTitleGroup
  case abstract, translatedAbstract, publicationDate, year
  case license, licenseReference, copyrightStatement, relatedArticle
  // Blocks
  case section, title, paragraph, listItem, line, preformatted, quote
  /// Forms of the same thing, of which one is read.
  case alternatives
  // Inside blocks
  case citation, superscript, subscripted, formula, displayedFormula, tex, link, lineBreak
  // Kept or dropped by option
  case acknowledgements, footnote, backMatter
  /// Never part of the text: references, labels, and inline objects.
  case dropped
  /// Never part of the text, and separate from the lines around it: tables, figures, files.
  case float
  case other

  init(_ name: XMLName) { self = Self.table.value(name.bytes, name.count) ?? .other }

  private static let names: [(String, JATSElement)] = [
    ("article", .article), ("front front-stub", .front), ("body", .body), ("back", .back),
    ("article-meta", .articleMeta), ("sub-article response", .subArticle),
    ("journal-title", .journalTitle), ("article-id", .articleID), ("title-group", .titleGroup),
    ("article-title subtitle", .articleTitle), ("trans-title trans-subtitle", .translatedTitle),
    ("trans-title-group", .translatedTitleGroup), ("abstract", .abstract), ("trans-abstract", .translatedAbstract),
    ("pub-date", .publicationDate), ("year", .year), ("license", .license),
    ("license_ref", .licenseReference), ("copyright-statement", .copyrightStatement),
    ("related-article", .relatedArticle), ("sec", .section), ("title", .title), ("p", .paragraph),
    ("list-item", .listItem), ("term def speaker verse-line attrib addr-line", .line),
    ("preformat code", .preformatted), ("alternatives", .alternatives),
    ("disp-quote boxed-text statement speech address", .quote), ("xref", .citation), ("sup", .superscript),
    ("sub", .subscripted), ("inline-formula math", .formula),
    ("disp-formula disp-formula-group", .displayedFormula), ("tex-math", .tex),
    ("ext-link uri", .link), ("break", .lineBreak), ("ack", .acknowledgements), ("fn", .footnote),
    ("app notes glossary bio", .backMatter),
    (
      """
      chem-struct inline-graphic inline-media inline-supplementary-material label object-id alt-text long-desc
      annotation alt-title product related-object sec-meta x rt rtc rp def-head term-head custom-meta-group
      """, .dropped
    ),
    (
      """
      table-wrap table-wrap-group table array fig fig-group chem-struct-wrap graphic media supplementary-material
      ref-list floats-group floats-wrap
      """, .float
    ),
  ]

  private static let table: ByteNameTable<JATSElement> = {
    var table = ByteNameTable<JATSElement>()
    for (words, element) in names { table.insert(words: words, element) }
    return table
  }()
}
