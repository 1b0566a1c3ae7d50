import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import Stages
@testable import TextKit

/// What is kept of a page, by small pages that each stand for many.
@Suite struct PageRulesTests {
  private func text(_ html: String, boilerplate: PageExtraction.Boilerplate = .drop) -> String {
    let extraction = PageExtraction(boilerplate: boilerplate, minimumCharacters: 0)
    switch extraction.text(of: Array(html.utf8), type: MediaType("text/html; charset=utf-8"), directives: []) {
    case .text(let text): return String(decoding: text.text, as: UTF8.self)
    case .dropped(let reason): return "dropped: \(reason.name)"
    }
  }

  private let short = "川の水は山の雪がとけて流れてくるものなので、春になると急に増えて橋のすぐ下まで来る。"
  private var long: String { short + short }
  private var paragraphs: String { "<p>\(long)一</p><p>\(long)二</p><p>\(long)三</p>" }
  private var plain: String { "\(long)一\n\(long)二\n\(long)三" }
  private let english = "The river rises in spring when the snow melts in the mountains, and it reaches the bridge. "

  // MARK: Markup that lost whole pages

  @Test func scriptsAreNoMarkup() {
    let words = String(repeating: "a b ", count: 2100)
    #expect(text("<script>for(i=0;i<n;++i){\(words)}</script>\(paragraphs)") == plain)
    #expect(text("<script type=json>{\"a\": \"<b\(words)\"}</script>\(paragraphs)") == plain)
    #expect(text("<style>a<b \(words)</style>\(paragraphs)") == plain)
    #expect(text("<script><!-- document.write('<script></script>') //--></script>\(paragraphs)") == plain)
    #expect(text("<textarea><p>x</textarea>\(paragraphs)") == plain)
  }

  /// An open element within one that is not shown does not keep that one open.
  @Test(arguments: [
    "<noscript><div></noscript>", "<button><div></button>", "<select><div></select>", "<div><select></div>",
    "<iframe><div></iframe>", "<span style='display:none'><div></span>", "<div><canvas></div>",
    "<template><p></template>",
    "<svg><g><path></svg>", "<div><svg><g></div>", "<svg>", "<math><mi>", "<object><div></object>", "<p hidden>x",
    "<dialog><p></dialog>", "<video><source></video>",
  ])
  func whatIsHiddenEnds(_ markup: String) {
    #expect(text("\(markup)\(paragraphs)") == plain)
  }

  @Test func openLinksTakeNoText() {
    #expect(text("<a href=x>\(paragraphs)") == plain)
    #expect(text("<p><a href=x>表紙</p>\(paragraphs)<p><a href=y>次</a>") == plain)
  }

  /// A text that stands in `noscript` or is not displayed, on a page that shows none.
  @Test func hiddenTextIsReadWhereThereIsNoOther() {
    #expect(text("<p>読み込み中</p><noscript>\(paragraphs)</noscript>") == plain)
    #expect(text("<div style='display: none'>\(paragraphs)</div>") == plain)
    #expect(text("<div>\(paragraphs)</div><noscript><p>\(long)JavaScriptを有効にしてください。</p></noscript>") == plain)
    #expect(text("<canvas>\(paragraphs)") == plain)
    #expect(text("<noscript>\(paragraphs)</noscript>", boilerplate: .keep) == plain)
  }

  @Test func sentencesAreNotCutAtWhatStandsInThem() {
    let formula =
      "The set <math><mi>x</mi></math> of all <svg><title>t</title></svg>rivers <button>x</button>that rise "
    let start = "The set of all rivers that rise "
    #expect(
      text("<p>\(formula)<script>a<b</script>in spring. \(english)\(english)</p>").hasPrefix(start + "in spring. "))
    #expect(text("<p>川の<svg></svg>水は<script></script>清い。\(long)</p>").hasPrefix("川の水は清い。"))
  }

  // MARK: Tables that lay out a page

  @Test func aColumnOfLinksIsNoPartOfTheTextBesideIt() {
    let links = (0..<30).map { "<a href=/\($0)>項目\($0)</a><br>" }.joined()
    #expect(text("<table><tr><td>\(links)<td>\(long)<br>\(long)</table>") == "\(long)\n\(long)")
    let table = "<table><tr><th>月<th>平均水位<tr><td>一月<td>1.2 m<tr><td>四月になったばかりの日<td>1.4 m</table>"
    #expect(text("\(paragraphs)\(table)\(paragraphs)") == "\(plain)\n月\t平均水位\n一月\t1.2 m\n四月になったばかりの日\t1.4 m\n\(plain)")
  }

  // MARK: Marks

  @Test(arguments: ["post share", "site_header", "header", "related-news", "newsletter-page", "cookie-site"])
  func aWrapperOfTheTextIsNoChrome(_ name: String) {
    #expect(text("<div class='\(name)'>\(paragraphs)</div><p>\(long)</p>") == "\(plain)\n\(long)")
  }

  @Test func whatIsMarkedBesideTheTextIsLeftOut() {
    for name in [
      "comments-area", "comment_list", "disqus_thread", "newsletterSignup", "cookie-consent", "post-related", "share",
      "breadcrumbs-top",
    ] {
      #expect(text("\(paragraphs)<div class='x \(name)'><p>\(long)別の文。</p></div>") == plain, "\(name)")
    }
    #expect(text("<div class='has-comments no-sidebar'>\(paragraphs)</div>") == plain)
  }

  @Test func postsOfAForumAreItsText() {
    let posts = (0..<6).map { "<div class=comment><p>\(long)\($0)</p></div>" }.joined()
    #expect(text(posts) == (0..<6).map { "\(long)\($0)" }.joined(separator: "\n"))
  }

  // MARK: Prose

  @Test func textOfOneKindOrAnotherIsProse() {
    #expect(text("<pre>\(long)\n\(long)</pre>") == "\(long)\n\(long)")
    #expect(text("<pre>\(String(repeating: "int x = y;\n", count: 20))</pre>") == "dropped: boilerplate-only")
    #expect(text("<h1>題</h1><p>\(short)</p>") == "題\n\(short)")
    for sentence in [
      "يرتفع النهر في الربيع عندما يذوب الثلج في الجبال ويصل إلى الجسر كل عام",
      "नदी वसंत ऋतु में पहाड़ों की बर्फ पिघलने पर बढ़ जाती है और पुल तक पहुँचती है।",
      "বসন্তকালে পাহাড়ের বরফ গলে গেলে নদীর জল বেড়ে যায় এবং সেতু পর্যন্ত পৌঁছে যায়।", "แม่น้ำจะสูงขึ้นในฤดูใบไม้ผลิเมื่อหิมะบนภูเขาละลายและน้ำไหลลงมาถึงสะพานทุกปี",
      "Река поднимается весной, когда в горах тает снег, и доходит до самого моста.",
      "봄이 되면 산의 눈이 녹아 강물이 불어나 다리 바로 밑까지 올라온다. 매년 그렇다.",
    ] {
      let two = "\(sentence) \(sentence)"
      #expect(text("<p>\(two)</p><p>\(two)</p>") == "\(two)\n\(two)", "\(sentence)")
    }
  }

  @Test func twoSentencesBetweenLinksAreText() {
    let link = "<p><a href=/x>次の記事</a></p>"
    let two = "川の水は静かだ。魚が跳ねて、子どもたちが笑っている夏の日だった。"
    #expect(text("\(link)<p>\(two)</p>\(link)<p>\(long)</p>\(link)") == "\(two)\n\(long)")
  }

  @Test func halfOfALongParagraphMayBeLinks() {
    let linked = "<a href=/a>\(short)</a>\(short)これはその話である。"
    #expect(text("<p>\(linked)</p><p>\(long)</p>") == "\(short)\(short)これはその話である。\n\(long)")
    #expect(text("<p><a href=/a>\(long)</a>\(short)</p><p>\(long)</p>") == long)
  }

  /// A heading before links is theirs.
  @Test func headingsLookNoFurtherThanTheNextLinks() {
    #expect(text("<h2>関連</h2><ul><li><a href=/a>ほかの記事</a></ul><p>\(long)</p>") == long)
    #expect(text("<h2>見出し</h2><p>\(long)</p>") == "見出し\n\(long)")
  }
}
