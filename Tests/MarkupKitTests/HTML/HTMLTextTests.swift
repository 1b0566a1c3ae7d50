import NetKit
import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import TextKit

@Suite struct HTMLTextTests {
  private func fixture(_ name: String) throws -> [UInt8] { try FileSystem.read(packagePath("Fixtures/web/\(name)")) }

  private func extract(
    _ html: [UInt8], _ extraction: PageExtraction = PageExtraction(minimumCharacters: 0), type: String = "text/html"
  ) -> PageExtraction.Outcome {
    extraction.text(of: html, type: MediaType(type), directives: [])
  }

  private func text(_ outcome: PageExtraction.Outcome) -> String {
    switch outcome {
    case .text(let text): String(decoding: text.text, as: UTF8.self)
    case .dropped(let reason): "dropped: \(reason.name)"
    }
  }

  /// The text of a body, every block of it.
  private func shown(_ body: String, ruby: Bool = false) -> String {
    text(
      extract(
        Array("<html><head><title>t</title></head><body>\(body)</body></html>".utf8),
        PageExtraction(boilerplate: .keep, minimumCharacters: 0, keepsRuby: ruby)))
  }

  static let article = """
    川の水位を測る人びと
    2025年4月12日
    北の町を流れる川のほとりに、小さな測定所がある。毎朝五時になると、職員の佐藤さんは長靴をはき、水際まで降りていく。\
    雨の日も雪の日も、この三十年間、水位の記録が途切れたことは一度もないという。
    「数字だけを見ていても、川のことは分かりません」と佐藤さんは話す。水の色、におい、流れる枝の数。\
    それらを帳面に書き留めてから、ようやく目盛りを読む。
    機械と目
    測定所には自動の計器もあるが、増水のときほど故障しやすい。
    だから人の目が要る、と町の担当者は説明する。昨年の秋の大雨では、計器が止まった後の六時間を、\
    佐藤さんたちが手作業でつないだ。
    月\t平均水位
    一月\t1.2 m
    四月\t2.8 m
    来年、測定所は建て替えられる。新しい建物には見学室ができ、子どもたちが記録の付け方を学べるようになる予定だ。\
    佐藤さんは「次の三十年を書く人に会いたい」と笑った。
    """

  // MARK: Encodings

  /// The same page in each encoding, declared and not: one text, without navigation, forms, notes and scripts.
  @Test(arguments: [
    ("article.html", "utf-8", false), ("article-sjis.html", "shift_jis", false), ("article-euc.html", "euc-jp", false),
    ("article-jis.html", "iso-2022-jp", false), ("undeclared-sjis.html", "shift_jis", true),
    ("undeclared-euc.html", "euc-jp", true),
  ])
  func anArticleInEveryEncoding(_ name: String, _ encoding: String, _ isGuessed: Bool) throws {
    guard case .text(let page) = extract(try fixture(name)) else { return #expect(Bool(false), "it was dropped") }
    #expect(String(decoding: page.text, as: UTF8.self) == Self.article)
    #expect(page.encoding == encoding)
    #expect(page.isEncodingGuessed == isGuessed)
    #expect(String(decoding: page.title, as: UTF8.self) == "川の水位を測る人びと　|　見本新聞")
    #expect(page.language == "ja")
  }

  @Test func declarationsAreWeighed() throws {
    let page = "<p>おはようございます。今日の川は静かです。</p>"
    func encoding(_ bytes: [UInt8], _ declared: String?) -> String {
      let page = PageEncoding.decode(bytes, declared: declared, isHTML: true)
      return "\(page.encoding)\(page.isGuessed ? "?" : "")"
    }
    let utf8 = Array(page.utf8)
    #expect(encoding(utf8, "utf-8") == "utf-8")
    #expect(encoding(utf8, nil) == "utf-8?")
    #expect(encoding(utf8, "Shift_JIS") == "utf-8?", "what is UTF-8 is not by chance")
    #expect(encoding(utf8, "no-such-encoding") == "utf-8?")
    #expect(encoding([0xEF, 0xBB, 0xBF] + utf8, "Shift_JIS") == "utf-8")
    #expect(encoding(Array(utf8.dropLast(9)) + [0xE3, 0x81], "utf-8") == "utf-8", "cut off in a character")
    let wide = page.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    #expect(encoding([0xFF, 0xFE] + wide, nil) == "utf-16le")
    let shiftJIS = try fixture("undeclared-sjis.html")
    #expect(encoding(shiftJIS, "utf-8") == "shift_jis?")
    #expect(encoding(shiftJIS, "x-sjis") == "shift_jis")
    #expect(encoding(shiftJIS, "iso-8859-1") == "shift_jis?", "servers say Latin-1 of anything")
    #expect(encoding(try fixture("undeclared-euc.html"), "Shift_JIS") == "euc-jp?")
    #expect(encoding(Array("caf\u{e9}".unicodeScalars.map { UInt8($0.value) }), "iso-8859-1") == "windows-1252")
    #expect(encoding(Array("plain".utf8), nil) == "utf-8")
    let binary = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 197 ^ ($0 >> 3)) | 0x80 }
    #expect(text(extract(binary, type: "text/html; charset=utf-8")).hasPrefix("dropped: "))
  }

  // MARK: Markup

  @Test func whiteSpaceIsWhatABrowserShows() {
    #expect(shown("<p>川の\n  水は<b>清い</b>。\r\n魚が</p>") == "川の水は清い。魚が")
    #expect(shown("<p>the\n  river <b>is</b>\tclear</p>") == "the river is clear")
    #expect(shown("<p>川 の 水 at\nnoon 川\nriver</p>") == "川 の 水 at noon 川 river")
    #expect(shown("<p>一&nbsp;&nbsp;二　三</p>") == "一 二　三")
    #expect(shown("一行目<br>二行目<br />\n三行目<br><br>次の段落") == "一行目\n二行目\n三行目\n次の段落")
    #expect(shown("<pre>a  b\n   c\n</pre><p>d") == "a  b\n   c\nd")
    #expect(shown("<div>一<span>二</span><div>三</div>四</div>") == "一二\n三\n四")
  }

  /// CR, and CR LF, end a line of text that stands as it is written.
  @Test func lineEndsInPreformattedText() {
    #expect(shown("<pre>一\r二\r\n三\n四\r\r五</pre>") == "一\n二\n三\n四\n\n五")
    #expect(shown("<xmp>一\r二\r\n三</xmp>") == "一\n二\n三")
  }

  /// White space before a title costs none of it; a long one keeps whole characters.
  @Test(arguments: [0, 4091, 4092, 4093, 65_534, 65_535, 65_536]) func titlesAreWhole(_ spaces: Int) {
    func title(_ text: String) -> String {
      let page = Array("<title>\(text)</title><p>文。".utf8)
      return String(decoding: HTMLReader.read(page, keepsRuby: false).shown.title, as: UTF8.self)
    }
    #expect(title(String(repeating: " ", count: spaces) + "日本") == "日本")
    let long = title(String(repeating: "a", count: spaces) + String(repeating: "日本", count: 3000))
    #expect(long.utf8.count <= HTMLReader.maximumTitleBytes && !long.unicodeScalars.contains("\u{FFFD}"))
  }

  @Test func languagesAreCutBetweenCharacters() {
    let page = Array("<html lang='\(String(repeating: "日", count: 20))'><p>文。".utf8)
    #expect(HTMLReader.read(page, keepsRuby: false).shown.language == String(repeating: "日", count: 11))
  }

  @Test func listsAndTablesBecomeLines() {
    #expect(shown("<ul><li>一<li>二<ul><li>三</ul></ul><dl><dt>語<dd>意味</dl>") == "一\n二\n三\n語\n意味")
    #expect(shown("<table><tr><th>a<td>b<td>c<tr><td>d<td><p>e<p>f</table>") == "a\tb\tc\nd\ne\nf")
    #expect(shown("<table><tr><td></td><td>x</td><td></td><td>y</td></tr></table>") == "x\ty")
  }

  @Test func entitiesAndRuby() {
    #expect(
      shown("<p>&lt;b&gt; &amp;amp; &#x3042;&#12356; &copy; &hellip; &nosuch;</p>") == "<b> &amp; あい © … &nosuch;")
    let ruby = "<p><ruby>明日<rp>（</rp><rt>あした</rt><rp>）</rp></ruby>は<ruby>雨<rt>あめ</ruby>だ</p>"
    #expect(shown(ruby) == "明日は雨だ")
    #expect(shown(ruby, ruby: true) == "明日（あした）は雨（あめ）だ")
  }

  @Test func whatIsNotShownIsNotText() {
    let hidden =
      "<script>1</script><style>2</style><template>3</template><noscript>4</noscript><select><option>5</select>"
      + "<textarea>6</textarea><svg><text>7</text></svg><p hidden>8</p><div style='x:y; display : none'>9</div><!-- 0 -->"
    #expect(shown("<p>見える</p>\(hidden)<p>もの</p>") == "見える\nもの")
    #expect(shown("<script>if (a < b) { '</p>' }</script>文") == "文")
  }

  /// Outside drawings as well, `/>` ends one at once.
  @Test(arguments: ["<svg/>", "<math/>", "<svg width='5' />", "<svg></svg>", "<svg><path d=''/></svg>"])
  func drawingsThatEndAtOnce(_ drawing: String) {
    #expect(shown("<p>前の文。\(drawing)後の文。</p>") == "前の文。後の文。")
  }

  /// Where a quote is missing, the next one of its kind begins another value, and not text.
  @Test func missingQuotesLoseNoText() {
    #expect(shown("<a href=\"x>後の文一。</p><p>二。</p><img alt=\"k\">") == "後の文一。\n二。")
    #expect(shown("<p class='x>一。</p><p class='y'>二。</p>") == "一。\n二。")
    #expect(shown("<p class='x y>一。</p><p class=''>二。</p>") == "一。\n二。")
    #expect(shown("<div style=\"display: none;>無</div><p class=\"x\">文。</p>") == "文。")
    // Values hold markup, and signs.
    #expect(shown("<p data-x=\"<p>無</p><b x=\" y>文。</p>") == "文。")
    #expect(shown("<p data-x=\"a > b <c d=\">文。</p>") == "文。")
    #expect(shown("<p data-x=\"<i>無</i> x=\"y>文。</p>") == "文。")
  }

  @Test func brokenMarkupIsRead() throws {
    #expect(
      text(extract(try fixture("malformed.html"))) == """
        閉じない段落がここにある。それでも文章は読めなければならないし、次の段落とつながってもいけない。
        二つ目の段落も閉じない。太字も斜体も交差したままで、引用符の足りない属性ここのあとに"続きがある。
        余計な終了タグがいくつあっても、残りの文章はきちんと取り出されるはずだ。実体参照は&と<とあと で試す。&unknown; はそのまま残る。
        """)
    #expect(shown("</p></div></b>一<p>二</body></html>三<p>四") == "一\n二\n三\n四")
  }

  // MARK: Boilerplate

  /// A page laid out by a table and line breaks, as they were around 2000.
  @Test func pagesOfTablesAreRead() throws {
    let found = text(extract(try fixture("divs.html")))
    #expect(found.hasPrefix("今年も大豆が届いたので"))
    #expect(found.hasSuffix("秋には新しい味噌で汁が飲めるだろう。"))
    #expect(found.split(separator: "\n").count == 3)
    let all = text(extract(try fixture("divs.html"), PageExtraction(boilerplate: .keep, minimumCharacters: 0)))
    #expect(all.contains("掲示板") && all.contains("Copyright(C)"))
  }

  private let prose = "川の水は山の雪がとけて流れてくるものなので、春になると急に増えて橋のすぐ下まで来る。"

  @Test func pageMarksAreBelievedUnlessTheyHoldEverything() {
    let long = prose + prose
    func kept(_ body: String) -> String { text(extract(Array("<body>\(body)</body>".utf8))) }
    #expect(kept("<nav><p>\(long)</p></nav><p>\(long)別</p>") == long + "別")
    #expect(kept("<div class='left sidebar'><p>\(long)</p></div><div id=main><p>\(long)別</p></div>") == long + "別")
    #expect(kept("<div role=navigation><p>\(long)</p></div><p>\(long)別</p>") == long + "別")
    #expect(kept("<form><p>\(long)</p></form>") == long, "the whole page stands in one form")
    #expect(kept("<nav><p>\(long)</p><p>\(long)</p>") == "\(long)\n\(long)", "its navigation is never closed")
    #expect(kept("<article><header><h1>題</h1></header><p>\(long)</p></article>") == "題\n\(long)")
    #expect(kept("<header><h1>題</h1></header><p>\(long)</p>") == long)
  }

  @Test func neighboursDecideWhatIsShort() {
    let long = prose + prose
    func kept(_ body: String) -> String { text(extract(Array("<body>\(body)</body>".utf8))) }
    #expect(kept("<p>\(long)</p><p>そうだ。</p><p>\(long)</p>") == "\(long)\nそうだ。\n\(long)")
    #expect(kept("<p>\(long)</p><p>そうだ。</p>") == long)
    #expect(kept("<p>\(prose)</p><p>\(prose)</p>") == "\(prose)\n\(prose)", "together they are long")
    #expect(kept("<p>\(prose)</p>") == prose, "a page of one sentence")
    #expect(kept("<ul><li><a href=/>\(prose)</a></ul>") == "dropped: boilerplate-only")
    #expect(kept("<main><p>\(prose)</p></main>") == prose)
    #expect(kept("<h2>見出し</h2><p>\(long)</p>") == "見出し\n\(long)")
    let links = (0..<9).map { "<li><a href=/\($0)>\(prose)</a></li>" }.joined()
    #expect(kept("<ul>\(links)</ul><p>\(long)</p>") == long)
    #expect(kept("<p><a name=top>\(long)</p>") == long, "an anchor that leads nowhere is no link")
    let english = "The river rises in spring when the snow melts in the mountains. "
    #expect(kept("<p>\(english)\(english)</p>") == english + english.dropLast())
  }

  @Test func robotsAreAskedToStayAway() throws {
    let page = "<meta name=ROBOTS content='NoIndex, nofollow'><p>\(prose)\(prose)</p>"
    func outcome(_ page: String, refusing: [String] = PageExtraction.defaultDirectives) -> String {
      text(extract(Array(page.utf8), PageExtraction(minimumCharacters: 0, refusedDirectives: Set(refusing))))
    }
    #expect(outcome(page) == "dropped: robots-directive")
    #expect(outcome(page, refusing: []) == prose + prose)
    #expect(outcome(page.replacing("ROBOTS", with: "pipeline")) == "dropped: robots-directive")
    #expect(outcome(page.replacing("ROBOTS", with: "googlebot")) == prose + prose)
    #expect(RobotsDirectives.words("noindex , NoAI") == ["noindex", "noai"])
    #expect(
      RobotsDirectives.words(
        HTTPHeaders(["X-Robots-Tag": "googlebot: noindex", "x-robots-tag": "noarchive", "a": "none"]))
        == ["noarchive"])
    #expect(RobotsDirectives.words(HTTPHeaders(["X-Robots-Tag": "pipeline: none"])) == ["none"])
  }
}
