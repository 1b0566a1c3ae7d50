/// The templates that hold text, of Japanese and English Wikipedia. Any other template is removed.
///
/// Names are of one word here with `_` for a space; lookups fold case, as no two of them differ by case alone.
enum WikiTemplateNames {
  static func table(isJapanese: Bool, beyond extra: [String: Int]) -> ByteNameTable<WikiTemplateRule> {
    var table = ByteNameTable<WikiTemplateRule>()
    table.insert(words: firstArgument, .argument(1))
    table.insert(words: secondArgument, .argument(2))
    table.insert(words: secondOrFirst, .argumentOrPrevious(2))
    table.insert(words: "colors 色付き背景 背景色 fontcolor3", .argument(3))
    table.insert(words: "transl transliteration llang3", .lastArgument)
    table.insert(words: "仮リンク ill ill2 interlanguage_link link-interwiki 日本語版にない記事リンク", .placeholderLink)
    table.insert(words: "ルビ ruby ruby-ja 読み仮名 読み仮名_ruby不使用 ふりがな フリガナ ruby2 よみがな", .reading)
    table.insert(
      words: "quotation quote cquote bquote blockquote quotebox 引用 squote indent 字下げ poem rquote", .quotation)
    table.insert(words: "unbulleted_list ubl ublist 箇条書き bulleted_list", .items)
    table.insert(words: "hlist flatlist_inline", .joined(isJapanese ? "、" : ", "))
    table.insert(words: "chem chem2 ce su subsup", .joined(""))
    table.insert(words: "frac sfrac fraction 分数", .joined("/"))
    table.insert(words: "convert cvt val 単位 換算", .quantity)
    table.insert(words: "flag flagcountry flagu 国旗 flagdeco flag2 国名", .country)
    table.insert(words: "langwithname rtl-langwithname 多言語名", .languageWithName)
    table.insert(words: "- clear br break crlf", .lineBreak)
    table.insert(words: "pagename fullpagename basepagename subpagename", .pageName)
    for (name, text) in literals { table.insert(name, .text(text)) }
    if isJapanese {
      table.insert(words: "生年月日と年齢 生年月日 死亡年月日 開始日 終了日 生年月日と年齢2 日付 start_date", .date(from: 1))
      table.insert(words: "死亡年月日と没年齢", .date(from: 4))
    }
    for (name, argument) in extra.sorted(by: { $0.key < $1.key }) {
      table.insert(name, argument > 0 ? .argument(argument) : .text(""))
    }
    return table
  }

  private static let firstArgument = """
    small smaller big larger large nowrap nobr nowrap2 center 中央 smallcaps sub sup unicode jis2004フォント jis90フォント
    jis2000フォント jis83フォント 補助漢字フォント 拡張漢字 拡張漢字フォント ipaフォント ipa ipa2 ipa-all ipa-en ipa-fr ipa-de ipa-es ipa-it
    ipa-ru ipa-nl ipa-pt ipa-cs ipa-pl ipa-ja ipa-ko ipa-zh ipa-la ipa-el ipa-ar ipa-he ipa-hu ipa-sv ipa-da ipa-no
    ipa-fi ipalink 音声記号 underline u 下線 em strong bold 太字 強調 italic 斜体 取消線 del ins nastaliq 要出典範囲 要出典_範囲
    いつ範囲 誰範囲 独自研究範囲 要検証範囲 信頼性要検証範囲 要説明範囲 未検証範囲 どこ範囲 要追加記述範囲 疑問点範囲 要高次出典範囲
    正確性範囲 abbr tooltip vanchor visible_anchor anchor_text mvar math var code tt kbd samp nihongo2 plainlist flatlist
    日本語表記 nobold noitalic unbold normal 小さい文字 大きい文字 right left justify pdflink nts formatnum 割注 圏点 傍点 縦書き
    weight monospace 等幅 linktext xt mxt !xt angle_bracket 書名 作品名 半角 全角 lang_label zh-tw annotated_link lower
    upper superscript subscript jdl ja-lang
    """

  private static let secondArgument = """
    color fontsize font_color 文字色 色 font フォント bgcolor 背景 audio audio-ipa font-size 文字サイズ columns-list
    """

  private static let secondOrFirst = "lang rtl-lang llang lang2 script ltr rtl 言語表記 url anchord"

  private static let literals: [(String, String)] = [
    ("!", "|"), ("=", "="), ("!!", "||"), ("nbsp", " "), ("space", " "), ("spaces", " "), ("snd", " – "),
    ("spaced ndash", " – "), ("ndash", "–"), ("mdash", "—"), ("・", "・"), ("·", " · "), ("•", " • "), ("'", "'"),
    ("pi", "π"), ("〜", "〜"), ("〇", "〇"), (",", "、"), ("*", "*"), ("((", "{{"), ("))", "}}"),
  ]
}
