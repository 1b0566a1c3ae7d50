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
}
