import ShardKit

/// The templates that hold text, of Japanese and English Wikipedia. Any other template is removed, but for those that
/// `WikiTemplatePatterns` knows by the form of their name: of the others that stand inside sentences nearly all are
/// citations, notes and signs, whose arguments are no text.
///
/// Names are of one word here with `_` for a space; lookups fold case, as no two of them differ by case alone.
enum WikiTemplateNames {
  static func table(isJapanese: Bool, beyond extra: [String: Int]) -> ByteNameTable<WikiTemplateRule> {
    var table = ByteNameTable<WikiTemplateRule>()
    insertArguments(&table)
    insertForms(&table, isJapanese: isJapanese)
    WikiPhraseNames.insert(&table, isJapanese: isJapanese)
    for (name, text) in literals { table.insert(name, .text(text)) }
    if isJapanese {
      table.insert(words: "生年月日と年齢 生年月日 死亡年月日 開始日 終了日 生年月日と年齢2 日付 start_date", .date(from: 1))
      table.insert(words: "死亡年月日と没年齢", .date(from: 4))
      table.insert(words: "没年齢", .age("歳没"))
      table.insert(words: "jp 駅 sta", .argument(1))
      table.insert("円", .suffixed("円"))
    }
    for (name, argument) in extra.sorted(by: { $0.key < $1.key }) {
      table.insert(name, argument > 0 ? .argument(argument) : .text(""))
    }
    return table
  }

  private static func insertArguments(_ table: inout ByteNameTable<WikiTemplateRule>) {
    table.insert(words: firstArgument, .argument(1))
    table.insert(words: secondArgument, .argument(2))
    table.insert(words: secondOrFirst, .argumentOrPrevious(2))
    table.insert(words: "colors 色付き背景 背景色 fontcolor3", .argument(3))
    table.insert(words: "interlang", .argumentOrPrevious(3))
    table.insert(words: "transl transliteration llang3 resize fontcolor font_color", .lastArgument)
  }

  private static func insertForms(_ table: inout ByteNameTable<WikiTemplateRule>, isJapanese: Bool) {
    table.insert(words: "仮リンク ill ill2 interlanguage_link link-interwiki 日本語版にない記事リンク", .placeholderLink)
    table.insert(
      words: "ルビ ルビ2 ruby ruby-ja ruby-zh-p ruby-zh-b 読み仮名 読み仮名_ruby不使用 ふりがな フリガナ 振り仮名 ruby2 よみがな 読み",
      .reading)
    table.insert(
      words: """
        quotation quote cquote bquote blockquote quotebox quote_box 引用 squote indent 字下げ poem rquote
        """, .quotation)
    table.insert(
      words: "unbulleted_list ubl ublist 箇条書き bulleted_list vunblist vunbl ordered_list", .items)
    table.insert(words: "col columns multicol", .blocks)
    table.insert(words: "hlist flatlist_inline", .joined(isJapanese ? "、" : ", "))
    table.insert(words: "chem chem2 ce su subsup mpl 化学式 gaps", .joined(""))
    table.insert(words: "key_press keypress keys", .joined("+"))
    table.insert(words: "linktext", .words)
    table.insert(words: "frac sfrac fraction 分数", .fraction)
    table.insert(words: "convert cvt 単位 換算", .quantity)
    table.insert("val", .value)
    table.insert(words: "e esp", .powerOfTen)
    table.insert("10^", .figure(.power))
    table.insert(words: "nts formatnum", .figure(.number))
    table.insert(words: "sqrt radic", .figure(.root))
    table.insert(words: "nuclide simplenuclide", .figure(.nuclide))
    table.insert("abs", .wrapped("|", "|"))
    table.insert(words: "sup superscript", .script(.superscript))
    table.insert(words: "sub subscript", .script(.subscript_))
    table.insert(words: "flag flagcountry flagu 国旗 flagdeco flag2 国名 fb fbu fbw", .country)
    table.insert(words: "langwithname rtl-langwithname 多言語名", .languageWithName)
    table.insert(words: "- clear br break crlf", .lineBreak)
    table.insert(words: "pagename fullpagename basepagename subpagename", .pageName)
    table.insert(words: "現在の年 年数 現在年", .unresolved)
    table.insert(words: "和暦 世紀", .computed)
  }

  private static let firstArgument = """
    small smaller big larger large nowrap nobr nowrap2 center 中央 smallcaps unicode jis2004フォント jis90フォント
    jis2000フォント jis83フォント cp932フォント 補助漢字フォント 拡張漢字 拡張漢字フォント ipaフォント ipa ipa2 ipalink 音声記号 underline u
    下線 em strong bold 太字 強調 italic 斜体 取消線 打ち消し 打消し del ins nastaliq 要出典範囲 要出典_範囲 inline-block
    abbr tooltip vanchor visible_anchor anchor_text mvar math var code tt kbd samp nihongo2 plainlist flatlist
    日本語表記 nobold noitalic unbold normal 小さい文字 大きい文字 right left justify pdflink 割注 圏点 傍点 縦書き
    monospace 等幅 xt mxt !xt 書名 作品名 半角 全角 lang_label zh-tw annotated_link lower upper jdl ja-lang ilq
    ピン音 拼音 ピンイン 注音 簡体字 繁体字 簡體字 繁體字 正体字 ハングル 下げ核 高線 低線 アクセント hebrew longitem overline railgauge iast
    by midsize noflag native_phrase s 略語 簡体 繁体 正体 key 行内引用 小書き ipa_link
    """

  private static let secondArgument = """
    color fontsize 文字色 色 bgcolor 背景 audio audio-ipa font-size 文字サイズ columns-list weight
    native_name legend2
    """

  private static let secondOrFirst =
    "lang rtl-lang llang lang2 script ltr rtl 言語表記 url anchord font フォント sname snamei"

  private static let literals: [(String, String)] = [
    ("!", "|"), ("=", "="), ("!!", "||"), ("nbsp", " "), ("nbs", " "), ("space", " "), ("spaces", " "), ("snd", " – "),
    ("spaced ndash", " – "), ("spnd", " – "), ("sndash", " – "), ("ndash", "–"), ("mdash", "—"), ("emdash", "—"),
    ("mdashb", "—"), ("dash", " – "), ("spaced mdash", " — "), ("・", "・"), ("·", " · "), ("•", " • "), ("dot", " · "),
    ("'", "'"), ("'s", "'s"), ("' \"", "' \""), ("\" '", "\" '"), ("-'", "'"), ("-\"", "\""), ("pi", "π"),
    ("〜", "〜"), ("〇", "〇"), (",", "、"), ("*", "*"), ("((", "{{"), ("))", "}}"), ("(", "{"), (")", "}"), ("thinsp", " "),
    ("hsp", " "), ("ensp", " "), ("emsp", " "), ("zwsp", ""), ("zwj", "\u{200D}"), ("wj", ""), ("shy", ""),
    ("minus", "−"),
    ("pipe", "|"), ("plusmn", "±"), ("times", "×"), ("eqm", "⇌"), ("okina", "ʻ"), ("hamza", "ʾ"), ("lord", "LORD"),
    ("colon", ":"),
  ]
}
