import ShardKit
import Testing

@Suite struct ExactTextTests {
  private let composed = "\u{304C}", decomposed = "\u{304B}\u{3099}"

  @Test func textsAreEqualByTheirBytes() {
    #expect(composed == decomposed, "Swift holds them equal")
    #expect(ExactText(composed) != ExactText(decomposed))
    #expect(!composed.isExactly(decomposed) && composed.isExactly(composed[...]))
    #expect(Set([ExactText(composed), ExactText(decomposed), ExactText(composed)]).count == 2)
    #expect(ExactText("a") < "b" && !(ExactText("b") < "a") && ExactText(decomposed) < ExactText(composed))
  }

  /// Keys of JSON, columns and fields that differ only by composition are two.
  @Test func formatsHoldThemApart() throws {
    let json = try JSONValue.parse(Array("{\"\(decomposed)\": 1, \"\(composed)\": 2}".utf8)).value
    #expect(json[composed]?.integer == 2 && json[decomposed]?.integer == 1)
    let columns = [MDSColumn(composed, .str), MDSColumn(decomposed, .str)]
    let schema = try MDSSchema(columns: columns)
    #expect(schema.index(of: composed) != schema.index(of: decomposed))
  }

  @Test func foldersAreFoundByBytes() {
    #expect(ArchivePath.folder(of: "/a/\u{301}b") == "/a" && ArchivePath.folder(of: "a/b/c") == "a/b")
    #expect(ArchivePath.folder(of: "a") == "a")
  }

  @Test func endsAreComparedByBytes() {
    #expect("x/\(composed)".endsExactly(in: "/\(composed)"))
    #expect(!"x/\(composed)".endsExactly(in: "/\(decomposed)"))
    #expect("/\u{301}".endsExactly(in: "\u{301}"), "a mark behind a slash")
    #expect(!"a".endsExactly(in: "aa") && "a".endsExactly(in: ""))
  }
}
