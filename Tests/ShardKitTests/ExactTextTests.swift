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

  @Test func endsAreComparedByBytes() {
    #expect("x/\(composed)".endsExactly(in: "/\(composed)"))
    #expect(!"x/\(composed)".endsExactly(in: "/\(decomposed)"))
    #expect("/\u{301}".endsExactly(in: "\u{301}"), "a mark behind a slash")
    #expect(!"a".endsExactly(in: "aa") && "a".endsExactly(in: ""))
  }
}
