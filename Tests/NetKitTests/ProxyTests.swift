import Testing

@testable import NetKit

@Suite struct ProxyTests {
  @Test func theEnvironmentNamesProxies() throws {
    let values = ["http_proxy": "http://p:1", "HTTPS_PROXY": "http://s:2", "no_proxy": ".example.org, 10.0.0.0/8,x.jp"]
    let proxy = Proxy { values[$0] }
    func of(_ url: String) throws -> String? { proxy.proxy(for: try WebURL(url)) }
    #expect(try of("http://a.com/") == "http://p:1")
    #expect(try of("https://a.com/") == "http://s:2")
    #expect(try of("https://www.example.org/") == nil)
    #expect(try of("https://example.org/") == nil)
    #expect(try of("https://notexample.org/") == "http://s:2")
    #expect(try of("http://10.200.0.1/") == nil)
    #expect(try of("http://11.0.0.1/") == "http://p:1")
    #expect(Proxy { ["no_proxy": "*", "all_proxy": "http://p:1"][$0] }.proxy(for: try WebURL("http://a.com/")) == nil)
    // A web server hands its client's headers on as HTTP_…, so this one is nobody's word.
    #expect(Proxy { ["HTTP_PROXY": "http://evil:1"][$0] }.proxy(for: try WebURL("http://a.com/")) == nil)
  }
}
