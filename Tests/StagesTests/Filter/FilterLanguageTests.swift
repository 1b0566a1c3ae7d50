import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct FilterLanguageTests {
  static let texts = [
    "ja": "山の天気は変わりやすいので、暖かい上着と食べ物を忘れずに持って行きましょう。",
    "en": "The weather in the mountains changes quickly, so take a warm coat and something to eat.",
    "zh": "山里的天气变化很快，所以请带上保暖的外套和一些吃的东西。",
  ]

  func drops(_ text: String, _ options: JSONValue = [:]) throws -> [StageHarness.Drop] {
    let harness = try StageHarness(FilterLanguage.self, options: options)
    try harness.add(documents: [[Document(id: "a", text: text)]])
    try harness.run()
    #expect(harness.ledger.imbalance == 0)
    return try harness.drops()
  }

  @Test(arguments: [true, false])
  func keepsTheLanguagesAskedFor(_ kanaDecides: Bool) throws {
    let fast = JSONValue.bool(kanaDecides)
    #expect(try drops(Self.texts["ja"]!, ["kanaDecides": fast]).isEmpty)
    for code in ["en", "zh"] {
      let drop = try #require(try drops(Self.texts[code]!, ["kanaDecides": fast]).first)
      #expect(drop.reason == "language" && drop.value == 0 && drop.threshold == 0.5)
      #expect(drop.detail?.hasPrefix("\(code) 9") == true, "\(drop)")
      #expect(try drops(Self.texts[code]!, ["languages": .strings([code])]).isEmpty)
    }
  }

  /// Names in Latin letters are many characters and few bytes.
  @Test func scriptsAreWeighedByBytes() throws {
    let text = "Microsoft Dynamics 365 のプレビューについて、この記事では新しい機能と変更された点を紹介しています。"
    for (kanaDecides, way) in [(true, "by-script"), (false, "by-cld2")] {
      let harness = try StageHarness(FilterLanguage.self, options: ["kanaDecides": .bool(kanaDecides)])
      try harness.add(documents: [[Document(id: "a", text: text)]])
      try harness.run()
      #expect(try harness.drops().isEmpty && harness.metrics == [way: 1])
    }
  }

  @Test func sharesOfSeveralLanguagesAddUp() throws {
    let mixed = Self.texts["ja"]! + " " + Self.texts["en"]!
    #expect(try drops(mixed, ["minimumFraction": .number(0.9)]).first?.reason == "language")
    #expect(try drops(mixed, ["minimumFraction": .number(0.9), "languages": .strings(["ja", "en"])]).isEmpty)
  }

  @Test func nothingToJudgeIsUnknown() throws {
    #expect(try drops("12345").first?.detail == "unknown")
    #expect(try drops("").first?.detail == "unknown")
  }

  @Test func onlyTheSampleIsLookedAt() throws {
    let text = String(repeating: Self.texts["ja"]!, count: 10) + String(repeating: Self.texts["en"]!, count: 100)
    #expect(try drops(text).first?.reason == "language")
    #expect(try drops(text, ["sampleBytes": 1024]).isEmpty)
  }

  @Test func unsureAnswersMayBeDropped() throws {
    let text = "hotel taxi"
    #expect(try drops(text, ["languages": .strings(["ja"]), "reliableOnly": true]).count == 1)
    #expect(throws: StageErrorBox.self) {
      do { _ = try StageHarness(FilterLanguage.self, options: ["languages": .strings([])]) } catch {
        throw StageErrorBox(text: "\(error)")
      }
    }
  }

  struct StageErrorBox: Error { var text: String }
}
