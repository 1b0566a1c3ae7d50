import Glibc
import ShardKit
import TestKit
import Testing

@testable import MarkupKit

/// Pages that want to cost time, memory or the process.
@Suite struct HTMLHostileTests {
  private static func many(_ text: String, _ count: Int) -> [UInt8] {
    var out: [UInt8] = []
    for _ in 0..<count { out += Array(text.utf8) }
    return out
  }

  private static let prose = Array("<p>川の水は山の雪がとけて流れてくるものなので、春になると急に増えて橋のすぐ下まで来る。</p>".utf8)

  private static let pages: [(name: String, html: [UInt8])] = [
    ("nothing", []), ("NUL", Array("<p>a\0b</p>".utf8) + prose), ("an open tag", Array("<p".utf8)),
    ("an open comment", prose + Array("<!-- ".utf8) + prose),
    ("an open script", prose + Array("<script>".utf8) + prose),
    ("an open attribute", prose + Array("<a href=\"".utf8) + many("x", 200_000)),
    ("depth", many("<div>", 100_000) + prose), ("depth of inline", many("<b>", 100_000) + prose),
    ("depth and ends", many("<div>", 50_000) + many("</x>", 100_000) + prose),
    ("unclosed lists", many("<ul><li>", 20_000) + prose), ("tables in tables", many("<table><tr><td>", 20_000) + prose),
    ("attributes", Array("<p ".utf8) + (0..<50_000).flatMap { Array("a\($0)=1 ".utf8) } + Array(">".utf8) + prose),
    (
      "attributes behind a quote",
      Array("<!-- <a b=\" --><p ".utf8) + (0..<50_000).flatMap { Array("a\($0) ".utf8) } + Array(">".utf8) + prose
    ),
    ("a huge attribute", Array("<img src=\"data:".utf8) + many("A", 2_000_000) + Array("\">".utf8) + prose),
    ("a huge name", Array("<".utf8) + many("a", 500_000) + Array(">".utf8) + prose),
    ("entities", many("&lt;&#x10FFFF;&#xD800;&#99999999999;&", 20_000) + prose),
    (
      "a billion laughs",
      Array(
        "<!DOCTYPE html [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]><p>&c;</p>".utf8)
        + prose
    ),
    (
      "an external entity",
      Array("<!DOCTYPE html SYSTEM \"file:///etc/passwd\" [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><p>&x;".utf8)
        + prose
    ),
    ("broken UTF-8", [0x3C, 0x70, 0x3E, 0xE3, 0x81, 0xFF, 0xC0, 0x80] + prose + [0xF0, 0x9F]),
    ("control characters", Array(0..<32).map(UInt8.init) + prose),
    ("ends only", many("</p></div></table>", 50_000) + prose),
    ("less-than signs", many("<", 200_000) + prose), ("empty blocks", many("<p></p><br>", 50_000) + prose),
    ("many links", many("<a href=x>x</a>", 50_000) + prose), ("plaintext", prose + Array("<plaintext>".utf8) + prose),
    (
      "texts as they stand in a template",
      Array("<template>".utf8) + many("<xmp>", 100_000) + Array("</xmp></template>".utf8) + prose
    ),
    (
      "less-than signs in a script",
      Array("<script><!--".utf8) + many("<", 500_000) + Array("--></script>".utf8) + prose
    ),
    ("quotes of both kinds", many("<a b=\"x><a b='x>", 50_000) + Array("<a b=\"k\" c='k'>".utf8) + prose),
    ("titles of white space", many("<title> </title>", 50_000) + prose),
    ("bodies", many("<html><head><body>", 5000) + prose),
    ("frames", many("<frameset><frame></frameset>", 5000) + prose),
  ]

  /// Each gives an answer, in bounded memory, that is valid UTF-8, twice the same.
  @Test(arguments: pages.map(\.name)) func anAnswerComes(_ name: String) {
    let html = Self.pages.first { $0.name == name }!.html
    let extraction = PageExtraction(boilerplate: .keep, minimumCharacters: 0, maximumReplacedFraction: 1)
    let first = withoutHanging(name) { extraction.text(of: html, type: MediaType("text/html"), directives: []) }
    #expect(first == extraction.text(of: html, type: MediaType("text/html"), directives: []))
    _ = PageExtraction(minimumCharacters: 0).text(of: html, type: MediaType("text/html"), directives: [])
    guard case .text(let text) = first else { return }
    #expect((try? UTF8Span(validating: text.text.span)) != nil)
    #expect(!text.text.contains(0))
    #expect(text.text.count <= html.count * 2 + 64)
    #expect(!String(decoding: text.text, as: UTF8.self).contains("root:"))
  }

  /// Elements that are never closed cost no text, however many there are.
  @Test(arguments: [
    "<font>", "<div>", "<b><i>", "<span class=x>", "<ul><li>", "<table><tr><td>", "<a href=x>", "<blink>",
  ])
  func unclosedElementsLoseNothing(_ tag: String) {
    let html = (0..<5000).flatMap { Array("\(tag)第\($0)の文。\n".utf8) }
    let text = String(decoding: HTMLReader.read(html, keepsRuby: false).shown.joined { _ in true }, as: UTF8.self)
    for number in [0, 510, 511, 512, 1000, 4095, 4096, 4999] { #expect(text.contains("第\(number)の文。"), "\(tag)") }
    #expect(text.split(separator: "。").count { $0.contains("第") } == 5000, "\(tag)")
  }

  /// An element that hides what is in it, and is never ended, hides nothing; what is ended in it stays hidden.
  @Test(arguments: [
    "<canvas>", "<button>", "<object>", "<video>", "<audio>", "<applet>", "<datalist>", "<dialog>", "<noscript>",
    "<noframes>", "<select>", "<option>", "<iframe>", "<svg>", "<span style='display:none'>", "<div hidden>",
    "<template>",
    "<a href=x hidden>", "<ruby>字<rt>", "<ruby>字<rp>",
  ])
  func unendedElementsHideNothing(_ tag: String) {
    let paragraphs = (0..<20).map { "<p>第\($0)の文。</p><div hidden>隠</div><i hidden>隠</i>" }.joined()
    let page = HTMLReader.read(Array("<body><p>前の文。</p>\(tag)\(paragraphs)後の文。".utf8), keepsRuby: false).shown
    let text = String(decoding: page.joined { _ in true }, as: UTF8.self)
    #expect(text.hasPrefix("前の文。") && text.hasSuffix("後の文。") && !text.contains("隠"), "\(text)")
    for number in 0..<20 { #expect(text.contains("第\(number)の文。")) }
  }

  /// Ends are of their own elements, however deep the page is.
  @Test(arguments: [
    ("<template>", "</template>"), ("<div hidden>", "</div>"), ("<dialog>", "</dialog>"), ("<p>", "</p>"),
  ])
  func endsBelowTheDepthThatIsKept(_ tag: String, _ end: String) {
    for (count, closed) in [(5000, 0), (5000, 5000), (4000, 4000), (4095, 0), (4096, 4096)] {
      let deep = String(repeating: "<div>", count: count) + "</i></x></h1>" + String(repeating: "</div>", count: closed)
      let isOpen = end == "</div>" && closed == 0
      let page = Array("\(tag)\(deep)\(isOpen ? String(repeating: "</div>", count: count) : "")\(end)<p>文。".utf8)
      let shown = HTMLReader.read(page, keepsRuby: false).shown
      #expect(String(decoding: shown.joined { _ in true }, as: UTF8.self) == "文。", "\(tag) \(count) \(closed)")
    }
  }

  /// Bytes of pages in any order: none of them brings the reader down.
  @Test func randomPiecesOfMarkup() {
    var random = SplitMix(seed: 20)
    let pieces = [
      "<p>", "</p>", "<div ", ">", "<table>", "<td>", "<tr", "<a href=", "\"", "'", "<!--", "-->", "<script>",
      "</script>",
      "<br>", "<pre>", "&amp;", "&#", ";", "<![CDATA[", "]]>", "<?xml ?>", "<ruby>", "<rt>", "<rp>", "<title>",
      "<form>",
      "</", "/>", "<li>", "<select>", "<svg>", "<body>", "</html>", "文章。", "x", " ", "\n", "<meta charset=euc-jp>", "=",
    ].map { Array($0.utf8) }
    for _ in 0..<3000 {
      var html: [UInt8] = []
      for _ in 0..<Int.random(in: 1...60, using: &random) {
        html +=
          Bool.random(using: &random) || Bool.random(using: &random)
          ? pieces.randomElement(using: &random)! : [UInt8.random(in: 0...255, using: &random)]
      }
      let extraction = PageExtraction(boilerplate: .keep, minimumCharacters: 0, maximumReplacedFraction: 1)
      if case .text(let text) = extraction.text(of: html, type: MediaType("text/html"), directives: []) {
        #expect((try? UTF8Span(validating: text.text.span)) != nil, "\(html)")
      }
    }
  }
}
