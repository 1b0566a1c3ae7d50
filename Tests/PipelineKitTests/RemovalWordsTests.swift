import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// What counts as an id, an address or a record of a removal, and what does not.
@Suite struct RemovalWordsTests {
  @Test(arguments: [
    ("12", "document 12 has 123 MB of 12.5, '12' and a12", "document X has 123 MB of 12.5, 'X' and a12"),
    ("12", "12", "X"), ("12", "the id is 12.", "the id is X."), ("12", "at texts/12.jsonl:12", "at texts/12.jsonl:X"),
    ("f0/1", "'f0/1' is not f0/12", "'X' is not f0/12"), ("", "a b", "a b"),
    ("https://example.com/1", "see https://example.com/12", "see X2"), ("文書", "文書、「文書」", "文書、「文書」"),
    ("文書", "the id '文書'", "the id 'X'"),
  ])
  func idsInMessages(_ id: String, _ message: String, _ concealed: String) {
    #expect(IDConcealing.concealed(id, in: message, as: "X") == concealed)
  }

  @Test func anIDLikeAWordCountsOnlyByItself() {
    for (id, isWeak) in [("12", true), ("abc7", true), ("f0/1", false), ("12345678", false), ("文書", false)] {
      #expect(Array(id.utf8).withUnsafeBytes { SearchIndex.isWeak($0) } == isWeak, "\(id)")
    }
  }

  @Test(arguments: [
    ("https://example.com", "https://example.com.evil.org/", false),
    ("https://example.com", "https://example.com", true),
    ("https://example.com", "https://example.com/a?b", true), ("https://example.com", "https://example.com?b", true),
    ("https://example.com", "https://www.example.com/", false),
    ("https://Example.COM/A", "https://example.com/A/b", true),
    ("https://example.com/A", "https://example.com/a", false),
    ("https://example.com", "https://example.com:443/", true),
    ("https://example.com", "https://example.com:8443/", false), ("example.com:8443", "http://example.com:8443/", true),
    ("example.com:8443", "http://example.com/", false), ("example.com/blog", "https://example.com/blogger", false),
    ("example.com/blog", "https://www.example.com/blog/1", true),
    ("example.com/blog", "HTTP://EXAMPLE.com/blog#x", true),
    ("example.com/blog/", "https://example.com/blog", false),
    ("example.com/blog", "https://example.com/blog?p=1", true),
    ("example.com/?p=1", "https://example.com/?p=12", false), ("example.com/?p=1", "https://example.com/?p=1&q", true),
    ("example.com", "https://example.com@evil.org/", false), ("example.com", "https://u:p@example.com/", true),
    ("example.com", "https://evil.org/?u=https://example.com/", false), ("example.com", "https://example.com./a", true),
    ("example.com/é", "https://example.com/e\u{301}", false), ("example.com/%7eb", "https://example.com/~b/1", true),
    ("example.com/日本", "https://example.com/%E6%97%A5%E6%9C%AC/1", true),
    ("example.com", "mailto:a@example.com", false),
    ("com", "https://example.com/", true), ("example.com", "wiki/12", false),
  ])
  func addresses(_ pattern: String, _ url: String, _ isMatch: Bool) {
    #expect(AddressPattern(pattern)?.matches(url) == isMatch)
  }

  @Test func whatIsNoAddressSelectsNothing() {
    for pattern in ["", "https://", "://", "/blog"] {
      #expect(AddressPattern(pattern)?.matches("https://a.org/") != true)
    }
  }

  @Test func whatIsAVariant() {
    #expect(PipelineVariant.variant(of: "corpus:without-dedupe/seed-1") == "without-dedupe/seed-1")
    #expect(PipelineVariant.variant(of: "corpus") == nil)
  }

  /// A record is refused before it is written if it could not be read again.
  @Test(arguments: [1, 1000]) func aRecordHasALimit(_ count: Int) throws {
    let documents = (0..<count).map { RemovalRecord.Document(id: Array("\($0)".utf8), stages: ["read"], tasks: []) }
    let record = RemovalRecord(pipeline: "p", at: 0, by: "b", reason: "r", documents: documents)
    let text = try record.text(limit: 1 << 20)
    #expect(try RemovalRecord(json: JSONValue.parse(text).value) == record)
    #expect(try record.text(limit: text.count) == text)
    for limit in [text.count - 1, text.count / 10, 0] {
      #expect(throws: RunError.self) { try record.text(limit: limit) }
    }
  }
}
