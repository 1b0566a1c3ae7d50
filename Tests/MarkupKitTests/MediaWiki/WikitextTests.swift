import TestKit
import Testing

@testable import MarkupKit
@testable import ShardKit

/// Renders one page.
func plainText(_ wikitext: String, _ configure: (inout WikitextOptions) -> Void = { _ in }) -> String {
  var options = WikitextOptions()
  configure(&options)
  return plainText(Array(wikitext.utf8), WikitextRules(options: options))
}

func plainText(_ wikitext: [UInt8], _ rules: WikitextRules = WikitextRules()) -> String {
  var renderer = WikitextRenderer(rules: rules)
  var output = PageBuffer()
  wikitext.withUnsafeBufferPointer { renderer.extract($0, title: Array("題名".utf8), into: &output) }
  return String(decoding: output.bytes, as: UTF8.self)
}

/// Pairs of wikitext and its text; each catches a fault that a peer has or that a simpler parser would have.
@Suite struct WikitextLinkTests {
  @Test(
    "A colon alone is no namespace (wikiextractor drops such links)",
    arguments: [
      ("[[Re:ゼロから始める異世界生活]]を見る", "Re:ゼロから始める異世界生活を見る"),
      ("[[機動戦士:外伝|外伝]]", "外伝"), ("[[2001年宇宙の旅: 続編]]", "2001年宇宙の旅: 続編"), ("[[C:|シー]]", "シー"),
    ])
  func colons(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Files and their options leave nothing (mwparserfromhell leaks 'thumb' and '220px')",
    arguments: [
      "[[ファイル:山.jpg|サムネイル|右|220px|[[山]]の{{仮リンク|景色|en|View}}]]", "[[画像:a.png|thumb|left]]", "[[File:a.svg|x16px]]",
      "[[image:a.gif|代替文=絵|あいう<ref>注</ref>]]", "[[ファイル:改行.jpg|thumb|一行目\n二行目]]",
    ])
  func files(_ wikitext: String) { #expect(plainText("前\(wikitext)後") == "前後") }

  @Test func captionsAreKeptOnRequestWithoutTheirOptions() {
    let wikitext = "本文。\n[[ファイル:a.jpg|サムネイル|right|200x100px|代替文=絵|リンク=|[[港]]の朝]]\n続き。"
    #expect(plainText(wikitext) { $0.keepCaptions = true } == "本文。\n\n港の朝\n続き。")
    #expect(plainText("[[File:a.jpg|thumb|100ピクセル|upright=1.2]]") { $0.keepCaptions = true } == "")
  }

  @Test(
    "Categories and interlanguage links go, their inline forms stay (mwparserfromhell keeps interlanguage links)",
    arguments: [
      ("文。\n[[Category:鳥|すずめ]]\n[[カテゴリ:鳥]]\n[[category:鳥]]", "文。"),
      ("文。\n[[en:Sparrow]]\n[[zh-min-nan:Chhek-chiáu]]", "文。"),
      ("[[:en:Sparrow]]と[[:en:Sparrow|雀]]", "Sparrowと雀"), ("[[:Category:鳥]]", "Category:鳥"),
      ("[[wikt:雀]]と[[s:雀|原文]]", "雀と原文"),
      ("[[Help:目次]]", "Help:目次"), ("[[:w:en:Wren]]", "Wren"),
    ])
  func prefixes(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Labels with markup, brackets and bars",
    arguments: [
      ("[[東京都|'''東京''']]", "東京"), ("[[A|[b]]]", "[b]"), ("[[京都|]]", "京都"), ("[[#歴史]]", "歴史"), ("[[本#章|章]]", "章"),
      ("[[A|{{lang|en|B|x=1}}]]", "B"), ("[[A&amp;B]]", "A&B"), ("[[A|一\n二]]", "一 二"), ("a[1]とb[2]", "a[1]とb[2]"),
    ])
  func labels(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "External links read as their label and as nothing without one",
    arguments: [
      ("[https://example.org/ 公式サイト]参照", "公式サイト参照"), ("文[http://example.org/a?b=c&d=e]。", "文。"),
      ("[//example.org [[港]]の'''頁''']", "港の頁"), ("[mailto:a@example.org 宛先]", "宛先"), ("[http://example.org/　和文]", "和文"),
      ("http://example.org/ は残る", "http://example.org/ は残る"), ("[http://example.org 閉じない\n次", "閉じない\n次"),
    ])
  func external(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }
}

@Suite struct WikitextTemplateTests {
  @Test(
    "Templates that hold text (mwparserfromhell loses it)",
    arguments: [
      ("{{仮リンク|灯台守|en|Lighthouse keeper|label=守り人}}", "守り人"), ("{{仮リンク|灯台守|en|Lighthouse keeper}}", "灯台守"),
      ("{{ill2|灯台守|en|X}}", "灯台守"), ("{{lang|en|London}}", "London"), ("{{Lang|fr|''Paris''}}", "Paris"),
      ("{{lang-en|Kyoto}}", "英語: Kyoto"), ("{{Lang-fr-short|Paris}}", "フランス語: Paris"),
      ("{{LangWithName|eo|エスペラント|Suno}}", "エスペラント: Suno"),
      ("{{読み仮名|灯台|とうだい}}", "灯台（とうだい）"), ("{{ルビ|本気|マジ}}", "本気（マジ）"), ("{{JPN}}", "日本"), ("{{flag|FRA}}", "フランス"),
      ("{{flagicon|JPN}}", ""), ("{{0}}7", "7"), ("a{{!}}b", "a|b"), ("{{color|red|赤い}}", "赤い"),
      ("{{要出典範囲|説がある|date=2020年}}", "説がある"),
      ("{{生年月日と年齢|1950|4|2}}", "1950年4月2日"), ("{{convert|10|km|mi|abbr=on}}", "10 km"), ("{{PAGENAME}}", "題名"),
      ("{{formatnum:1234}}", "1,234"), ("{{subst:lang|en|X}}", "X"), ("{{Lang\n| en\n| X\n}}", "X"),
      ("{{lang|1=en|2=X=Y}}", "X=Y"),
      ("{{Template:lang|en|X}}", "X"), ("{{<!-- 注 -->lang|en|X}}", "X"), ("{{ubl|あ|い}}", "・あ\n・い"),
    ])
  func rendered(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Removal counts depth (a non-greedy pattern stops at the first closer)",
    arguments: [
      "{{Infobox|a={{x|{{y}}}}|b=2}}", "{{Infobox\n|表={|\n|a\n|}\n}}", "{{Infobox|表=\n{|\n|a\n|}}}",
      "{{a|{{{1|{{b}}}}}}}", "{{a|<nowiki>}}</nowiki>}}",
      "{{a|<!-- }} -->}}", "{{a|<math>\\frac{{a}}{b}}</math>}}", "{{DEFAULTSORT:とうきよう}}", "{{#ifexist:x|y|z}}",
      "{{a|[[b|c]]|{d}}}",
    ])
  func removed(_ template: String) { #expect(plainText("前\(template)後") == "前後") }

  @Test func nestedTemplatesRenderInsideRenderedOnes() {
    #expect(plainText("{{small|{{lang|en|{{nowrap|A {{ref}}B}}}}}}") == "A B")
    #expect(plainText("{{Quotation|一。\n\n二。\n* 三|出典}}後") == "一。\n\n二。\n・三\n後")
  }

  @Test func unclosedTemplatesLoseOnlyTheirOwnLines() {
    #expect(plainText("{{基礎情報\n|名=あ\n|数=1\n本文である。\n\n次の段落。") == "本文である。\n\n次の段落。")
    #expect(plainText("彼は{{lang|en|John}と名乗った。次。") == "彼はJohnと名乗った。次。")
    #expect(plainText("文{{壊れた。次の文。\n次の行") == "文。次の文。\n次の行")
    #expect(plainText("閉じ}}だけ]]でも残らない") == "閉じだけでも残らない")
  }

  @Test func parametersAndVariants() {
    #expect(plainText("{{{1|既定}}}と{{{2}}}") == "既定と")
    #expect(plainText("-{zh-hans:简;zh-hant:繁}--{字}--{}-") == "简字")
    #expect(plainText("-{H|zh:a}-x-{{lang|en|y}}") == "x-y")
  }

  @Test func optionsAddAndRemoveTemplates() {
    let text = plainText("{{独自|あ|い}}{{lang|en|x}}") { $0.templates = ["独自": 2, "lang": 0] }
    #expect(text == "い")
  }

  @Test func emptiedParenthesesGoAndOthersStay() {
    #expect(plainText("東京（{{audio}}、{{ref}}）は") == "東京は")
    #expect(plainText("東京（{{audio}}、とうきょう、{{ref}}）は") == "東京（とうきょう）は")
    #expect(plainText("関数 main() を（）内に書く") == "関数 main() を（）内に書く")
    #expect(plainText("x ({{a}}; {{b}}) y") == "x y")
    #expect(plainText("島は{{z}}、、港は{{x}}、海である {{y}}。") == "島は、、港は、海である。")
  }
}

@Suite struct WikitextTagTests {
  @Test(
    "Bodies of formatting tags stay (wikiextractor discards small, pre, div, li)",
    arguments: [
      ("<small>小</small><div class=\"a\">箱</div>", "小\n箱"), ("<ul><li>あ</li><li>い</li></ul>", "・あ\n・い"),
      ("<pre>x [[y]]\n  z</pre>", "x [[y]]\n  z"),
      ("<span style='color:red'>赤</span>", "赤"), ("一<br />二<br>三", "一\n二\n三"), ("<code>a &lt; b</code>", "a < b"),
      ("<nowiki>[[そのまま]] {{x}}</nowiki>", "[[そのまま]] {{x}}"), ("x < y かつ <stdio.h>", "x < y かつ <stdio.h>"),
      ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", "漢（かん）字"), ("<ruby>漢<rt>かん</ruby>字", "漢（かん）字"),
      ("10<sup>8</sup>とH<sub>2</sub>O", "10⁸とH₂O"), ("<math>x + 1</math>と<math>\\sqrt{x}</math>", "x + 1と$\\sqrt{x}$"),
      ("<poem>一\n二</poem>", "一\n二"),
    ])
  func kept(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Footnotes, comments and media go",
    arguments: [
      "<ref>注{{cite|a|<b>}}</ref>", "<ref name=\"a\" />", "<ref name=a>x</ref >", "<!-- {{ [[ -->",
      "<gallery>\nFile:a.jpg|[[a]]\n</gallery>",
      "<timeline>\nx = 1\n</timeline>", "<REF>注</REF>", "<templatestyles src=\"a\" />",
      "<table><tr><td><table></table>x</td></tr></table>",
    ])
  func removed(_ markup: String) { #expect(plainText("前\(markup)後").replacing("\n", with: "") == "前後") }

  @Test func unclosedFootnotesEndWithTheirLine() {
    #expect(plainText("文<ref>閉じない注\n次の行") == "文\n次の行")
    #expect(plainText("文<ref>閉じない注\n中間の行<ref>別の注</ref>後") == "文\n中間の行後")
    #expect(plainText("文<ref>開き<ref>また開く</ref>後") == "文後")
  }

  @Test func referencesOfCharactersAreDecodedAndNeverParsed() {
    #expect(plainText("&lt;ref&gt;&amp;&nbsp;&#91;&#91;a&#x5D;&hearts;&unknown;&") == "<ref>& [[a]♥&unknown;&")
    #expect(plainText("a&#0;&#1114112;&shy;b") == "ab")
  }

  @Test func emphasisAndMagicWords() {
    #expect(plainText("'''太'''''斜''と''''字''''とd'Arcy") == "太斜と'字'とd'Arcy")
    #expect(plainText("__NOTOC__\n__目次非表示__\n本文 a__b__c") == "本文 a__b__c")
    #expect(plainText("＿＿目次非表示＿＿\n本文") == "本文")
  }
}

@Suite struct WikitextBlockTests {
  @Test func headingsAndListsStayAsText() {
    let wikitext = "序文。\n== 歴史 ==\n=== 近代 === <!-- 注 -->\n* 一\n** 二\n# 三\n: 字下げ\n; 語: 義\n----\n== 文化 ==<!--\n隠す -->\n文。"
    let text = "序文。\n\n歴史\n近代\n・一\n・二\n・三\n字下げ\n語: 義\n\n文化\n文。"
    #expect(plainText(wikitext) == text)
    #expect(
      plainText(wikitext) {
        $0.keepHeadings = false; $0.keepLists = false
      } == "序文。\n\n字下げ\n語: 義\n\n文。")
    #expect(plainText("* 一") { $0.listMarker = "- " } == "- 一")
  }

  @Test func emptySectionsLeaveNoHeading() {
    #expect(plainText("文。\n== 表 ==\n{|\n|a\n|}\n== 図 ==\n[[File:a.jpg]]\n== 後 ==\n文。") == "文。\n\n後\n文。")
  }

  @Test func referenceSectionsGoWithTheirSubsections() {
    let wikitext = "文。\n== 脚注 ==\n=== 注釈 ===\n* a\n== 歴史 ==\n続き。\n== 外部リンク ==\n* [http://example.org x]"
    #expect(plainText(wikitext) == "文。\n\n歴史\n続き。")
    #expect(plainText("文。\n== 歴史 ==\nあ。") { $0.droppedSections = ["歴史"] } == "文。")
  }

  @Test(
    "Tables go whole (wikiextractor leaves residue, #298)",
    arguments: [
      "{| class=\"wikitable\"\n! 見出し\n|-\n| a || {{x|y}} || [[b|c]]\n|}", "{|\n|\n{|\n|内\n|}\n|外\n|}", ":{|\n|a\n|}",
      " {|\n|<!-- \n|} -->a\n|}",
      "{|\n| {{x\n|}}\n| b\n|}", "{|\n|<nowiki>\n|}\n</nowiki>\n|}",
    ])
  func tables(_ table: String) { #expect(plainText("前\n\(table)\n後") == "前\n後") }

  @Test func brokenTablesLeaveTheText() {
    #expect(plainText("前\n{|\n|a\n|-\n|b\n\n本文は残る。") == "前\n\n本文は残る。")
    #expect(plainText("前\n{|\n|a\n== 次 ==\n本文。") == "前\n\n次\n本文。")
    #expect(plainText("前\n{{表の始まり}}\n|-\n| a || b\n|}\n後") == "前\n後")
  }

  @Test func linesAreTidy() {
    #expect(plainText("  一　\n\n\n\n二  三\t四\n　五") == "一\n\n二 三 四\n五")
    #expect(plainText("文が続く{{注\n|x=1\n}}\n。次。") == "文が続く。次。")
    #expect(plainText("一\n{{消える}}\n二") == "一\n二")
    #expect(plainText("一\u{01}\u{02}\u{7F}\r\n二") == "一\n二")
  }
}

@Suite(.needsRealTexts) struct RealArticleTests {
  @Test func rawArticles() throws {
    let lines = LineReader(try openSource(realDataPath! + "/wikipedia/jawiki-country.json.gz"))
    var texts: [String] = []
    while let line = try lines.next() {
      texts.append(plainText(try JSONValue.parse(Array(line)).value["text"]?.string ?? ""))
    }
    #expect(texts.count == 206)
    for marker in ["{{", "}}", "[[", "]]", "|}", "{|", "<ref", "'''", "==", "（、", "、）", "（）は"] {
      #expect(texts.count { $0.contains(marker) } <= 2, "\(marker)")
    }
    #expect(texts.count { $0.utf8.count > 1000 } == 205)  // the last is a redirect
  }
}
