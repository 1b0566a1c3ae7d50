import TestKit
import Testing

@testable import NetKit
@testable import ShardKit

@Suite struct WebURLTests {
  @Test(arguments: [
    ("HTTPS://Example.ORG:443/a/../b?q=1#part", "https://example.org/b?q=1"),
    ("http://example.org:8080", "http://example.org:8080/"),
    ("http://user:pw@example.org/", "http://example.org/"),
    ("http://example.org/a b/青空", "http://example.org/a%20b/%E9%9D%92%E7%A9%BA"),
    ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
    ("http://127.1/", "http://127.0.0.1/"),
    ("http://example.org/%e9%9D%92", "http://example.org/%E9%9D%92"),
    ("http://example.org/%61b%7e%2d?q=%7Ea%2fb&c=%e6", "http://example.org/ab~-?q=~a%2Fb&c=%E6"),
    ("http://example.org/a/%2e%2E/b/%2e", "http://example.org/b/"),
    ("http://example.org/a%2Fb", "http://example.org/a%2Fb"),
    ("http://example.org/100%?a=%zz%4", "http://example.org/100%?a=%zz%4"),
  ])
  func normalForm(_ text: String, _ normal: String) throws {
    #expect(try WebURL(text).text == normal)
  }

  @Test func secretsAreNotShown() throws {
    let url = try WebURL("https://u:p@h.org/k?X-Amz-Signature=abc&list-type=2&X-Amz-Credential=d&token=e&q=f&sig=")
    #expect(url.shown == "https://h.org/k?X-Amz-Signature=…&list-type=2&X-Amz-Credential=…&token=…&q=f&sig=…")
    #expect("\(url)" == url.shown)
  }

  /// By name, in any spelling, in the query and behind a semicolon; by value where it has the form of a token.
  @Test(arguments: [
    "?passwd=x", "?a=1&PASSWORD=x", "?pwd=x", "?jwt=x", "?hmac=x", "?x-hmac=x", "?sas=x", "?session=x", "?sessionId=x",
    "?PHPSESSID=x", "/a;jsessionid=x", "/a;jsessionid=x/b", "?sid=x", "?X-Amz-Signature=x", "?X-Amz-Security-Token=x",
    "?X-Goog-Signature=x", "?AWSAccessKeyId=x", "?Key-Pair-Id=x", "?api_key=x", "?apikey=x", "?access-key=x", "?key=x",
    "?sig=x", "?signature=x", "?access_token=x", "?refreshToken=x", "?client_secret=x", "?auth=x", "?Authorization=x",
    "?oauth_verifier=x", "?%70asswd=x", "?a=1;pass=x", "?code=x", "?SAMLResponse=x", "?ticket=x", "?otp=x",
    "?v=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "?v=hf_abcdefghijklmnopqrstuvwxyz", "?user_passphrase=x", "?token=x",
    "?accesstoken=x", "?csrfToken=x", "?user-session=x", "?secrets=x",
    "?sessionkey=x", "?client_secret_id=x", "/a/b;session=x?c", "?clientsecret=x",
  ])
  func secretsAreFound(_ part: String) throws {
    let url = try WebURL("https://h.org/p" + part)
    #expect(url.holdsSecret, "\(part)")
    #expect(!url.shown.contains("=x") && !url.shown.contains("eyJ") && !url.shown.contains("hf_"), "\(url.shown)")
  }

  @Test(arguments: [
    "?page=2&sort=key", "?keyword=x", "?passage=3", "?q=signal&lang=ja", "?author=x", "?design=1",
    "?id=1A2b3C4d5E6f7G8h9I0j",
    "?sessionFrom=208&sessionTo=213", "?session_from=208", "?tokenizer=mecab", "?secretary=x", "?maxTokens=9",
    "?obsession=x", "?detokenize=1", "/session/1", "/token=x/a", "?encode=1", "?monkey=1", "?assign=2", "?compass=n",
    "?month=1&day=2", "?hash=x",
  ])
  func otherParametersAreShown(_ part: String) throws {
    let url = try WebURL("https://h.org/p" + part)
    #expect(!url.holdsSecret && url.shown == url.text, "\(part)")
  }

  /// A path of many parts.
  @Test func longAddressesAreShownInLinearTime() {
    let path = String(repeating: "/", count: 400_000)
    withoutHanging("long addresses") {
      #expect(URLSecrets.hiding(path).utf8.count == 400_000)
      #expect(URLSecrets.hiding(path + "?token=x/y" + path).utf8.count > 800_000)
    }
  }

  @Test(arguments: [
    ("ftp://example.org/", "ftp://example.org:21/: only http and https are supported, not ftp."),
    ("gibberish+x://example.org/", "only http and https are supported, not gibberish+x."),
    (
      "http://user:secret@exa mple.org/",
      "the URL is malformed (Bad hostname). Write it as https://host/path."
    ),
    ("/etc/passwd", "the URL is malformed (Bad scheme). Write it as https://host/path."),
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
