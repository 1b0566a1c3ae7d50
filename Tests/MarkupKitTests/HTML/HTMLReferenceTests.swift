import ShardKit
import TestKit
import Testing

@testable import MarkupKit

/// Character references, against the HTML standard and against Python's reading of it.
@Suite struct HTMLReferenceTests {
  private func read(_ text: String, isAttribute: Bool = false) -> String {
    Array(text.utf8).withUnsafeBufferPointer {
      String(decoding: HTMLReferences.shared.decoded($0, isAttribute: isAttribute), as: UTF8.self)
    }
  }

  @Test(arguments: [
    ("&amp;&lt;&gt;&quot;&apos;", "&<>\"'"), ("&AMP;&LT;&COPY;", "&<©"), ("&hellip;&mdash;&yen;", "…—¥"),
    ("a&nbsp b&copy c&amp d", "a\u{A0} b© c& d"), ("&notit; &notin; &notin", "¬it; ∉ ¬in"), ("&ampamp;", "&amp;"),
    ("&nosuch; &; & &# &#; &#x; &#xg;", "&nosuch; &; & &# &#; &#x; &#xg;"), ("&hellip", "&hellip"),
    ("&NotEqualTilde;&fjlig;", "\u{2242}\u{338}fj"), ("&CounterClockwiseContourIntegral;", "∳"),
    ("&#x3042;&#X3042;&#12354;&#12354x", "ああああx"), ("&#65", "A"), ("&#x41g", "Ag"),
  ])
  func namesAndNumbers(_ text: String, _ characters: String) {
    #expect(read(text).unicodeScalars.elementsEqual(characters.unicodeScalars))
  }

  /// Numbers of windows-1252, of no character, and of characters that show nothing.
  @Test func numbersAreCorrected() {
    #expect(read("&#147;x&#148;&#150;&#151;&#133;&#128;&#159;&#x92;") == "“x”–—…€Ÿ’")
    #expect(read("&#129;&#141;&#143;&#144;&#157;") == "\u{81}\u{8D}\u{8F}\u{90}\u{9D}", "which it has none for")
    for text in ["&#0;", "&#xD800;", "&#xDFFF;", "&#x110000;", "&#99999999999999999999;", "&#xFFFFFFFFFFFFFFFF;"] {
      #expect(read(text) == "\u{FFFD}", "\(text)")
    }
    #expect(read("&#1;&#11;&#31;") == "   " && read("&#9;&#10;&#13;") == "\t\n\r")
    #expect(read("&#xFFFE;&#xFDD0;&#x10FFFD;").unicodeScalars.map(\.value) == [0xFFFE, 0xFDD0, 0x10_FFFD])
  }

  @Test func attributesKeepWhatLooksLikeAParameter() {
    #expect(read("?a=1&copy=2&amp;b&copy;&copyx&copy", isAttribute: true) == "?a=1&copy=2&b©&copyx©")
    #expect(read("?a=1&copy=2") == "?a=1©=2")
  }

  private static let peer = PeerScript("html_references.py")

  @Test(.needs(peer.isUsable, "needs Python"))
  func everyNameIsThere() throws {
    let answer = try #require(Self.peer.run("list"))
    for pair in try JSONValue.parse(answer).value.array ?? [] {
      let (name, value) = (pair.array![0].string!, pair.array![1].string!)
      #expect(read(name).unicodeScalars.elementsEqual(value.unicodeScalars), "\(name)")
      #expect(read(name + " x").unicodeScalars.elementsEqual((value + " x").unicodeScalars), "\(name)")
    }
  }
}
