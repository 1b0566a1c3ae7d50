import Testing

@testable import MarkupKit
@testable import ShardKit

/// Renders a page of English Wikipedia.
private func english(_ wikitext: String) -> String {
  var site = WikiSite()
  site.language = "en"
  return plainText(Array(wikitext.utf8), WikitextRules(site: site))
}

/// Templates that stand for words, numbers and formulas inside sentences.
@Suite struct WikitextPhraseTests {
  @Test(
    "Language codes and names are templates that hold text",
    arguments: [
      ("バラード {{en|“My Happiness”}} と {{en|“…”}} であった", "バラード “My Happiness” と “…” であった"),
      ("{{Fr|mathematique}}", "mathematique"),
      ("{{la|mathematica}}と{{grc|μαθηματικὴ}}", "mathematicaと μαθηματικὴ".replacing(" ", with: "")),
      ("{{zh-Hant|漢字}}{{pt-br|ação}}{{zh-tw|字}}", "漢字ação字"), ("{{ラテン語|Europa}}", "Europa"),
      ("{{Hebrew|שלום}}", "שלום"),
      ("{{script/Arabic|ﷲ}}", "ﷲ"), ("{{EST}}と{{est}}", "エストニアと"), ("{{ESP}}と{{COL}}と{{JPN1889}}", "スペインとコロンビアと日本"),
      ("{{en}}", ""), ("{{new|x}}", ""), ("{{IPA-fr|paʁi}}", "[paʁi]"),
    ])
  func languages(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Text templates of Japanese Wikipedia",
    arguments: [
      ("・{{inline-block|注である。}}", "・注である。"), ("その{{誰範囲2|date=2016年1月|（独特の）}}用語", "その（独特の）用語"),
      ("{{読み|テレヴィジオン|}}", "テレヴィジオン"), ("（{{ピン音|Xīnxiè}}）", "（Xīnxiè）"), ("{{簡体字|老挝}}{{下げ核|○}}○", "老挝○○"),
      ("{{CP932フォント|﨑}}", "﨑"), ("{{resize|90%|（英語）}}", "（英語）"), ("{{打ち消し|誤}}", "誤"), ("{{by|1991年}}", "1991年"),
      ("{{没年齢|1950|4|2|2000|4|1}}", "49歳没"), ("{{ママ|誤字}}", "誤字（ママ）"), ("{{fb|JPN}}", "日本"),
      ("{{Flatlist|class=a|\n; 主な山岳\n: [[箱根山]]\n: 天城山\n}}", "主な山岳\n箱根山\n天城山"), ("{{col|\n* 一\n|\n* 二\n}}", "・一\n\n・二"),
      ("漢字 {{linktext|言|葉}} は", "漢字 言葉 は"), ("{{linktext|old|word}}", "old word"), ("{{拼音|Lǎowō}}", "Lǎowō"),
      ("{{Harvtxt|中山|2014|p=3}}によれば", "中山 (2014)によれば"), ("{{interlang|en|E.U. (TV series)|E.U.}}", "E.U."),
    ])
  func japanese(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Names of templates that hold text or figures",
    arguments: [
      ("{{s|消}}", "消"), ("{{略語|HTML|HyperText}}", "HTML"), ("{{簡体|国}}", "国"), ("{{振り仮名|山田|やまだ}}", "山田（やまだ）"),
      ("{{ルビ2|漢|かん}}", "漢（かん）"), ("{{Ruby-zh-p|漢|hàn}}", "漢（hàn）"), ("{{化学式|H|2|O}}", "H2O"),
      ("{{fontcolor|red|赤}}", "赤"), ("{{font color|red|white|赤}}", "赤"), ("{{font|font=x|字}}", "字"),
      ("{{font|x|字}}", "字"), ("{{key|Ctrl}}", "Ctrl"), ("{{key press|Ctrl|C}}", "Ctrl+C"), ("{{行内引用|引用}}", "引用"),
      ("{{sname|Homo}}", "Homo"), ("{{Snamei|Homo sapiens}}", "Homo sapiens"), ("{{legend2|red|凡例}}", "凡例"),
      ("{{小書き|ッ}}", "ッ"), ("{{jp|日本}}", "日本"), ("{{駅|東京}}", "東京"), ("{{円|100}}", "100円"), ("{{gaps|1|234}}", "1234"),
      ("{{10^|3}}", "10³"), ("{{nuclide|U|235}}", "²³⁵U"), ("{{sqrt|2}}", "√2"), ("{{sqrt|x + 1}}", "√(x + 1)"),
      ("{{sqrt|2|3}}", "∛2"), ("{{abs|x}}", "|x|"), ("{{nts|1234567.8912}}", "1,234,567.8912"),
    ])
  func names(_ wikitext: String, _ text: String) {
    #expect(plainText("冒頭。甲\(wikitext)乙である。") == "冒頭。甲\(text)乙である。")
  }

  @Test(
    "A figure that cannot be told takes its sentence with it",
    arguments: [
      "{{和暦|2000}}", "{{世紀|19}}", "{{nuclide|uranium|235}}", "{{sqrt|2|5}}", "{{#ifexpr:1|甲|乙}}",
      "{{#if:{{#expr:1}}|x}}",
    ])
  func figuresThatCannotBeTold(_ wikitext: String) {
    #expect(plainText("冒頭。甲\(wikitext)乙である。") == "冒頭。")
    #expect(plainText("冒頭。甲\(wikitext)乙である。") { $0.unresolved = .replace } == "冒頭。甲〓乙である。")
  }

  @Test(
    "The branch that a parser function takes is text",
    arguments: [
      ("{{#if:x|甲|乙}}", "甲"), ("{{#if: |甲|乙}}", "乙"), ("{{#if:<!-- -->|甲}}", ""), ("{{#if:{{{1|}}}|甲|乙}}", "乙"),
      ("{{#if:x|a=b}}", "a=b"), ("{{#if:a=b|甲}}", "甲"), ("{{#if:{{未知|x}}|甲|乙}}", ""),
      ("{{#if:x|{{lang|en|A}} ''b''}}", "A b"),
      ("{{#if:'''|甲}}'''太'''", "太"),
      ("{{#ifeq:a|a|甲|乙}}", "甲"), ("{{#ifeq:a|b|甲|乙}}", "乙"), ("{{#ifeq:01|1.0|甲|乙}}", "甲"), ("{{#ifeq:a|A|甲}}", ""),
      ("{{#ifeq:{{lc:A}}|a|甲|乙}}", "甲"), ("{{#switch:a|a=甲|b=乙}}", "甲"), ("{{#switch:b|a=甲|b=乙}}", "乙"),
      ("{{#switch:a|a|b=乙|c=丙}}", "乙"), ("{{#switch:z|a=甲|#default=丁|b=乙}}", "丁"), ("{{#switch:z|a=甲|丙}}", "丙"),
      ("{{#switch:z|a=甲|b=乙}}", ""), ("{{#switch:|=甲|b=乙}}", "甲"), ("{{#switch:{{#if:x|b}}|b={{#if:|x|乙}}}}", "乙"),
      ("{{#switch:a|a|b}}", "b"), ("{{#iferror:x|甲|乙}}", "乙"), ("{{#iferror:x|甲}}", "x"), ("{{#ifexist:x|甲|乙}}", ""),
    ])
  func branches(_ wikitext: String, _ text: String) { #expect(plainText("前\(wikitext)後") == "前\(text)後") }

  @Test(
    "Text templates of English Wikipedia",
    arguments: [
      ("The {{nihongo|[[bayonet]]|銃剣|jūken}}.", "The bayonet (銃剣, jūken)."), ("{{Nihongo||受身|Ukemi}}", "受身 (Ukemi)"),
      ("{{as of|2014|lc=y}}", "as of 2014"), ("{{As of|2009|12|31}}", "As of 31 December 2009"),
      ("{{as of|2009|12|31|df=US|since=y}}", "Since December 31, 2009"), ("{{as of|2009|alt=in 2009}}", "in 2009"),
      ("{{circa|1920|1930}}", "c. 1920 – c. 1930"), ("written {{angbr|D}}", "written ⟨D⟩"),
      ("''Eagle''{{'s}} ascent", "Eagle's ascent"),
      ("over {{US$|2 billion}} of {{JPY|100}} and {{CAD|5}}", "over US$2 billion of ¥100 and C$5"),
      ("1000{{nbs}}BCE", "1000 BCE"), ("{{BCE|384}}", "384 BCE"), ("age ({{x}}). Shortly", "age. Shortly"),
      ("{{HMS|Ajax|22|6}} and", "HMS Ajax and"), ("{{sic|text}}", "text [sic]"), ("5.98{{e|24}} kg", "5.98×10²⁴ kg"),
      ("{{GER}}: 47", "GER: 47"), ("{{IPAblink|d͡ʒ}} or {{IPAslink|ʃ}}", "[d͡ʒ] or /ʃ/"),
    ])
  func phrases(_ wikitext: String, _ text: String) { #expect(english(wikitext) == text) }

  @Test(
    "Numbers are right or not there",
    arguments: [
      ("{{val|1.5|e=10|ul=m/s}}", "1.5×10¹⁰ m/s"), ("{{val|e=19}} 個", "10¹⁹ 個"), ("{{val|1.5|0.2|u=kg}}", "1.5±0.2 kg"),
      ("{{val|1.23|+0.05|-0.04|e=-6}}", "(1.23+0.05-0.04)×10⁻⁶"),
      ("{{val|9.1093837|(28)|e=-31|u=kg}}", "(9.1093837(28))×10⁻³¹ kg"),
      ("{{val|5|–|6|u=km2}}", "5–6 km²"), ("{{val|1234567|fmt=commas}}", "1,234,567"), ("{{val|42|u=%}}", "42%"),
      ("{{val|3|ul=m|up=s}}", "3 m/s"), ("{{val|−20|u=°C}}", "−20 °C"), ("{{val|1|e=x}}", "1×10^x"),
      ("{{val|p=約|30|u=m}}", "約30 m"),
      ("{{convert|3|to|5|km|mi}}", "3 to 5 km"), ("{{convert|15|-|17|in|cm}}", "15–17 in"),
      ("{{convert|6|ft|2|in|m}}", "6 ft 2 in"),
      ("{{convert|100|sqmi|km2|0}}", "100 sq mi"), ("{{convert|29|C|F}}", "29 °C"),
      ("{{convert|10|ft|m|adj=on}}", "10-ft"),
      ("1{{fraction|1|4}}", "1 1/4"), ("{{frac|3|1|2}}と{{frac|2}}", "3 1/2と1/2"),
      ("km{{sup|2}}と10{{sup|8}}", "km²と10⁸"),
      ("10<sup>−3</sup>", "10⁻³"), ("2<sup>''n''</sup>", "2^n"), ("1<sup>st</sup>", "1st"), ("10<sup> 5 </sup>", "10⁵"),
    ])
  func numbers(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test func lettersChangeCase() {
    #expect(plainText("{{lc:ABC Éa}} {{uc:abc é ж}} {{ucfirst:abc}} {{lcfirst:ABC}}") == "abc éa ABC É Ж Abc aBC")
    #expect(plainText("{{lc:ＡＢＣ漢字}}{{ucfirst:漢a}}{{uc:{{lang|en|x}}}}") == "ａｂｃ漢字漢aX")
    #expect(plainText("{{formatnum:1,234|R}}") == "1234")
    #expect(plainText("{{formatnum:1234567|NOSEP}}と{{formatnum:1234567.8912}}") == "1234567と1,234,567.8912")
    #expect(plainText("{{数整形:-1234}}と{{formatnum:999}}と{{formatnum:{{lc:1000 KM}}}}") == "-1,234と999と1,000 km")
  }

  @Test func formulasLeaveNoHoles() {
    let wikitext =
      "任意の <math>u,v</math> は <math>u\\Rightarrow\n v\\,</math> で、<math>w \\,\\!</math> と<chem>SO4^2-</chem>。"
    #expect(plainText(wikitext) == "任意の u,v は $u\\Rightarrow v$ で、w と$\\ce{SO4^2-}$。")
    #expect(plainText(wikitext) { $0.formulas = .replace } == "任意の u,v は 〓 で、w と〓。")
    #expect(plainText(wikitext) { $0.formulas = .drop } == "任意の u,v は で、w と。")
    #expect(plainText("<math>a &lt; b &amp; c\\\\</math>") == "$a < b & c\\\\$")
    #expect(plainText("<math>{{a} \\over {b}}</math>") == "${ {a} \\over {b} }$")
    #expect(plainText("<math></math><math>\\,</math>x") == "x")
  }

  @Test func sentencesWithoutTheirFigureGo() {
    let wikitext = "静岡県の市。推計人口は{{自治体人口/静岡県|静岡市}}人である。面積は{{formatnum:{{#expr:1+2}}}}km²で広い。海に面する。"
    #expect(plainText(wikitext) == "静岡県の市。海に面する。")
    #expect(plainText(wikitext) { $0.unresolved = .replace } == "静岡県の市。推計人口は〓人である。面積は〓km²で広い。海に面する。")
    #expect(plainText(wikitext) { $0.unresolved = .leave } == "静岡県の市。推計人口は人である。面積はkm²で広い。海に面する。")
    #expect(plainText("市（人口{{自治体人口/静岡県|x}}人）である。次。") == "市である。次。")
    #expect(plainText("次。\n* 人口：{{自治体人口/静岡県|x}}人\n* 市") == "次。\n・市")
    #expect(plainText("「一。人口は{{#expr:1}}人だ。」と述べた。次。{{#expr:1}}") == "次。")
    #expect(english("It is big. It has {{#expr:1}} people. It grows 3.5%.") == "It is big. It grows 3.5%.")
    #expect(english("$800 (${{formatnum:{{Inflation|US|800|1861}}}} in current terms), later") == "$800, later")
  }
}
