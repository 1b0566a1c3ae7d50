import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

@Suite struct FilterQualityTests {
  func run(_ texts: [String], _ options: JSONValue, base: String = "/") throws -> StageHarness {
    let harness = try StageHarness(FilterQuality.self, options: options, base: base)
    try harness.add(documents: [texts.enumerated().map { Document(id: "\($0.offset)", text: $0.element) }])
    return try harness.run()
  }

  /// Each rule with a text that just passes, one that just fails, and the threshold between.
  static let cases: [(rule: QualityRule, passes: String, fails: String, threshold: Double)] = [
    (.minimumCharacters, "あ𠮷う", "あい", 3), (.maximumCharacters, "あいう", "あいうえ", 3),
    (.minimumJapaneseCharacters, "ー𠮷。", "ー𠮷.", 3), (.minimumJapaneseFraction, "あa", "あab", 0.5),
    (.minimumHiraganaFraction, "あい漢a", "あ漢ab", 0.5), (.minimumHiraganaOfJapanese, "あ漢abc", "あ漢字ab", 0.5),
    (.maximumKatakanaOfJapanese, "カ漢", "カー漢", 0.5), (.minimumLeadingKana, "a漢か", "a漢b", 1),
    (.minimumKutenFraction, "雨だ。夜", "雨だよ。夜", 0.25), (.maximumSpecialFraction, "★あ", "★★あ", 0.5),
    (.maximumLineBreakAndSpaceFraction, "あ い\nう", "あ \nい", 0.4), (.maximumCharacterRun, "あああ", "ああああ", 3),
    (.maximumLinkFraction, "あいうえおかきくhttp://a", "あいうえおかきhttp://a", 0.5),
    (.maximumDuplicateLineFraction, "甲\n甲", "甲\n甲\n甲", 0.5),
    (.maximumDuplicateLineCharacterFraction, "甲甲\n甲甲", "甲甲\n甲甲\n甲甲", 0.5),
    (.maximumDuplicateSentenceFraction, "雨。雨。", "雨。雨。雨。", 0.5),
    (.maximumDuplicateSentenceCharacterFraction, "雨。雨。", "雨。雨。雨。", 0.5),
    (.minimumMeanSentenceLength, "雨だ。", "雨。", 3), (.maximumMeanSentenceLength, "雨だ。", "雨だよ。", 3),
    (.maximumSentenceLength, "雨だ。雪。", "雨。雪だよ。", 3), (.maximumEllipsisSentenceFraction, "雨…\n雪。", "雨…\n雪…\n風。", 0.5),
    (.maximumEllipsisLineFraction, "雨...\n雪。", "雨...\n雪…\n風。", 0.5),
    (.maximumShortLineFraction, "一二三四五六七八九十甲\n短い", "短い\n短め", 0.5),
    (.maximumTinyLineCharacterFraction, "一二三四五\n一二三四五六", "一二三四五\n一二三四五", 0.5),
    (.maximumAdPhrases, "送料無料、激安", "送料無料、激安、激安", 2), (.maximumForumSigns, "コメント(日)", "コメント(日)レビュー", 2),
    (.maximumTop2Gram, "ああいう", "あああいう", 0.4), (.maximumTop3Gram, "あああいう", "ああああいう", 0.4),
    (.maximumTop4Gram, "ああああいう", "あああああいう", 0.4),
    (.maximumDuplicate5Gram, "12345x12345", "123456x123456", 0.2),
    (.maximumDuplicate6Gram, "123456x123456", "1234567x1234567", 0.2),
    (.maximumDuplicate7Gram, "1234567x1234567", "12345678x12345678", 0.2),
    (.maximumDuplicate8Gram, "12345678x12345678", "123456789x123456789", 0.12),
    (.maximumDuplicate9Gram, "123456789x123456789", "123456789ax123456789a", 0.12),
    (.maximumDuplicate10Gram, "123456789ax123456789a", "123456789abx123456789ab", 0.12),
    (.maximumFrequent5Gram, "12345x12345", "12345x12345x12345", 0.3),
    (.maximumRepeatedWord7Gram, "a.b.c.d", "a.b.c.d.a.b.c.d", 0.1),
    (.minimumLZ4Ratio, "雨にも負けず", String(repeating: "雨", count: 60), 0.5),
    (.maximumLZ4Ratio, String(repeating: "雨", count: 60), "雨にも負けず", 0.5),
    (.minimumZlibRatio, "雨にも負けず", String(repeating: "雨", count: 60), 0.5),
    (.maximumZlibRatio, String(repeating: "雨", count: 60), "雨にも負けず", 0.5),
  ]

  @Test(arguments: cases)
  func aRuleDropsJustBeyondItsThreshold(
    _ rule: QualityRule, _ passes: String, _ fails: String, _ threshold: Double
  ) throws {
    let options = JSONValue.object([JSONMember("preset", "none"), JSONMember(rule.rawValue, .number(threshold))])
    let harness = try run([passes, fails], options)
    #expect(try harness.documents().map(\.textString) == [passes])
    let drop = try #require(try harness.drops().first)
    #expect(drop.reason == rule.reason)
    #expect(drop.threshold == threshold)
    #expect(!rule.passes(try #require(drop.value), threshold))
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func reasonsAreTheOptionsNames() {
    #expect(QualityRule.minimumHiraganaFraction.reason == "minimum-hiragana-fraction")
    #expect(QualityRule.maximumNGCharacterFraction.reason == "maximum-ng-character-fraction")
    #expect(QualityRule.maximumTop2Gram.reason == "maximum-top-2-gram")
    #expect(QualityRule.minimumLZ4Ratio.reason == "minimum-lz4-ratio")
    #expect(Set(QualityRule.allCases.map(\.reason)).count == QualityRule.allCases.count)
  }

  @Test func everyRuleIsTestedButThoseThatNeedAList() {
    let tested = Set(Self.cases.map(\.rule))
    #expect(
      Set(QualityRule.allCases).subtracting(tested) == [
        .maximumNGWords, .maximumNGCharacterFraction, .maximumNounFraction,
      ])
  }

  @Test func ngWordsComeFromFiles() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("\u{FEFF}アス\r\n\r\nだめ語\n".utf8), to: folder + "/ng.txt")
    let texts = ["アスパラガスを茹でる", "だめ語である", "アスに行く"]
    let words = try run(texts, ["preset": "none", "ngWords": "ng.txt", "maximumNGWords": 0], base: folder)
    #expect(try words.documents().map(\.textString) == ["アスパラガスを茹でる"])
    #expect(try words.drops().map(\.reason) == ["maximum-ng-words", "maximum-ng-words"])
    let share = try run(
      texts, ["preset": "none", "ngWords": .strings(["ng.txt"]), "maximumNGCharacterFraction": .number(0.4)],
      base: folder)
    #expect(try share.drops().map(\.id) == ["1"])
  }

  @Test func ownPhraseListsReplaceTheBuiltInOnes() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("喫茶\n".utf8), to: folder + "/ads.txt")
    let harness = try run(
      ["喫茶", "送料無料"], ["preset": "none", "adPhrases": "ads.txt", "maximumAdPhrases": 0], base: folder)
    #expect(try harness.drops().map(\.id) == ["0"])
  }

  @Test func aListThatIsNotUTF8IsAnError() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write([0x61, 0x0A, 0x83, 0x41], to: folder + "/ng.txt")
    #expect(throws: StageError.self) { try run(["あ"], ["ngWords": "ng.txt"], base: folder) }
  }

  // MARK: Presets

  @Test func presetsHaveThePublishedNumbers() {
    let swallow = QualityPreset.swallow.thresholds
    #expect(swallow.count == 23)
    #expect(swallow[.minimumCharacters] == 400 && swallow[.minimumJapaneseCharacters] == 400)
    #expect(swallow[.maximumDuplicateLineFraction] == 0.3 && swallow[.maximumDuplicateLineCharacterFraction] == 0.2)
    #expect(swallow[.maximumTop2Gram] == 0.2 && swallow[.maximumTop3Gram] == 0.18 && swallow[.maximumTop4Gram] == 0.16)
    #expect(swallow[.maximumDuplicate5Gram] == 0.15 && swallow[.maximumDuplicate10Gram] == 0.1)
    #expect(swallow[.minimumMeanSentenceLength] == 20 && swallow[.maximumMeanSentenceLength] == 90)
    #expect(swallow[.maximumSentenceLength] == 200 && swallow[.maximumNGCharacterFraction] == 0.05)
    let hojichar = QualityPreset.hojichar.thresholds
    #expect(hojichar[.maximumForumSigns] == 14 && hojichar[.minimumKutenFraction] == 0.01)
    #expect(hojichar[.maximumCharacterRun] == 199 && hojichar[.maximumFrequent5Gram] == 0.33)
    #expect(hojichar[.maximumNounFraction] == 0.8)
    let llmJP = QualityPreset.llmJP.thresholds
    #expect(llmJP[.minimumKutenFraction] == 0.004 && llmJP[.minimumZlibRatio] == 0.3 && llmJP[.maximumNGWords] == 3)
    #expect(QualityPreset.llmJPStrict.thresholds[.minimumKutenFraction] == 0.0125)
    #expect(QualityPreset.uzushio.thresholds[.minimumLZ4Ratio] == 0.5)
    #expect(
      QualityPreset.warpPDF.thresholds == [
        .maximumLineBreakAndSpaceFraction: 0.2, .maximumTinyLineCharacterFraction: 0.1,
      ])
    #expect(QualityPreset.none.thresholds.isEmpty)
  }

  @Test func everyGateOfAChainTightensTheOneBefore() {
    for preset in QualityPreset.allCases {
      for (looser, tighter) in zip(preset.gates, preset.gates.dropFirst()) {
        for (rule, value) in looser { #expect(rule.passes(tighter[rule]!, value), "\(preset) \(rule)") }
      }
    }
  }

  @Test func anOptionWinsOverThePresetAndNullIsOff() throws {
    let short = "短い文ですが、同じ言葉はありません。"
    #expect(try run([short], ["preset": "swallow"]).drops().first?.reason == "minimum-characters")
    let other = try run([short], ["preset": "swallow", "minimumCharacters": 3]).drops().first
    #expect(other?.reason == "minimum-japanese-characters")
    let off: JSONValue = [
      "preset": "swallow", "minimumCharacters": .null, "minimumJapaneseCharacters": .null,
      "minimumMeanSentenceLength": 1,
    ]
    #expect(try run([short], off).drops().isEmpty)
  }

  @Test func badThresholdsAreExplained() {
    #expect(throws: StageError.self) { try StageHarness(FilterQuality.self, options: ["minimumCharacters": "many"]) }
    #expect(throws: StageError.self) { try StageHarness(FilterQuality.self, options: ["minimumCharacter": 3]) }
  }

  @Test func uzushioNamesTheGateThatFailed() throws {
    let texts = ["短い", String(repeating: "いろはにほへと", count: 12)]
    let drops = try run(texts, ["preset": "uzushio"]).drops()
    #expect(drops.map(\.detail) == ["gate 1 of 3", "gate 2 of 3"])
    #expect(drops.map(\.threshold) == [200, 200])
  }

  @Test func foreignTopLevelDomainsAreDropped() throws {
    let harness = try StageHarness(
      FilterQuality.self, options: ["preset": "none", "topLevelDomains": .strings(["jp"])])
    func document(_ id: String, _ url: String) -> Document {
      Document(id: id, text: "あ", metadata: ["url": .string(url)])
    }
    try harness.add(documents: [
      [
        document("a", "https://user@Example.JP:80/x.ru"), document("b", "http://example.ru/?.jp"),
        document("c", "http://10.0.0.1/"),
        Document(id: "d", text: "あ"), document("e", "no url"),
      ]
    ])
    try harness.run()
    #expect(try harness.drops() == [.init(id: "b", reason: "top-level-domain", detail: "ru")])
  }

  // MARK: Scores and histograms

  @Test func scoringDropsNothingAndWritesEveryMeasure() throws {
    let harness = try StageHarness(FilterQuality.self, options: ["preset": "llm-jp", "mode": "score"])
    let metadata: JSONValue = ["url": "http://a.ru", "quality": "old"]
    try harness.add(documents: [[Document(id: "a", text: "雨。", metadata: metadata), Document(id: "b", text: "")]])
    try harness.run()
    let documents = try harness.documents()
    #expect(documents.count == 2)
    let json = try JSONValue.parse(documents[0].metadata).value
    #expect(json["url"]?.string == "http://a.ru")
    #expect(json["quality"]?["characters"]?.integer == 2)
    // All but the share of nouns, which no gate of the preset asks for.
    #expect(json["quality"]?.members?.count == QualityMeasure.allCases.count)
    let missed = json["quality"]?["missed"]?.array?.compactMap(\.string)
    #expect(missed == ["top-level-domain", "minimum-leading-kana", "maximum-zlib-ratio"])
  }

  @Test func histogramsCountEveryDocumentOnceAMeasure() throws {
    let harness = try run(["あ", "あい", "あいう。"], ["preset": "none", "minimumCharacters": 2, "minimumKutenFraction": 0])
    let file = try #require(harness.files("measures").first)
    let json = try JSONValue.parse(try openSource(file.path).readAll()).value
    #expect(json["characters"]?["documents"]?.integer == 3)
    #expect(json["characters"]?["mean"]?.double == 7.0 / 3)
    #expect(json["characters"]?["maximum"]?.double == 4)
    #expect(json["kutenFraction"]?["documents"]?.integer == 2)
    let bins = json["kutenFraction"]?["bins"]?.array?.map { $0.array?.compactMap(\.double) }
    #expect(bins == [[0, 1], [0.25, 1]])
  }

  @Test func theOrderOfTasksChangesNothing() throws {
    var random = SystemRandomNumberGenerator()
    let files = (0..<5).map { f in
      (0..<20).map { d in
        let length = Int.random(in: 0..<400, using: &random)
        return Document(
          id: "\(f)-\(d)", text: String((0..<length).map { _ in "あいう。漢カ\n".randomElement(using: &random)! }))
      }
    }
    var digests: [[String: String]] = []
    for backwards in [false, true] {
      let harness = try StageHarness(
        FilterQuality.self, options: ["preset": "hojichar", "maximumNounFraction": .null])
      try harness.add(documents: files)
      digests.append(try harness.run(backwards: backwards).digests)
    }
    #expect(digests[0] == digests[1])
  }

  @Test func documentsOfOtherSourcesPassUnjudged() throws {
    let options: JSONValue = ["preset": "none", "minimumCharacters": 5, "sources": .strings(["web"])]
    let harness = try StageHarness(FilterQuality.self, options: options)
    try harness.add(documents: [
      [Document(id: "a", text: "雨", source: "web"), Document(id: "b", text: "雨", source: "books")]
    ])
    #expect(try harness.run().documents().map(\.idString) == ["b"])
    let scored = try StageHarness(FilterQuality.self, options: ["mode": "score", "sources": .strings(["web"])])
    try scored.add(documents: [[Document(id: "b", text: "雨", source: "books")]])
    #expect(try scored.run().documents()[0].metadata.isEmpty)
  }

  /// A book passes or fails by what most of its pages are like.
  @Test func longDocumentsAreMeasuredInPieces() throws {
    let page = (0..<200).map { "これは\($0)番目の文で、それぞれが少しずつ違っている。\n" }.joined()
    let long = String(repeating: "長い文が終わらずに続き、", count: 20) + "終わる。\n"
    let book = (0..<30).map { page.replacing("番目", with: "ページ\($0)の") }.joined() + long
    let options: JSONValue = ["preset": "none", "maximumSentenceLength": 200, "maximumDuplicateLineFraction": 0.3.json]
    #expect(try run([book], options).drops().map(\.reason) == ["maximum-sentence-length"])
    let pieces: JSONValue = [
      "preset": "none", "maximumSentenceLength": 200, "maximumDuplicateLineFraction": 0.3.json, "pieceBytes": 16384,
      "minimumCharacters": 50_000,
    ]
    #expect(try run([book], pieces).drops().isEmpty)
    #expect(
      try run([String(repeating: long, count: 400)], pieces).drops().map(\.reason) == [
        "maximum-duplicate-line-fraction"
      ])
    #expect(try run([page], pieces).drops().map(\.reason) == ["minimum-characters"])
  }

  @Test(arguments: [1, 3, 4096, 5000, 1 << 20]) func piecesMakeTheWhole(bytes: Int) {
    for line in ["雨。\n", "長い行", "a"] {
      Array(String(repeating: line, count: 9000).utf8).withUnsafeBufferPointer { text in
        let pieces = TextPieces.of(text, bytes: bytes)
        #expect(pieces.reduce(0) { $0 + $1.count } == text.count)
        #expect(pieces.allSatisfy { String(validating: $0, as: UTF8.self) != nil })
      }
    }
  }
}
