import TextKit
import Testing

@Suite struct TextCutTests {
  private func left(_ before: String, _ passage: String, _ after: String) -> String {
    let text = Array((before + passage + after).unicodeScalars)
    let start = before.unicodeScalars.count
    let parts = TextCut.parts(of: start..<start + passage.unicodeScalars.count, in: text.map(\.value))
    var rest = String.UnicodeScalarView()
    for (place, scalar) in text.enumerated() where !parts.contains(where: { $0.contains(place) }) {
      rest.append(scalar)
    }
    return String(rest)
  }

  @Test func whatLiesWithinACharacterOrAWordStays() {
    #expect(left("over", "state", "ment") == "overstatement")
    #expect(left("か", "\u{3099}", "く").unicodeScalars.count == 3)
    #expect(left("\u{1F1EF}", "\u{1F1F5}", "") == "\u{1F1EF}\u{1F1F5}")
    #expect(left("नम", "\u{0938}\u{094D}\u{0924}", "\u{0947} यह") == "नम\u{0938}\u{094D}\u{0924}\u{0947} यह")
    #expect(left("", "", "text") == "text" && left("text", "", "") == "text")
  }

  @Test func wordsOfSeveralScriptsStayWhole() {
    #expect(left("один ", "два три чет", "ыре") == "один четыре")
    #expect(left("Un cafe\u{301}", "te\u{301}ria y un bar", " más") == "Un cafe\u{301}te\u{301}ria más")
    #expect(left("한국", "어 문장 하", "나") == "한국어 하나")
    // Scripts without spaces are cut between characters.
    #expect(left("ภาษา", "ไทยที่", "เขียน") == "ภาษาเขียน")
    #expect(left("東京", "都庁", "前") == "東京前")
  }

  @Test func oneLineBreakOrBlankStays() {
    #expect(left("a", "\n\nb\n\n", "c") == "a\nc")
    #expect(left("a.", " b. ", "c") == "a. c")
    #expect(left("a. ", "b. ", "c") == "a. c")
    #expect(left("", "b. ", "c") == "c" && left("a", " b.", "") == "a")
    #expect(left("甲。", "　乙。", "丙") == "甲。　丙")
    #expect(left("甲", "乙 and 丙", "丁") == "甲丁")
  }

  /// What is longer than a word, such as encoded data, is cut between characters, in time that grows with the text.
  @Test func longRunsAreCut() {
    let run = String(repeating: "QUJD", count: 50)
    #expect(left(run, run, run) == run + run)
    let marks = String(repeating: "\u{301}", count: 100_000)
    #expect(left("e", marks, "x").unicodeScalars.count == 100_002)
  }
}
