import ShardKit
import Testing

@testable import MarkupKit
@testable import NetKit

@Suite struct RobotsFileTests {
  private func allows(_ text: String, _ path: String, agent: String = "pipeline") -> Bool {
    RobotsFile(Array(text.utf8)).rules(for: agent).allows(path)
  }

  @Test func theLongestRuleDecides() {
    let text = "User-agent: *\nDisallow: /cards\nAllow: /cards/000005/\nDisallow: /cards/000005/private\n"
    #expect(allows(text, "/index.html"))
    #expect(!allows(text, "/cards"))
    #expect(!allows(text, "/cardsharp"), "a rule is a prefix")
    #expect(allows(text, "/cards/000005/files/5.zip"))
    #expect(!allows(text, "/cards/000005/private/a"))
    #expect(allows("User-agent: *\nDisallow: /a\nAllow: /a\n", "/a"), "Allow wins a tie")
    #expect(allows("User-agent: *\nDisallow:\n", "/a"), "an empty rule is none")
    #expect(allows("User-agent: *\nDisallow: /\n", "/robots.txt"))
  }

  @Test func groupsOfTheSameAgentAreOne() {
    let text = """
      User-agent: other
      User-Agent: PIPELINE/2.0 (any)
      Disallow: /a

      User-agent: *
      Disallow: /

      user-agent: pipeline
      Disallow: /b
      """
    #expect(!allows(text, "/a"))
    #expect(!allows(text, "/b"))
    #expect(allows(text, "/c"), "rules for * do not count where the agent is named")
    #expect(!allows(text, "/a", agent: "other"))
    #expect(allows(text, "/b", agent: "other"))
    #expect(!allows(text, "/c", agent: "stranger"))
    #expect(!allows("User-agent: pipelines\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/a"), "another product")
  }

  @Test(arguments: [
    ("/*.php", "/a/index.php5", true), ("/*.php", "/", false), ("/*.php$", "/index.php", true),
    ("/*.php$", "/index.php?x", false), ("/fish*", "/fish", true), ("/fish*", "/catfish", false),
    ("/a*b*c$", "/abbcbc", true), ("/a*b*c$", "/abbcb", false), ("*/x", "/y/x", true), ("/$", "/", true),
    ("/$", "/a", false), ("/**", "/", true), ("/a$b", "/a$b", true), ("private", "/private/a", true),
  ])
  func wildcards(_ pattern: String, _ path: String, _ matches: Bool) {
    #expect(allows("User-agent: *\nDisallow: \(pattern)", path) == !matches, "\(pattern) \(path)")
  }

  /// RFC 9309, 2.2.2: the table of examples, and both cases of hexadecimal digits.
  @Test(arguments: [
    ("/foo/bar?baz=quz", "/foo/bar?baz=quz"), ("/foo/bar?baz=http://foo.bar", "/foo/bar?baz=http://foo.bar"),
    ("/foo/bar/ツ", "/foo/bar/%E3%83%84"), ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"),
    ("/foo/bar/%62%61%7A", "/foo/bar/baz"), ("/a%2Fb", "/a%2fb"), ("/~joe", "/%7Ejoe"),
  ])
  func encodingsAreCompared(_ pattern: String, _ path: String) {
    #expect(!allows("User-agent: *\nDisallow: \(pattern)", path))
  }

  @Test func anEncodedSlashIsNoSlash() {
    #expect(allows("User-agent: *\nDisallow: /a/b", "/a%2Fb"))
  }

  @Test func oddFilesAreRead() {
    #expect(!allows("\u{FEFF}User-agent: *\rDisallow: /a # because\r", "/a"))
    #expect(!allows("  USER-AGENT :\t*  \r\n  disallow :  /a  \r\n", "/a"))
    #expect(allows("Disallow: /a\nUser-agent: *\n", "/a"), "a rule before any agent is nobody's")
    #expect(!allows("User-agent: *\nUnknown: x\nDisallow: /a", "/a"))
    #expect(allows("<html>404</html>", "/a"))
    #expect(allows("", "/a"))
  }

  @Test func delaysAndSitemaps() {
    let text = "Sitemap: https://a.org/s.xml\nUser-agent: *\nCrawl-delay: 2.5\nDisallow: /x\nSitemap: /t.xml\n"
    let file = RobotsFile(Array(text.utf8))
    #expect(file.rules(for: "pipeline").crawlDelaySeconds == 2.5)
    #expect(file.sitemaps == ["https://a.org/s.xml", "/t.xml"])
    #expect(RobotsFile(Array("User-agent: *\nCrawl-delay: never\n".utf8)).rules(for: "a").crawlDelaySeconds == nil)
    #expect(RobotsFile(Array("User-agent: *\nCrawl-delay: 1e30\n".utf8)).rules(for: "a").crawlDelaySeconds == 86_400)
  }

  @Test func fiveHundredKibibytesAreRead() {
    let comment = String(repeating: "# filling\n", count: 51_100)
    let text = "User-agent: *\n\(comment)Disallow: /in\n" + comment + "Disallow: /out\n"
    #expect(!allows(text, "/in"))
    #expect(allows(text, "/out"))
  }

  @Test func hostilePatternsTakeNoTime() {
    let pattern = "/" + String(repeating: "*a", count: 5000) + "$"
    #expect(allows("User-agent: *\nDisallow: \(pattern)", "/" + String(repeating: "a", count: 4000) + "b"))
  }
}
