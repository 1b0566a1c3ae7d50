import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct SitemapTests {
  private func sitemap(_ text: String) -> Sitemap { Sitemap(Array(text.utf8)) }

  private func packed(_ bytes: [UInt8]) throws -> [UInt8] {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let file = try FileSink(folder + "/a")
    let sink = try GzipSink(file)
    try sink.write(bytes)
    try sink.commit()
    return try FileSystem.read(folder + "/a")
  }

  private let list = """
    <?xml version="1.0" encoding="UTF-8"?>
    <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
    <url><loc> https://example.org/a?b=1&amp;c=2 </loc><lastmod>2025-01-02</lastmod>
      <image:image><image:loc>https://example.org/a.png</image:loc></image:image></url>
    <url><lastmod>2025-01-03</lastmod></url>
    <url><image:loc>https://example.org/b.png</image:loc><loc><![CDATA[https://example.org/b]]></loc></url>
    </urlset>
    """
  private let entries = [
    Sitemap.Entry(url: "https://example.org/a?b=1&c=2", modified: "2025-01-02"),
    Sitemap.Entry(url: "https://example.org/b"),
  ]

  /// A site under repair answers 200 to everything: its pages must not be taken for gone.
  @Test(arguments: ["<html><body>Back soon</body></html>", "Sorry, maintenance.", "", "<rss/>"])
  func whatIsNoSitemapIsAProblem(_ text: String) {
    #expect(sitemap(text).problem != nil)
  }

  @Test func aPrefixIsNoOtherList() {
    let text = list.replacing("<", with: "<s:").replacing("<s:/", with: "</s:").replacing("<s:?", with: "<?")
      .replacing("<s:![", with: "<![").replacing("<s:image:", with: "<image:").replacing("</s:image:", with: "</image:")
      .replacing("xmlns=", with: "xmlns:s=")
    #expect(sitemap(text).pages == entries && sitemap(text).problem == nil)
    #expect(sitemap("<urlset/>").problem == nil)
  }

  @Test func listsAndIndexesAreRead() throws {
    #expect(sitemap(list).pages == entries)
    #expect(sitemap(list).problem == nil)
    #expect(try Sitemap(packed(Array(list.utf8))).pages == entries)
    let index =
      "<sitemapindex><sitemap><loc>https://example.org/1.xml</loc><lastmod>x</lastmod></sitemap></sitemapindex>"
    #expect(sitemap(index).sitemaps == [Sitemap.Entry(url: "https://example.org/1.xml", modified: "x")])
    #expect(sitemap("\u{FEFF}https://example.org/a\r\n\nhttps://example.org/b\nx").pages.map(\.url).count == 2)
    #expect(sitemap("").pages.isEmpty)
  }

  @Test func faultsKeepWhatCameBefore() throws {
    let cut = String(list.prefix(list.count - 60))
    #expect(sitemap(cut).pages == [entries[0]])
    #expect(sitemap(cut).problem?.hasPrefix("its XML is not well-formed: ") ?? false)
    #expect(sitemap("<html><body>404</body></html>").pages.isEmpty)
    var broken = try packed(Array(list.utf8))
    broken[20] ^= 0xFF
    #expect(Sitemap(broken).problem == "its gzip stream is broken")
  }

  @Test func hostileListsAreBounded() throws {
    let laughs = """
      <!DOCTYPE urlset [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
      <urlset><url><loc>https://example.org/&b;</loc></url></urlset>
      """
    #expect(sitemap(laughs).problem == "it declares entities, which are not expanded")
    #expect(sitemap(laughs).pages.isEmpty)
    let outside = laughs.replacing("<!ENTITY a \"ha\">", with: "<!ENTITY a SYSTEM \"file:///etc/passwd\">")
    #expect(sitemap(outside).pages.isEmpty)
    let deep = "<urlset>" + String(repeating: "<a>", count: 100_000)
    #expect(sitemap(deep).problem == "it is too deep")
    let many = "<urlset>" + (0...50_000).map { "<url><loc>https://e.org/\($0)</loc></url>" }.joined() + "</urlset>"
    #expect(sitemap(many).pages.count == 50_000)
    #expect(sitemap(many).problem == "it lists more than 50000 addresses")
    let bomb = try packed([UInt8](repeating: 32, count: 60 << 20))
    #expect(Sitemap(bomb).problem == "it has more than 50 MiB")
    let long = "<urlset><url><loc>https://example.org/\(String(repeating: "a", count: 1 << 20))</loc></url></urlset>"
    #expect(sitemap(long).pages.allSatisfy { $0.url.utf8.count <= 4096 })
  }

  @Test func patternsAreBeginningsOrHaveStars() {
    let patterns = AddressPatterns(
      include: ["https://e.org/school/", "*/news/*.html"], exclude: ["*?print=*", "https://e.org/school/old"])
    #expect(patterns.takes("https://e.org/school/1"))
    #expect(!patterns.takes("https://e.org/school/old/1"))
    #expect(!patterns.takes("https://e.org/"))
    #expect(patterns.takes("https://e.org/a/news/2025/x.html"))
    #expect(!patterns.takes("https://e.org/a/news/x.htm"))
    #expect(!patterns.takes("https://e.org/school/1?print=1"))
    #expect(AddressPatterns(include: [], exclude: []).takes("anything"))
    let hostile = Array(String(repeating: "*a", count: 200).utf8) + Array("b".utf8)
    #expect(!AddressPatterns.matches(hostile, Array(String(repeating: "a", count: 2000).utf8)))
  }
}
