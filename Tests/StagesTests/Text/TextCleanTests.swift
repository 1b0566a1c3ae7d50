import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct TextCleanTests {
  func run(_ texts: [String], _ options: JSONValue = [:], base: String = "/") throws -> StageHarness {
    let harness = try StageHarness(TextClean.self, options: options, base: base)
    try harness.add(documents: [texts.enumerated().map { Document(id: "\($0.offset)", text: $0.element) }])
    return try harness.run()
  }

  @Test func dropsShortDocumentsWithReasonAndThreshold() throws {
    let harness = try StageHarness(TextClean.self, options: ["minimumBytes": 4])
    try harness.add(documents: [[Document(id: "a", text: "あいう"), Document(id: "b", text: "　x　")]])
    try harness.run()
    #expect(try harness.documents().map(\.idString) == ["a"])
    #expect(try harness.drops() == [.init(id: "b", reason: "too-short", value: 1, threshold: 4)])
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func cleansByDefault() throws {
    let harness = try run(["　ｶﾞｲﾄﾞは（）https://example.jp/ で。\r\n\r\n\r\nシェアする\n"])
    #expect(try harness.documents().map(\.textString) == ["ガイドは で。"])
    #expect(harness.metrics["documents-changed"] == 1)
    #expect(harness.metrics["characters-urls"] == 19)
    #expect(harness.metrics["characters-brackets"] == 2)
  }

  @Test func dropsWhatNothingIsLeftOf() throws {
    let harness = try run(["ホーム\nログイン", "本文"])
    #expect(try harness.drops().map(\.reason) == ["too-short"])
  }

  @Test func mojibakeIsDroppedAboveItsShare() throws {
    let text = String(repeating: "山", count: 99) + "\u{FFFD}"
    #expect(try run([text]).drops().isEmpty)
    #expect(try run([text + "\u{FFFD}"]).drops().map(\.reason) == ["mojibake"])
    #expect(try run([text + "\u{FFFD}"], ["maximumMojibakeFraction": .null]).drops().isEmpty)
  }

  @Test func optionsTurnRulesOff() throws {
    let text = "　Ａ（）　http://a.jp\u{200B}\n\n\nホーム"
    let off: JSONValue = [
      "nfkc": false, "punctuation": false, "whitespace": false, "controls": false, "urls": "keep",
      "emptyBrackets": false, "boilerplate": false,
    ]
    #expect(try run([text], off).documents().map(\.textString) == [text])
    let masked = try run(["a@b.jp 03-1234-5678 http://a.jp"], ["urls": "token", "emails": "token", "phones": "token"])
    #expect(try masked.documents().map(\.textString) == ["<email> 03-1234-XXXX <url>"])
  }

  @Test func ownBoilerplateLists() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("喫茶店だより\n毎週更新\n".utf8), to: folder + "/site.txt")
    let harness = try run(["喫茶店だより\n豆の話。\n毎週更新 | ホーム"], ["boilerplateLists": "site.txt"], base: folder)
    #expect(try harness.documents().map(\.textString) == ["豆の話。"])
  }
}
