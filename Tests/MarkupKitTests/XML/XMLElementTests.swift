import Testing

@testable import MarkupKit

/// Answers come from outside: what XML can do beyond elements and texts must do nothing here.
@Suite struct XMLElementTests {
  private func read(_ text: String) -> XMLElement? { XMLElement(Array(text.utf8)) }

  @Test func elementsAndTexts() throws {
    let root = try #require(
      read("<?xml version=\"1.0\"?><a xmlns=\"http://x/\"> <b>1 &amp; 2&#10;</b><c/><b><![CDATA[<3>]]></b></a>"))
    #expect(root.name == "a" && root["b"] == "1 & 2\n" && root["c"] == "" && root["d"] == nil)
    #expect(root.all("b").map(\.text) == ["1 & 2\n", "<3>"])
    for text in ["", "no", "<a>", "<a></b>", "{}"] { #expect(read(text) == nil) }
  }

  @Test func entitiesAndDepthDoNoHarm() {
    var bomb = "<!DOCTYPE a [<!ENTITY x0 \"lol\">"
    for i in 1..<12 { bomb += "<!ENTITY x\(i) \"\(String(repeating: "&x\(i - 1);", count: 10))\">" }
    #expect((read(bomb + "]><a>&x11;</a>")?.text.utf8.count ?? 0) < 10)
    let file = read("<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><a><b>&f;</b></a>")
    #expect(file?["b"].map(\.isEmpty) ?? true)
    let deep = String(repeating: "<a>", count: 100_000) + String(repeating: "</a>", count: 100_000)
    #expect(read(deep) == nil)
  }
}
