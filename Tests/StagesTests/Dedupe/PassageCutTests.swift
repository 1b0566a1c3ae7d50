import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// What `dedupe.substrings` leaves of a text can be read.
@Suite struct PassageCutTests {
  private static let passage = "この記事の無断転載を禁じます。詳しくは利用規約をご覧ください。"
  private static let sentence = "The quick brown fox jumps over the lazy dog and walks home"

  /// A text that stands first, a second one that shares a passage with it, and what is left of the second.
  private static let cases = [
    // One of two line breaks stays.
    ["はじめの文\n\(passage)\nおわりの文", "まったく違う始まり\n\(passage)\n別の終わりの文", "まったく違う始まり\n別の終わりの文"],
    ["はじめの文\r\n\(passage)\r\nおわり", "違う始まり\r\n\(passage)\r\n別の終わり", "違う始まり\r\n別の終わり"],
    ["甲\(passage)\n改行を含む続き。乙", "始まり\(passage)\n改行を含む続き。終わり", "始まり\n終わり"],
    // Nothing stands beside the cut, or a line break does already.
    ["\(passage)\nおわりの文", "\(passage)\n別の終わりの文", "別の終わりの文"],
    ["甲\(passage)\n乙", "始まり\n\(passage)\n終わり", "始まり\n終わり"],
    // Characters of several code points.
    ["\(passage)か。", "\(passage)か\u{3099}続く。", "か\u{3099}続く。"],
    ["\(passage)👩。", "\(passage)👩\u{200D}👧だ。", "👩\u{200D}👧だ。"],
    ["甲\u{FE00}\(passage)", "辻\u{FE00}\(passage)", "辻\u{FE00}"],
    ["は\u{3099}\(passage)", "ほ\u{3099}\(passage)", "ほ\u{3099}"],
    // Words.
    ["She knows. \(sentence) again.", "He knew. \(sentence)ward. No.", "He knew homeward. No."],
    [
      "The understatement of the whole century was made today.",
      "An overstatement of the whole century was made indeed.",
      "An overstatement indeed.",
    ],
    ["One said: \(sentence). Then", "Another: \(sentence). But", "Another But"],
    // Japanese has no blanks to keep.
    ["甲\(sentence)乙", "丙\(sentence)丁", "丙丁"],
  ]

  private func deduplicated(
    _ files: [[Document]], backwards: Bool = false, memoryBytes: Int = 1 << 28
  ) throws -> StageHarness {
    let harness = try StageHarness(DedupeSubstrings.self, options: ["minimumCharacters": 20])
    try harness.add(documents: files)
    return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
  }

  @Test func endsOfCutsAreBoundaries() throws {
    for texts in Self.cases {
      let documents = [Document(id: "a", text: texts[0]), Document(id: "b", text: texts[1])]
      let harness = try deduplicated([documents])
      let left = try #require(try harness.documents().last)
      #expect(left.text == Array(texts[2].utf8), "\(left.textString)")
      #expect(try harness.documents()[0].text == documents[0].text && harness.ledger.imbalance == 0)
      let removed = texts[1].unicodeScalars.count - texts[2].unicodeScalars.count
      #expect(harness.metrics["characters-removed"] == Double(removed))
      #expect(harness.metrics["bytes-removed"] == Double(texts[1].utf8.count - texts[2].utf8.count))
      let others = try deduplicated([[documents[0]], [documents[1]]], backwards: true, memoryBytes: 4096)
      #expect(try others.documents() == harness.documents())
    }
  }

  /// Passages that are kept in two documents stand together, and a line break stays of the first, or of the second.
  @Test(arguments: [true, false]) func aLineBreakStaysOfPassagesOfTwoDocuments(breakIsFirst: Bool) throws {
    let broken = "\(Self.passage)\n改行を含む続きの文が、ここにもう一つあります。"
    let other = "村の古い水車は今でも静かに回り続けているのだという話である。"
    let together = breakIsFirst ? broken + other : other + broken
    let documents = [
      Document(id: "a", text: "甲\(broken)乙"), Document(id: "b", text: "丙\(other)丁"),
      Document(id: "c", text: "始まり\(together)終わり"),
    ]
    let harness = try deduplicated([documents])
    #expect(try harness.documents().last?.textString == "始まり\n終わり")
    #expect(try Set(harness.records("notes").map(\.survivor)) == ["a", "b"])
  }

  /// A part that begins later names the document that keeps its own first window.
  @Test func whatIsCutNamesItsOwnCopy() throws {
    let documents = [
      Document(id: "a", text: "She knows. \(Self.sentence) again."),
      Document(id: "b", text: "Long ago. A village far from here kept its old mill. \(Self.passage)"),
      Document(id: "c", text: "He\(Self.sentence.dropFirst(2)) again. A village far from here kept its old mill. No."),
    ]
    let harness = try deduplicated([documents])
    let notes = try harness.records("notes")
    #expect(notes.map(\.survivor) == ["a", "b"])
    #expect(try harness.documents().last?.textString == "Hee No.", "\(notes)")
  }
}
