import ShardKit
import TestKit
import Testing

@testable import MarkupKit

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

  /// Faults of many real lists, each of which would end the reading of XML.
  @Test func commonFaultsAreMended() {
    let urls = entries.map(\.url)
    #expect(sitemap(" \n\t" + list).pages.map(\.url) == urls && sitemap(" \n" + list).problem == nil)
    #expect(sitemap("\u{FEFF}\n" + list).pages.map(\.url) == urls)
    func url(_ loc: String) -> String? {
      let found = sitemap("<urlset><url><loc>\(loc)</loc></url><url><loc>https://e.org/last</loc></url></urlset>")
      #expect(found.problem == nil && found.pages.last?.url == "https://e.org/last", "\(loc)")
      return found.pages.count == 2 ? found.pages[0].url : nil
    }
    #expect(url("https://e.org/?a=1&b=2&c") == "https://e.org/?a=1&b=2&c")
    #expect(url("https://e.org/?a=1&amp;b=2&copy=3&nbsp;&") == "https://e.org/?a=1&b=2&copy=3&nbsp;&")
    #expect(
      url("https://e.org/?&#38;a&#x26;b&#0;&#xFFFE;&#99999999999;&#;")
        == "https://e.org/?&a&b&#0;&#xFFFE;&#99999999999;&#;")
    #expect(url("<![CDATA[https://e.org/?a=1&b=2&amp;]]>") == "https://e.org/?a=1&b=2&amp;")
    #expect(url("https://e.org/\u{1}\u{8}a") == "https://e.org/a")
    let bytes = Array("<urlset><url><loc>https://e.org/caf".utf8) + [0xE9] + Array("\u{3042}</loc></url></urlset>".utf8)
    #expect(Sitemap(bytes).pages.map(\.url) == ["https://e.org/caf%E9\u{3042}"])
    let latin = Array("<?xml version='1.0' encoding='ISO-8859-1'?><urlset><url><loc>https://e.org/caf".utf8) + [0xE9]
    #expect(Sitemap(latin + Array("</loc></url></urlset>".utf8)).pages.map(\.url) == ["https://e.org/caf\u{E9}"])
  }

  @Test func longAddressesAreLeftOutWhole() {
    let long = "https://e.org/" + String(repeating: "a", count: 9000) + "&amp;" + String(repeating: "b", count: 9)
    for text in [
      "<urlset><url><loc>\(long)</loc></url><url><loc>https://e.org/b</loc></url></urlset>", "\(long)\nhttps://e.org/b",
    ] {
      #expect(sitemap(text).pages.map(\.url) == ["https://e.org/b"])
      #expect(sitemap(text).longAddresses == 1 && sitemap(text).problem == nil)
    }
    let fair = "https://e.org/" + String(repeating: "a", count: 8000)
    #expect(sitemap("<urlset><url><loc>\(fair)</loc></url></urlset>").pages.map(\.url) == [fair])
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
    #expect(sitemap(deep).problem == "it is nested too deeply")
    let wide = "<urlset " + (0..<200_000).map { "a\($0)=''" }.joined(separator: " ") + "><url/></urlset>"
    #expect(sitemap(wide).problem == "an element has more than 256 attributes")
    let many = "<urlset>" + (0...50_000).map { "<url><loc>https://e.org/\($0)</loc></url>" }.joined() + "</urlset>"
    #expect(sitemap(many).pages.count == 50_000)
    #expect(sitemap(many).problem == "it lists more than 50000 URLs")
    let bomb = try packed([UInt8](repeating: 32, count: 60 << 20))
    #expect(Sitemap(bomb).problem == "it has more than 50 MiB")
    let long = "<urlset><url><loc>https://example.org/\(String(repeating: "a", count: 1 << 20))</loc></url></urlset>"
    #expect(sitemap(long).pages.isEmpty)
  }
}
