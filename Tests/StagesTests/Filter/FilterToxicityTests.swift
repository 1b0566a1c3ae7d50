import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct FilterToxicityTests {
  private static let texts = [
    ("asparagus", "北海道のアスパラガスは甘い。クラスの皆で食べた。"), ("listed", "このアスめ、と言った。\n二行目にもアスがある。"),
    ("none", "朝の光が台所に差し込む。"), ("inner", "部屋の隅に座る。"),
  ]

  private func run(_ options: [(String, JSONValue)]) throws -> StageHarness {
    let harness = try StageHarness(
      FilterToxicity.self,
      options: .object(([("words", .strings(["アス", "ラス", "屋"]))] + options).map { JSONMember($0.0, $0.1) }))
    try harness.add(documents: [Self.texts.map { Document(id: $0.0, text: $0.1) }])
    return try harness.run()
  }

  /// 部屋 is one word of MeCab's; by scripts, 屋 between kanji and の is not one either, as one kanji next to another.
  @Test(arguments: ["mecab", "script"]) func wholeWordsCount(boundaries: String) throws {
    let harness = try run([("boundaries", .string(boundaries))])
    #expect(try harness.documents().map(\.idString) == ["asparagus", "none", "inner"])
    #expect(try harness.drops() == [.init(id: "listed", reason: "listed-words", value: 2, threshold: 0, detail: "アス")])
  }

  @Test func thresholdsAndScores() throws {
    #expect(try run([("maximumMatches", 2)]).drops().isEmpty)
    let fraction = try run([("maximumMatches", .null), ("maximumFraction", .number(0.1))]).drops()
    #expect(fraction.map(\.reason) == ["listed-word-fraction"] && fraction[0].value! > 0.1)
    let scored = try run([("mode", "score")]).documents()
    #expect(
      try JSONValue.parse(scored[1].metadata).value["toxicity"]
        == ["matches": 2, "fraction": .number((4.0 / 23 * 1e6).rounded() / 1e6), "words": .strings(["アス"])])
  }

  /// Words of several MeCab words, and words across a line end, which are none.
  @Test func wordsOfSeveralWords() throws {
    let harness = try StageHarness(
      FilterToxicity.self, options: ["words": .strings(["悪い言葉", "台所に差し込む", "NG word"]), "mode": "score"])
    try harness.add(documents: [
      [
        Document(id: "a", text: "これは悪い言葉だ。朝の光が台所に差し込む。"), Document(id: "b", text: "悪い\n言葉"),
        Document(id: "c", text: "this is an ＮＧ word, not an NG words"),
      ]
    ])
    try harness.run()
    let counts = try harness.documents().map { try JSONValue.parse($0.metadata).value["toxicity"]?["matches"]?.integer }
    #expect(counts == [2, 0, 1])
  }

  @Test func nothingToDoIsRefused() {
    #expect(throws: StageError.self) { try StageHarness(FilterToxicity.self).run() }
    #expect(throws: StageError.self) {
      try StageHarness(FilterToxicity.self, options: ["words": .strings(["a"]), "maximumMatches": .null])
    }
  }
}
