import ShardKit

/// What an HTML or extension tag does to its content.
enum WikiTagKind: UInt8, Sendable {
  /// Formatting: the tag goes, its content stays.
  case inline
  /// A block of its own: its content stands on lines of its own.
  case block
  case lineBreak
  case item
  case rule
  /// A footnote: removed with its content.
  case reference
  /// The list of footnotes.
  case references
  /// No prose inside (gallery, score, timeline): removed with its content.
  case removed
  case math
  case nowiki
  /// Text as it stands, line by line (`pre`, code listings).
  case verbatim
  case superscript
  case subscript_
  case ruby
  case rubyText
  case rubyParenthesis
  case table

  /// Whether its content is not wikitext, so that braces and bars in it mean nothing.
  var isRaw: Bool { self == .removed || self == .math || self == .nowiki || self == .verbatim }

  static func table() -> ByteNameTable<WikiTagKind> {
    var table = ByteNameTable<WikiTagKind>()
    table.insert(
      words: """
        a abbr acronym b bdi bdo big cite code data del dfn em font i img input ins kbd mark nobr noinclude onlyinclude
        q rb rbc rtc s samp section small span strike strong time tt tvar translate u var wbr languages label ref-list
        includeonly-text thead tbody tfoot colgroup col
        """, .inline)
    table.insert(
      words: "p div blockquote center h1 h2 h3 h4 h5 h6 ul ol dl dt dd poem tr td th caption figure figcaption", .block)
    table.insert(
      words: """
        gallery timeline imagemap score graph hiero mapframe maplink templatestyles templatedata inputbox categorytree
        indicator charinsert includeonly style script phonos chart rss syntaxhighlight-lines
        """, .removed)
    table.insert(words: "math chem ce", .math)
    table.insert(words: "pre syntaxhighlight source", .verbatim)
    for (name, kind) in [
      ("br", WikiTagKind.lineBreak), ("li", .item), ("hr", .rule), ("ref", .reference), ("references", .references),
      ("nowiki", .nowiki), ("sup", .superscript), ("sub", .subscript_), ("ruby", .ruby), ("rt", .rubyText),
      ("rp", .rubyParenthesis), ("table", .table),
    ] {
      table.insert(name, kind)
    }
    return table
  }
}
