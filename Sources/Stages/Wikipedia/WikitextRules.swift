/// A parser function that reads as text.
enum WikiParserFunction: Sendable {
  /// Its argument is the text: `formatnum:`, `lc:`.
  case value
  /// A prefix before a template's name: `subst:`.
  case prefix
}

/// The tables that rendering looks names up in, built once for a site and a set of options and shared by its tasks.
final class WikitextRules: Sendable {
  let options: WikitextOptions
  let site: WikiSite
  let listMarker: [UInt8]
  let tags: ByteNameTable<WikiTagKind>
  let functions: ByteNameTable<WikiParserFunction>
  let droppedSections: ByteNameTable<Bool>
  let protocols = ByteNameTable(
    words: "http https ftp sftp ftps mailto news irc ircs gopher telnet svn git", value: true)
  let imageOptions = ByteNameTable(words: WikitextRules.imageKeywords, value: true)
  let imageParameters = ByteNameTable(words: WikitextRules.imageParameterNames, value: true)
  let pixelUnits = ByteNameTable(words: "px pxpx ピクセル", value: true)
  private let templates: ByteNameTable<WikiTemplateRule>
  private let isJapanese: Bool

  init(options: WikitextOptions = WikitextOptions(), site: WikiSite = WikiSite()) {
    self.options = options
    self.site = site
    isJapanese = site.language.hasPrefix("ja")
    listMarker = Array(options.listMarker.utf8)
    tags = WikiTagKind.table()
    var functions = ByteNameTable<WikiParserFunction>()
    functions.insert(words: "formatnum lc uc lcfirst ucfirst", .value)
    functions.insert(words: "subst safesubst template テンプレート", .prefix)
    self.functions = functions
    var sections = ByteNameTable<Bool>()
    for name in options.droppedSections { sections.insert(name, true) }
    droppedSections = sections
    templates = WikiTemplateNames.table(isJapanese: isJapanese, beyond: options.templates)
  }

  /// The rule of a template, or nil where it is removed.
  func template(_ name: UnsafePointer<UInt8>, _ count: Int) -> WikiTemplateRule? {
    if let rule = templates.value(name, count) { return rule }
    if isJapanese, let country = country(name, count) { return .text(country) }
    return languageTemplate(name, count)
  }

  /// A country by its three-letter code, in capitals as flag templates are named.
  func country(_ code: UnsafePointer<UInt8>, _ count: Int) -> String? {
    guard isJapanese, count == 3, code[0] &- 0x41 < 26, code[1] &- 0x41 < 26, code[2] &- 0x41 < 26 else { return nil }
    return WikiCountryNames.table.value(code, count)
  }

  /// `lang-xx` and `lang-xx-short`, whatever the language.
  private func languageTemplate(_ name: UnsafePointer<UInt8>, _ count: Int) -> WikiTemplateRule? {
    guard count >= 7, count <= 24, name[4] == UInt8(ascii: "-") else { return nil }
    for (offset, byte) in "lang".utf8.enumerated() where name[offset] | 0x20 != byte { return nil }
    var codeEnd = 5
    while codeEnd < count, name[codeEnd] != UInt8(ascii: "-") { codeEnd += 1 }
    guard isJapanese, let language = WikiLanguageNames.table.value(name + 5, codeEnd - 5) else { return .argument(1) }
    return .namedLanguage(language)
  }

  static let imageKeywords = """
    thumb thumbnail frame framed frameless border right left center centre none upright baseline middle sub super sup
    text-top text-bottom top bottom サムネイル サムネ フレーム フレームなし ボーダー 境界 右 左 中央 なし 無し 右上 下線 中心 上付き 下付き
    上端 文上端 中心 下端 文下端 ベースライン
    """
  static let imageParameterNames = """
    alt link page upright thumb thumbnail lang class start end thumbtime 代替文 代替画像 リンク ページ サムネイル サムネ 右上 言語 クラス
    """
}
