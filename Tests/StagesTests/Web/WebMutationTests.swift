import NetKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// The same numbers on every machine.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Changes bytes as damage and malice would: flips, holes, repetitions, and pieces that mean something to the reader.
struct PageMutation {
  var pieces: [[UInt8]]
  private var random: SplitMix

  init(_ pieces: [String], seed: UInt64) {
    self.pieces = pieces.map { Array($0.utf8) } + [[0xFF], [0xE3, 0x81], [0], [0xC2, 0xA0], [0xF4, 0x90]]
    random = SplitMix(seed: seed)
  }

  mutating func changed(_ bytes: [UInt8]) -> [UInt8] {
    var out = bytes
    for _ in 0...Int.random(in: 0..<8, using: &random) {
      let at = Int.random(in: 0...out.count, using: &random)
      let end = min(out.count, at + Int.random(in: 0..<40, using: &random))
      switch Int.random(in: 0..<5, using: &random) {
      case 0 where at < out.count: out[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: out.removeSubrange(at..<end)
      case 2: out.insert(contentsOf: out[at..<end], at: at)
      case 3:
        let piece = pieces.randomElement(using: &random)!
        for _ in 0..<Int.random(in: 1...20, using: &random) { out.insert(contentsOf: piece, at: at) }
      default: out.insert(contentsOf: pieces.randomElement(using: &random)!, at: at)
      }
    }
    return out
  }
}

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
    var mutation = PageMutation(Self.markup, seed: 1)
    let names = ["article.html", "malformed.html", "divs.html", "undeclared-euc.html"]
    let seeds = try names.map { try FileSystem.read(packagePath("Fixtures/web/\($0)")) }
    let removal = BoilerplateRemoval()
    for round in 0..<2000 {
      var html = mutation.changed(seeds[round % seeds.count])
      if round % 4 == 0 { html = mutation.changed(mutation.changed(html)) }
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
    var mutation = PageMutation(pieces, seed: 2)
    let seed = Array(
      """
      <?xml version="1.0" encoding="UTF-8"?>
      <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://e.org/a?b=1&amp;c=2&d</loc>
      <lastmod>2025-01-02</lastmod></url><url><loc><![CDATA[https://e.org/海]]></loc></url></urlset>
      """.utf8)
    for _ in 0..<3000 {
      let found = Sitemap(mutation.changed(seed))
      #expect(found.pages.allSatisfy { $0.url.utf8.count <= Sitemap.longestAddress && !$0.url.isEmpty })
    }
  }

  @Test func robots() {
    let pieces = [
      "User-agent:", "Disallow: /", "Allow: *$", "*", "$", "Crawl-delay: 1e999", "Sitemap:", "\r", "#", "%", "%6", ":",
    ]
    var mutation = PageMutation(pieces, seed: 3)
    let seed = Array(
      "User-agent: pipeline\nDisallow: /a*b$\nAllow: /a%62\nCrawl-delay: 2\n\nUser-agent: *\nDisallow: /\n".utf8)
    for _ in 0..<5000 {
      let rules = RobotsFile(mutation.changed(seed)).rules(for: "pipeline")
      _ = rules.allows("/a/b?c=%E6%B5%B7")
      #expect(rules.allows("/robots.txt") && (rules.crawlDelaySeconds ?? 0) <= 86_400)
    }
  }

  @Test func addresses() {
    let pieces = [
      "%", "%2e", "/..", "//", "?", "#", "@", ":", "[", "]", "\\", "xn--", "&token=", ";", "http:", "..", "海", "%zz",
    ]
    var mutation = PageMutation(pieces, seed: 4)
    let seeds = [
      "https://user:secret@Example.ORG:8443/a/./%62/%e6?passwd=secret&b=c#d", "http://[2001:db8::1]/x", "/a/b/../c?d",
    ]
    let base = try? WebURL("https://e.org/x/y")
    for round in 0..<6000 {
      let text = String(decoding: mutation.changed(Array(seeds[round % 3].utf8)), as: UTF8.self)
      guard let url = (try? WebURL(text)) ?? (try? base?.resolving(text)) else { continue }
      #expect((try? WebURL(url.text))?.text == url.text, "its normal form is one: \(text)")
      #expect(url.text.hasPrefix(url.origin) && url.target.utf8.first == UInt8(ascii: "/"))
      _ = url.shown
    }
  }
}
