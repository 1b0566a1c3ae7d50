import Testing

@testable import Stages

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
    #expect(plainText("{{formatnum:1234|R}}") == "1234")
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
