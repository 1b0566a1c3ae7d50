import Testing

@testable import Stages

@Suite struct PathPatternTests {
  @Test(arguments: [
    ("*.gz", "a.gz", true), ("*.gz", "ja/cc/a.gz", true), ("*.gz", "a.gz/b", false), ("ja/*.gz", "ja/a.gz", true),
    ("ja/*.gz", "ja/cc/a.gz", false), ("ja/**", "ja/cc/a.gz", true), ("ja/", "ja/cc/a.gz", true),
    ("ja/", "jab/a.gz", false), ("**/a.gz", "a.gz", true), ("ja/**/a.gz", "ja/a.gz", true),
    ("ja/**/a.gz", "ja/x/y/a.gz", true), ("ja/**/a.gz", "ja/xa.gz", false), ("000?.gz", "0001.gz", true),
    ("a?b", "a/b", false), ("a", "A", false), ("日本*", "x/日本語.txt", true), ("*", "a/b/c", true), ("a/*", "a/b/c", false),
    ("**/x**", "a/xb/c", true),
  ])
  func matches(_ pattern: String, _ path: String, _ expected: Bool) {
    #expect(PathPattern(pattern).matches(path) == expected)
  }

  /// Backtracking would take longer than the world has been there.
  @Test func manyStarsTakeNoTime() {
    let pattern = String(repeating: "*a**", count: 100) + "b"
    #expect(!PathPattern(pattern).matches(String(repeating: "a", count: 4000)))
  }
}
