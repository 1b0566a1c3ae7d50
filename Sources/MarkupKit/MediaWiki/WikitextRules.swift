import ShardKit

/// The tables that rendering looks names up in, built once for a site and a set of options and shared by its tasks.
public final class WikitextRules: Sendable {
  let options: WikitextOptions
  let site: WikiSite
  let listMarker: [UInt8]
  let placeholder: [UInt8]
  let tags: ByteNameTable<WikiTagKind>
  let functions: ByteNameTable<WikiParserFunction>
  let droppedSections: ByteNameTable<Bool>
  let protocols = ByteNameTable(
    words: "http https ftp sftp ftps mailto news irc ircs gopher telnet svn git", value: true)
  let imageOptions = ByteNameTable(words: WikiForeignNames.imageKeywords, value: true)
  let imageParameters = ByteNameTable(words: WikiForeignNames.imageParameters, value: true)
  let pixelUnits = ByteNameTable(words: "px pxpx ピクセル pk пкс пікс", value: true)
  let quantities = WikiQuantityWords()
  let switches = WikiSwitches.table()
  let tableTemplates = WikiTableMark.templates()
  private let templates: ByteNameTable<WikiTemplateRule>
  private let isJapanese: Bool
  /// Whether the site writes commas between thousands.
  let groupsByCommas: Bool

  public init(options: WikitextOptions = WikitextOptions(), site: WikiSite = WikiSite()) {
    self.options = options
    self.site = site
    isJapanese = site.language.hasPrefix("ja")
    groupsByCommas = ["ja", "en", "zh", "ko", "simple"].contains { site.language.hasPrefix($0) }
    listMarker = Array(options.listMarker.utf8)
    placeholder = Array(options.placeholder.utf8)
    tags = WikiTagKind.table()
    var functions = ByteNameTable<WikiParserFunction>()
    functions.insert("anchorencode", .value)
    functions.insert(words: "formatnum 数整形", .number)
    for (name, branch) in [("#if", WikiBranch.filled), ("#ifeq", .equal), ("#switch", .choice), ("#iferror", .valid)] {
      functions.insert(name, .branch(branch))
    }
    functions.insert(words: "lc 小文字", .letters(.lower))
    functions.insert(words: "uc 大文字", .letters(.upper))
    functions.insert(words: "lcfirst 先頭小文字", .letters(.lowerFirst))
    functions.insert(words: "ucfirst 先頭大文字", .letters(.upperFirst))
    functions.insert(
      words: "#expr #ifexpr #time #timel #property #statements padleft padright numberofarticles", .unresolved)
    functions.insert(words: "subst safesubst template テンプレート", .prefix)
    self.functions = functions
    var sections = ByteNameTable<Bool>()
    for name in options.droppedSections { sections.insert(name, true) }
    droppedSections = sections
    templates = WikiTemplateNames.table(isJapanese: isJapanese, beyond: options.templates)
  }

  /// The rule of a template, or nil where it is removed.
  func template(_ name: UnsafePointer<UInt8>, _ count: Int) -> WikiTemplateRule? {
    if let country = country(name, count) { return .text(country) }
    if let rule = templates.value(name, count) { return rule }
    return WikiTemplatePatterns.rule(UnsafeBufferPointer(start: name, count: count), isJapanese: isJapanese)
  }

  /// A country by its three-letter code, in capitals as flag templates are named: in Japanese, elsewhere the code itself.
  func country(_ code: UnsafePointer<UInt8>, _ count: Int) -> String? {
    guard count >= 3, code[0] &- 0x41 < 26, code[1] &- 0x41 < 26, code[2] &- 0x41 < 26,
      count == 3 || isJapanese && WikiCountryNames.keepsName(code, count),
      let name = WikiCountryNames.table.value(code, 3)
    else { return nil }
    return isJapanese ? name : String(decoding: UnsafeBufferPointer(start: code, count: 3), as: UTF8.self)
  }
}
