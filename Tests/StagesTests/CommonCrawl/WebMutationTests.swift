import NetKit
import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import Stages
@testable import TextKit

/// Readers of what sites send, over thousands of damaged inputs: an answer each, none of them broken.
@Suite struct WebMutationTests {
  private static let markup = [
    "<p>", "</p>", "<div class=share>", "</div>", "<table><tr><td>", "</table>", "<a href=x>", "</a>", "<!--", "-->",
    "<script>", "</script>", "<svg>", "</svg>", "<foreignObject>", "<noscript>", "<button>", "<select><option>",
    "<title>",
    "<textarea>", "<ruby><rt>", "<pre>", "<plaintext>", "<template>", "<p style='display:none'>", "&#", "&amp",
    "&notit;",
    "&#x110000;", "\"", "'", "=", "<", ">", "</", "<!", "<?", "<form>", "<br>", "</br>", "<h1>", "<main>", "<nav>",
    "文章。",
  ]

  private func check(_ page: HTMLPage) {
    var end = 0
    #expect((try? UTF8Span(validating: page.text.span)) != nil)
    #expect((try? UTF8Span(validating: page.title.span)) != nil && page.title.count <= HTMLReader.maximumTitleBytes)
    for block in page.blocks {
      #expect(block.range.lowerBound >= end && block.range.upperBound <= page.text.count && !block.range.isEmpty)
      #expect(block.linkCharacters <= block.characters && block.characters > 0 && block.mark < page.marks.count)
      end = block.range.upperBound
    }
  }

  @Test func pages() throws {
    let names = ["article.html", "malformed.html", "divs.html", "undeclared-euc.html"]
    let seeds = try names.map { try FileSystem.read(packagePath("Fixtures/web/\($0)")) }
    var mutations = Mutations(of: seeds, words: Self.markup, seed: 1)
    let removal = BoilerplateRemoval()
    for round in Mutations.rounds(2000) {
      var html = mutations.changed(seeds[round % seeds.count])
      if round % 4 == 0 { html = mutations.changed(mutations.changed(html)) }
      let text = PageEncoding.decode(html, declared: nil, isHTML: true).text
      let (shown, hidden) = HTMLReader.read(text, keepsRuby: round % 2 == 0)
      check(shown)
      check(hidden)
      #expect(removal.kept(shown).count == shown.blocks.count)
    }
  }

  @Test func sitemaps() {
    let pieces = [
      "<url>", "</url>", "<loc>", "</loc>", "<![CDATA[", "]]>", "&", "&amp;", "&#x", "<urlset>", "</urlset>", "<?xml",
      "?>",
      "<!DOCTYPE x [<!ENTITY a 'b'>]>", "<sitemapindex><sitemap>", "\u{FEFF}", "<!--", "--", "xmlns:a='b'", "<a:",
    ]
    let seed = Array(
      """
      <?xml version="1.0" encoding="UTF-8"?>
      <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://e.org/a?b=1&amp;c=2&d</loc>
      <lastmod>2025-01-02</lastmod></url><url><loc><![CDATA[https://e.org/海]]></loc></url></urlset>
      """.utf8)
    var mutations = Mutations(of: [seed], words: pieces, seed: 2)
    for _ in Mutations.rounds(3000) {
      let found = Sitemap(mutations.next())
      #expect(found.pages.allSatisfy { $0.url.utf8.count <= Sitemap.longestAddress && !$0.url.isEmpty })
    }
  }

  @Test func robots() {
    let pieces = [
      "User-agent:", "Disallow: /", "Allow: *$", "*", "$", "Crawl-delay: 1e999", "Sitemap:", "\r", "#", "%", "%6", ":",
    ]
    let seed = Array(
      "User-agent: pipeline\nDisallow: /a*b$\nAllow: /a%62\nCrawl-delay: 2\n\nUser-agent: *\nDisallow: /\n".utf8)
    var mutations = Mutations(of: [seed], words: pieces, seed: 3)
    for _ in Mutations.rounds(5000) {
      let rules = RobotsFile(mutations.next()).rules(for: "pipeline")
      _ = rules.allows("/a/b?c=%E6%B5%B7")
      #expect(rules.allows("/robots.txt") && (rules.crawlDelaySeconds ?? 0) <= 86_400)
    }
  }

  @Test func addresses() {
    let pieces = [
      "%", "%2e", "/..", "//", "?", "#", "@", ":", "[", "]", "\\", "xn--", "&token=", ";", "http:", "..", "海", "%zz",
    ]
    let seeds = [
      "https://user:secret@Example.ORG:8443/a/./%62/%e6?passwd=secret&b=c#d", "http://[2001:db8::1]/x", "/a/b/../c?d",
    ]
    let base = try? WebURL("https://e.org/x/y")
    var mutations = Mutations(of: seeds.map { Array($0.utf8) }, words: pieces, seed: 4)
    for _ in Mutations.rounds(6000) {
      let text = String(decoding: mutations.next(), as: UTF8.self)
      guard let url = (try? WebURL(text)) ?? (try? base?.resolving(text)) else { continue }
      #expect((try? WebURL(url.text))?.text == url.text, "its normal form is one: \(text)")
      #expect(url.text.hasPrefix(url.origin) && url.target.utf8.first == UInt8(ascii: "/"))
      _ = url.shown
    }
  }
}
