import NetKit
import Testing

@Suite struct WebURLTests {
  @Test(arguments: [
    ("HTTPS://Example.ORG:443/a/../b?q=1#part", "https://example.org/b?q=1"),
    ("http://example.org:8080", "http://example.org:8080/"),
    ("http://user:pw@example.org/", "http://example.org/"),
    ("http://example.org/a b/青空", "http://example.org/a%20b/%e9%9d%92%e7%a9%ba"),
    ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
    ("http://127.1/", "http://127.0.0.1/"),
  ])
  func normalForm(_ text: String, _ normal: String) throws {
    #expect(try WebURL(text).text == normal)
  }

  @Test func secretsAreNotShown() throws {
    let url = try WebURL("https://u:p@h.org/k?X-Amz-Signature=abc&list-type=2&X-Amz-Credential=d&token=e&q=f&sig=")
    #expect(url.shown == "https://h.org/k?X-Amz-Signature=…&list-type=2&X-Amz-Credential=…&token=…&q=f&sig=…")
    #expect("\(url)" == url.shown)
  }

  @Test(arguments: [
    ("ftp://example.org/", "ftp://example.org:21/: only http and https are asked, not ftp."),
    ("gibberish+x://example.org/", "only http and https are asked, not gibberish+x."),
    (
      "http://user:secret@exa mple.org/",
      "an address is malformed (Bad hostname). Write it as https://host/path."
    ),
    ("/etc/passwd", "an address is malformed (Bad scheme). Write it as https://host/path."),
  ])
  func others(_ text: String, _ sentence: String) {
    do {
      _ = try WebURL(text)
      Issue.record("\(text) is taken")
    } catch {
      #expect("\(error)" == sentence)
      #expect(!"\(error)".contains("secret"))
    }
  }

  @Test func referencesAreResolved() throws {
    let url = try WebURL("https://example.org/cards/000005/card5.html?x=1")
    #expect(try url.resolving("files/5_ruby_5057.zip").text == "https://example.org/cards/000005/files/5_ruby_5057.zip")
    #expect(try url.resolving("//other.org/x").text == "https://other.org/x")
    #expect(try url.resolving("/robots.txt").text == "https://example.org/robots.txt")
  }
}
