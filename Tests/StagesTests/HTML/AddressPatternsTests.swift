import Testing

@testable import Stages

@Suite struct AddressPatternsTests {
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
    let japanese = AddressPatterns(include: ["https://e.org/青/", "*/%e6%b5%b7/*"], exclude: [])
    #expect(japanese.takes("https://e.org/%E9%9D%92/1") && japanese.takes("https://e.org/x/%E6%B5%B7/"))
    let hostile = Array(String(repeating: "*a", count: 200).utf8) + Array("b".utf8)
    #expect(!AddressPatterns.matches(hostile, Array(String(repeating: "a", count: 2000).utf8)))
  }
}
