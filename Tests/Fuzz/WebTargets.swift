import ShardKit
import TestKit
import TextKit

@testable import MarkupKit
@testable import NetKit
@testable import Stages

/// What sites and their archives send.
let webTargets: [String: FuzzTarget] = [
  "html": choosing(2, fixtures: ["web"], words: markup) { choice, content in
    let text = PageEncoding.decode(content, declared: nil, isHTML: true).text
    let (shown, hidden) = HTMLReader.read(text, keepsRuby: choice == 1)
    for page in [shown, hidden] { checkPage(page) }
    promise(BoilerplateRemoval().kept(shown).count == shown.blocks.count, "each block has a verdict")
  },
  "page": choosing(
    4, fixtures: ["web"], samples: ["text/html; charset=Shift_JIS\n<title>x</title><p>文章。</p>"], words: markup, readPage
  ),
  "encodings": choosing(
    encodings.count, fixtures: ["web/article-euc.html", "web/article-jis.html", "web/article-sjis.html"],
    samples: ["文章。"], bytes: [[0xFF, 0xFE, 0x42, 0x30], [0x1B, 0x24, 0x42, 0x24, 0x22, 0x1B, 0x28, 0x42]]
  ) { choice, content in
    content.withUnsafeBufferPointer { bytes in
      let page = PageEncoding.decode(bytes, as: encodings[choice])
      promise(page.map { isText($0.text) } ?? true, "what is decoded is UTF-8")
      if choice == 0 { promise(isText(Array(CP932.shared.decodeAny(bytes).utf8)), "CP932 is UTF-8 when decoded") }
    }
    promise(isText(PageEncoding.decode(content, declared: encodings[choice], isHTML: true).text), "a page is UTF-8")
  },
  "sitemap": reader(
    samples: [
      "<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"><url><loc>https://e.org/a?b=1&amp;c"
        + "</loc><lastmod>2025-01-02</lastmod></url><url><loc><![CDATA[https://e.org/海]]></loc></url></urlset>",
      "<sitemapindex><sitemap><loc>http://e.org/s.xml.gz</loc></sitemap></sitemapindex>",
      "http://e.org/\nhttps://e.org/b",
    ], words: ["<url>", "</url>", "<loc>", "</loc>", "<![CDATA[", "]]>", "&", "<!DOCTYPE x [<!ENTITY a 'b'>]>", "<!--"]
  ) { input in
    let found = Sitemap(input)
    promise(
      (found.pages + found.sitemaps).allSatisfy { $0.url.utf8.count <= Sitemap.longestAddress && !$0.url.isEmpty },
      "addresses are bounded and not empty")
  },
  "robots": reader(
    samples: [
      "User-agent: pipeline\nDisallow: /a*b$\nAllow: /a%62\nCrawl-delay: 2\n\nUser-agent: *\nSitemap: http://e.org/s"
    ],
    words: ["User-agent:", "Disallow: /", "Allow: *$", "*", "$", "Crawl-delay: 1e999", "Sitemap:", "\r", "#", "%6"]
  ) { input in
    let rules = RobotsFile(input).rules(for: "pipeline")
    _ = rules.allows("/a/b?c=%E6%B5%B7")
    promise(rules.allows("/robots.txt") && (rules.crawlDelaySeconds ?? 0) <= 86_400, "a delay is bounded")
  },
  "url": textReader(
    samples: [
      "https://user:secret@Example.ORG:8443/a/./%62/%e6?passwd=secret&b=c#d", "http://[2001:db8::1]/x", "/a/../c",
    ],
    words: ["%", "%2e", "/..", "//", "?", "#", "@", ":", "[", "]", "\\", "xn--", "&token=", ";", "http:", "海"]
  ) { input in
    let text = String(decoding: input, as: UTF8.self)
    _ = (
      HostFilter.host(text), URLSecrets.hiding(text), PercentEncoding.decode(text),
      AddressPatterns.matches(input, input)
    )
    guard let base = try? WebURL("http://example.org/a/b?c"), let url = try? base.resolving(text) else { return }
    promise((try? WebURL(url.text))?.text == url.text, "a URL's normal form is one")
    promise(
      url.text.hasPrefix(url.origin) && url.target.utf8.first == UInt8(ascii: "/"), "a URL begins with its origin")
    _ = (url.shown, NetworkAddress(url.host)?.special)
  },
  "http": reader(
    samples: [
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br, gzip\r\nX-Robots-Tag: noindex\r\n\r\n<p>x"
    ],
    words: [
      "Transfer-Encoding: chunked\r\n", "Content-Encoding: ", "deflate", "zstd", "\r\n\r\n", "5\r\n", "0\r\n\r\n",
    ],
    readMessage),
  "patterns": textReader(
    samples: ["a/**/b?*.gz\na/x/b1.jsonl.gz", "*.txt\nb.txt"], words: ["*", "**/", "?", "/", "[", "\n"]
  ) {
    input in
    let parts = input.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false)
    let (pattern, path) = (Array(parts[0]), Array(parts.last!))
    _ = PathPattern(String(decoding: pattern.prefix(1024), as: UTF8.self)).matches(
      String(decoding: path, as: UTF8.self))
    let star = AddressPatterns.matches(pattern + [0x2A], path)
    promise(
      star || !AddressPatterns.matches(pattern, path) || !pattern.contains(0x2A), "a star at the end takes nothing away"
    )
    _ = RobotsFile.matches(pattern, path)
  },
]

private let encodings = [
  "shift_jis", "euc-jp", "iso-2022-jp", "utf-16le", "utf-16be", "utf-8", "windows-1252", "gb18030", "big5", "euc-kr",
  "utf-32le", "utf-7", "iso-2022-kr", "hz-gb-2312",
]

private let markup = [
  "<p>", "</p>", "<div class=share>", "</div>", "<table><tr><td>", "</table>", "<a href=x>", "</a>", "<!--", "-->",
  "<script>", "</script>", "<svg>", "<foreignObject>", "<noscript>", "<select><option>", "<title>", "<textarea>",
  "<ruby><rt>", "<pre>", "<plaintext>", "<template>", "<p style='display:none'>", "&#", "&notit;", "&#x110000;", "</",
  "<!",
  "<?", "<form>", "</br>", "<main>", "<nav>", "<meta charset=euc-jp>", "<meta name=robots content=noai>", "<![CDATA[",
]

private func checkPage(_ page: HTMLPage) {
  var end = 0
  promise(
    isText(page.text) && isText(page.title) && page.title.count <= HTMLReader.maximumTitleBytes, "a page is UTF-8")
  for block in page.blocks {
    promise(
      block.range.lowerBound >= end && block.range.upperBound <= page.text.count && !block.range.isEmpty
        && block.linkCharacters <= block.characters && block.characters > 0 && block.mark < page.marks.count,
      "blocks stand one behind another")
    end = block.range.upperBound
  }
}

/// The first line is what the server says of the type.
private func readPage(_ choice: Int, _ content: [UInt8]) {
  let parts = content.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false)
  let said = String(decoding: parts[0].prefix(200), as: UTF8.self)
  let body = parts.count > 1 ? Array(parts[1]) : content
  let type = MediaType.of(body, said: choice & 1 == 0 ? said : nil, identified: choice == 1 ? said : nil)
  let extraction = PageExtraction(
    boilerplate: choice & 2 == 0 ? .keep : .drop, minimumCharacters: 0, maximumReplacedFraction: 1)
  if case .text(let text) = extraction.text(of: body, type: type, directives: RobotsDirectives.words(said)) {
    promise(isText(text.text) && isText(text.title) && !text.text.contains(0), "a page's text is UTF-8 without NUL")
  }
}

private func readMessage(_ input: [UInt8]) {
  guard let (head, body) = HTTPResponse.Head.parse(input) else { return }
  _ = (head.contentLength, RobotsDirectives.words(head.headers), MediaType(head.headers["Content-Type"] ?? ""))
  _ = Retrying.seconds(retryAfter: head.headers["Retry-After"] ?? head.reason, now: 1_700_000_000)
  _ = Retrying.seconds(rateLimit: head.headers["RateLimit"] ?? head.reason)
  if case .bytes(let bytes, _) = MessageBody(input[body...], head.headers, limit: 1 << 18) {
    promise(bytes.count <= 1 << 18, "a body is bounded")
  }
}
