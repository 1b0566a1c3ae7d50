import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

private let hasMeCab = (try? NounCensus()) != nil

@Suite struct NounShareTests {
  private func run(_ texts: [String], _ options: JSONValue) throws -> StageHarness {
    let harness = try StageHarness(FilterQuality.self, options: options)
    try harness.add(documents: [texts.enumerated().map { Document(id: "\($0.offset)", text: $0.element) }])
    return try harness.run()
  }

  private func share(_ text: String) throws -> Double {
    try Array(text.utf8).withUnsafeBufferPointer { try NounCensus().share($0) }
  }

  @Test(.needs(hasMeCab, "needs MeCab with a dictionary")) func listsOfNounsAreDropped() throws {
    let texts = ["林檎、蜜柑、葡萄、桃", "昨日は雨が降ったので、家で本を読んでいました。", "。。。"]
    let options: JSONValue = ["preset": "none", "maximumNounFraction": .number(0.8)]
    let drops = try run(texts, options).drops()
    #expect(drops == [.init(id: "0", reason: "maximum-noun-fraction", value: 1, threshold: 0.8)])
    #expect(try run([texts[1]], ["preset": "hojichar"]).measureNames.contains("nounFraction"))
  }

  /// Signs are no words, lines are read apart, and no character is cut in two.
  @Test(.needs(hasMeCab, "needs MeCab with a dictionary")) func linesAndLongTextsCountAlike() throws {
    let sentence = "雨が降る。"
    let one = try share(sentence)
    #expect(one == 1.0 / 3)
    #expect(try share("\(sentence)\n\n\(sentence)\n") == one)
    #expect(try share("") == 0 && share("\n") == 0)
    let long = String(repeating: sentence, count: 20_000)
    #expect(try abs(share(long) - one) < 0.001)
    #expect(try share("a" + String(repeating: "𠮷", count: 40_000)) > 0)
  }

  /// Planning says what is missing, before anything runs.
  @Test func aMissingDictionaryIsSaidWithWhatToDo() throws {
    let options: JSONValue = ["preset": "hojichar", "mecabDictionary": "/no/such/dictionary"]
    let error = #expect(throws: StageError.self) { try run(["雨"], options) }
    #expect(error?.code == .environment)
    #expect(error?.description.hasPrefix("maximumNounFraction: MeCab ") == true)
    #expect(error?.description.contains("apt-get install") == true)
    #expect(error?.description.contains("set \"maximumNounFraction\": null") == true)
    let without: JSONValue = [
      "preset": "hojichar", "mecabDictionary": "/no/such/dictionary", "maximumNounFraction": .null,
    ]
    #expect(throws: Never.self) { try run(["雨"], without) }
  }
}

extension StageHarness {
  fileprivate var measureNames: [String] {
    let json = files("measures").first.flatMap { try? JSONValue.parse(FileSystem.read($0.path)).value }
    return json?.members?.map(\.key) ?? []
  }
}
