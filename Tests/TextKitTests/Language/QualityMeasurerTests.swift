import CKernels
import TestKit
import Testing

@testable import TextKit

@Suite struct QualityMeasurerTests {
  let measurer = QualityMeasurer(
    .init(
      ads: PhraseMatcher(["送料無料", "激安"]), forum: PhraseMatcher(["コメント"]),
      ng: PhraseMatcher(["アス", "abc", "禁", "だめ語"])))

  func value(_ measure: QualityMeasure, _ text: String) -> Double {
    Array(text.utf8).withUnsafeBufferPointer { bytes in measurer.measuring(bytes) { measurer.value(measure) } }
  }

  @Test(
    arguments: [
      (QualityMeasure.characters, "あa漢\n", 4.0), (.characters, "𠮷野家", 3), (.characters, "", 0),
      (.japaneseCharacters, "サーバー𠮷、々。！a!", 9), (.japaneseFraction, "あa漢b", 0.5), (.japaneseFraction, "", 0),
      (.hiraganaFraction, "あいab", 0.5), (.hiraganaOfJapanese, "あ漢ab", 0.5), (.katakanaOfJapanese, "バー漢字", 0.5),
      (.leadingKana, String(repeating: "a", count: 49) + "かな", 1), (.leadingKana, "漢字", 0),
      (.kutenFraction, "雨。雪。", 0.5), (.kutenFraction, "雨．", 0), (.specialFraction, "★あ 1", 0.5),
      (.lineBreakAndSpaceFraction, "あ　\nい", 0.5), (.characterRun, "ああああい", 4), (.characterRun, "いああ", 2),
      (.linkFraction, "見よ http://a.jp", 11.0 / 14), (.linkFraction, "www.x 歩", 5.0 / 7),
    ] as [(QualityMeasure, String, Double)])
  func characters(_ measure: QualityMeasure, _ text: String, _ expected: Double) {
    #expect(value(measure, text) == expected)
  }

  @Test(
    arguments: [
      (QualityMeasure.duplicateLineFraction, "甲\n\n\n甲\n乙\n丙", 0.25),
      (.duplicateLineCharacterFraction, "甲甲\n甲甲\n乙", 0.4),
      (.duplicateSentenceFraction, "雨。雪。雨。", 1.0 / 3), (.duplicateSentenceCharacterFraction, "雨。雪だ。雨。", 2.0 / 7),
      (.meanSentenceLength, "雨だ。え！？雪", 2), (.longestSentence, "雨だよ。雪", 4), (.longestSentence, "", 0),
      (.ellipsisSentenceFraction, "雨…\n雪...\n風・\n晴れ。", 0.75), (.ellipsisLineFraction, "雨...\n雪…\n風・・・\n晴れ。", 0.75),
      (.ellipsisLineFraction, "雨…続きを読む\n雪...[もっと見る]\n風・・・ Read more »\n晴れ。続きを読む", 0.75),
      (.ellipsisLineFraction, "雨… (続きはこちら) >>\n続きを読む\n…\n話が続き", 0.5),
      (.ellipsisSentenceFraction, "この夏…続きを読む\n雪だ。", 0.5),
      (.shortLineFraction, "一二三四五六七八九十\n\n一二三四五六七八九十一", 0.5), (.tinyLineCharacterFraction, "一二三四五\n一二三四", 0.9),
      (.tinyLineCharacterFraction, "一二三四五六", 0),
    ] as [(QualityMeasure, String, Double)])
  func linesAndSentences(_ measure: QualityMeasure, _ text: String, _ expected: Double) {
    #expect(value(measure, text) == expected)
  }

  @Test(
    arguments: [
      (QualityMeasure.adPhrases, "送料無料で激安、激安！", 3.0), (.forumSigns, "コメント 2019/08/18(日) ID:eB", 4),
      (.forumSigns, "2019年 8月18日、12019-8-1、話コメントール", 1), (.ngWords, "アスパラガスとリュックサックのアス。", 1),
      (.ngWords, "ABC ａｂｃ abcd xabc", 2), (.ngWords, "禁止 禁。", 1), (.ngWords, "それはだめ語だ", 1),
      (.ngCharacterFraction, "だめ語。", 0.75),
    ] as [(QualityMeasure, String, Double)])
  func phrases(_ measure: QualityMeasure, _ text: String, _ expected: Double) {
    #expect(value(measure, text) == expected)
  }

  /// Counted in the plain way, with dictionaries.
  static func counts(_ text: [UInt32], _ n: Int) -> (GramCensus.Counts, frequent: Int) {
    var table: [[UInt32]: Int] = [:]
    for i in 0..<max(0, text.count - n + 1) { table[Array(text[i..<i + n]), default: 0] += 1 }
    var counts = GramCensus.Counts()
    counts.total = table.values.reduce(0, +)
    counts.distinct = table.count
    counts.repeatedDistinct = table.values.count { $0 > 1 }
    counts.repeatedTotal = table.values.filter { $0 > 1 }.reduce(0, +)
    counts.top = table.values.max() ?? 0
    let limit = min(Int(Double(table.count).squareRoot()), counts.repeatedDistinct)
    return (counts, table.values.sorted(by: >).prefix(limit).reduce(0, +))
  }

  @Test(arguments: levels) func gramsEqualAPlainCount(level: pl_simd_level) {
    var random = SplitMix(seed: 7)
    let census = GramCensus(level: level)
    for round in 0..<300 {
      let alphabet = UInt32(round % 9 + 1)
      let text = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
        UInt32.random(in: 0..<alphabet, using: &random)
      }
      check(census, text)
    }
  }

  private func check(_ census: GramCensus, _ text: [UInt32]) {
    census.load(text + [0], text.count)
    for n in 1...10 {
      let (counts, frequent) = Self.counts(text, n)
      #expect(census[n] == counts, "\(n)-grams of \(text.prefix(200))")
      if n <= 5 { #expect(census.frequentTotal(n) == frequent, "\(n)-grams of \(text.prefix(200))") }
    }
  }

  /// Runs of one symbol across blocks, passages far apart, and symbols of every plane.
  @Test(arguments: levels) func longGramsEqualAPlainCount(level: pl_simd_level) {
    var random = SplitMix(seed: 11)
    let census = GramCensus(level: level)
    for length in [63, 64, 65, 127, 128, 129, 200, 1000, 3000] {
      check(census, Array(repeating: 0x3042, count: length))
      check(census, (0..<length).map { UInt32($0 % 7) })
      let text = (0..<length).map { _ in UInt32.random(in: 0...UTF8Scanning.malformed, using: &random) }
      check(census, text + text.reversed() + text.prefix(length / 2) + text)
    }
  }

  /// More different symbols than 16 bits can number.
  @Test func gramsOfAHugeAlphabetEqualAPlainCount() {
    let census = GramCensus()
    let text = (0..<70_000).map { UInt32($0) } + (0..<300).map { UInt32($0 % 90) }
    check(census, text)
    check(census, [1, 2, 1, 2])
  }

  @Test func gramSharesAreThoseOfTheFormula() {
    #expect(value(.top2Gram, "あいあいあ") == 0.5)
    #expect(value(.duplicate5Gram, "あいうえおあいうえお") == 0.2)
    let occurrences = QualityMeasurer(
      .init(ads: PhraseMatcher([]), forum: PhraseMatcher([]), ng: PhraseMatcher([])), countsOccurrences: true)
    let text = Array("あいうえおあいうえお".utf8)
    let share = text.withUnsafeBufferPointer { bytes in
      occurrences.measuring(bytes) { occurrences.value(.duplicate5Gram) }
    }
    #expect(share == 2.0 / 6)
  }

  @Test func repeatedWordsCountRunsOfOneScript() {
    let row = "東京の天気は晴れ、"  // 東京 の 天気 は 晴 れ 、
    #expect(value(.repeatedWord7Gram, row) == 0)
    #expect(value(.repeatedWord7Gram, row + row) == 0.25)
  }

  @Test func compressionIsThatOfTheLibraries() {
    let text = String(repeating: "同じ文が続く。", count: 100)
    #expect(value(.zlibRatio, text) < 0.03)
    #expect(value(.lz4Ratio, text) < 0.03)
    #expect(value(.zlibRatio, "") == 0)
    // Of this text Python's zlib.compress(…, 9) makes 32 bytes.
    #expect(value(.zlibRatio, "雨にも負けず風") == 32.0 / 21)
  }

  @Test func onlyAskedTextsAreSeen() {
    #expect(value(.characters, "あ") == 1)
    #expect(value(.duplicateLineFraction, "甲\n甲") == 0.5)
    #expect(value(.duplicateLineFraction, "甲\n乙") == 0)
  }
}

@Suite struct PhraseMatcherTests {
  @Test func longestMatchWinsAndMatchesDoNotOverlap() {
    let text = DecodedText()
    Array("無料会員登録無料".utf8).withUnsafeBufferPointer { text.load($0) }
    let found = PhraseMatcher(["無料", "無料会員登録", "会員", " "]).count(text)
    #expect(found.matches == 2)
    #expect(found.characters == 8)
  }

  @Test func matchesAtTheLastCharacter() {
    let text = DecodedText()
    Array("あX".utf8).withUnsafeBufferPointer { text.load($0) }
    #expect(PhraseMatcher(["x"]).count(text).matches == 1)
    #expect(PhraseMatcher(["xy"]).count(text).matches == 0)
  }
}

@Suite struct LanguageGuessTests {
  func guess(_ text: String) -> LanguageGuess { Array(text.utf8).withUnsafeBufferPointer { LanguageGuess.cld2($0) } }

  @Test(arguments: [
    ("en", "The weather in the mountains changes quickly, so take a warm coat and something to eat."),
    ("ja", "山の天気は変わりやすいので、暖かい上着と食べ物を忘れずに持って行きましょう。"),
    ("zh", "山里的天气变化很快，所以请带上保暖的外套和一些吃的东西。"),
    ("ko", "산의 날씨는 빠르게 변하므로 따뜻한 외투와 먹을 것을 가지고 가세요."),
  ])
  func knowsTheLanguage(_ code: String, _ text: String) { #expect(guess(text).parts.first?.code == code) }

  @Test func answersForNothing() { #expect(guess("").parts.isEmpty) }

  @Test func answersAlikeOnManyThreads() async {
    let text = "山の天気は変わりやすい。 The weather changes quickly. 天气变化很快。"
    let expected = guess(text)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 { group.addTask { (0..<200).allSatisfy { _ in self.guess(text) == expected } } }
      for await same in group { #expect(same) }
    }
  }

  @Test func sharesByScript() {
    func share(_ text: String) -> (kana: Double, japanese: Double) {
      Array(text.utf8).withUnsafeBufferPointer { JapaneseScript.japanese($0) }
    }
    #expect(share("かな漢字ab 12。") == (6.0 / 14, 12.0 / 14))
    // Half-width kana, 𠮷 (four bytes), é and д (two each) are not among the common ones.
    #expect(share("ｶｰ𠮷éд") == (6.0 / 14, 10.0 / 14))
    #expect(share("123 。") == (0, 0))
  }

  @Test func samplesEndBetweenScalars() {
    let text = Array("あいう".utf8)
    text.withUnsafeBufferPointer {
      #expect(JapaneseScript.sample($0, bytes: 8).count == 6)
      #expect(JapaneseScript.sample($0, bytes: 9).count == 9)
    }
  }
}
