import TextKit
import TestKit
import Testing

@Suite struct TextCleanerTests {
  func cleaned(_ text: String, _ change: (inout CleaningRules) -> Void = { _ in }) -> String {
    var rules = CleaningRules()
    change(&rules)
    var cleaner = TextCleaner(rules)
    var bytes = Array(text.utf8)
    cleaner.clean(&bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  // MARK: Characters

  @Test func dakutenAreComposedAndNeverLost() {
    #expect(cleaned("か\u{3099}き\u{3099}は\u{309A}") == "がぎぱ")
    #expect(cleaned("ｶﾞｷﾞﾊﾟｳﾞｰ") == "ガギパヴー")
    #expect(cleaned("バスとパスとハス").unicodeScalars.count == 8)
  }

  @Test(arguments: [
    ("愛゛の゛音である。", "愛゛の゛音である。"), ("あ゛と叫んだ。", "あ゛と叫んだ。"), ("か゛は゜ヒ゛ウ゛", "がぱビヴ"), ("ゝ゛ヽ゛", "ゞヾ"),
    ("ｱﾞｯﾞﾝﾟ", "ア゛ッ゛ン゜"), ("ﾞは", "゛は"), ("愛ﾞ", "愛゛"), ("かﾞ", "が"), ("「゛」と゜", "「゛」と゜"), ("あ゛゛゛", "あ゛゛゛"),
    ("セ\u{309A}", "セ\u{309A}"), ("あ\u{3099}", "あ\u{3099}"), ("゛゜", "゛゜"), ("が゛", "が゛"),
    ("(´・ω・`)", "(´・ω・`)"), ("(￣ー￣)", "(￣ー￣)"), ("¨と¸と˘と‾", "¨と¸と˘と‾"), ("e\u{301}", "é"),
  ])
  func marksByThemselvesComposeOrStay(_ text: String, _ expected: String) {
    #expect(cleaned(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  @Test func fullWidthLettersBecomeASCIIOnlyWithNFKC() {
    #expect(cleaned("Ｓｗｉｆｔ６") == "Swift6")
    #expect(cleaned("Ｓｗｉｆｔ６") { $0.nfkc = false } == "Ｓｗｉｆｔ６")
  }

  @Test func marksThatAnInvisibleCharacterKeptApartCompose() {
    #expect(cleaned("か\u{200B}\u{3099}") == "が")
  }

  @Test(arguments: [
    ("雨\u{0}が\u{7}降る\u{7F}", "雨が降る"), ("空\u{200B}白\u{FEFF}な\u{AD}し", "空白なし"),
    ("右\u{202E}左\u{2066}", "右左"), ("\u{9D}制御\u{FFFE}", "制御"), ("a\u{200C}b", "ab"),
    ("👩\u{200D}👧", "👩\u{200D}👧"), ("葛\u{E0100}", "葛\u{E0100}"),
  ])
  func invisibleCharactersGo(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  // MARK: White space

  @Test(arguments: [
    ("　一　　二 \t三　", "一 二 三"), ("一\r\n二\r三\u{2028}四\u{B}五", "一\n二\n三\n四\n五"),
    ("\n\n一\n\n\n\n二\n \n　\n三\n\n", "一\n\n二\n\n三"), ("一\u{A0}\u{2003}二", "一 二"), ("  \n 　", ""),
  ])
  func spacesAndLinesAreTidied(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  @Test func whitespaceStaysWithoutTheRule() {
    #expect(cleaned(" 一  二\n\n\n三 ") { $0.tidiesWhitespace = false } == " 一  二\n\n\n三 ")
  }

  // MARK: Punctuation

  @Test func theMajorityOfPunctuationWins() {
    #expect(cleaned("雨が，雪が，風が．止んだ、朝．") == "雨が、雪が、風が。止んだ、朝。")
    #expect(cleaned("雨が，雪が、風が、止んだ。") == "雨が,雪が、風が、止んだ。")
  }

  @Test func numbersAndNamesKeepTheirPunctuation() {
    #expect(cleaned("人口は，１，０００，０００人，面積は３．１４である．Ｕ．Ｓ．Ａ") == "人口は、1,000,000人、面積は3.14である。U.S.A")
  }

  // MARK: Addresses

  @Test(arguments: [
    ("詳細は https://example.jp/a?b=c#d を見る", "詳細は を見る"), ("地図（http://example.jp/）も", "地図も"),
    ("見よhttps://example.jp/日本。", "見よ日本。"), ("「www.example.co.jp」へ", "へ"), ("HTTP://EXAMPLE.JP.", "."),
    ("比は1:2://で", "比は1:2://で"), ("http:// だけ", "http:// だけ"), ("ewww.x", "ewww.x"),
    ("(http://example.jp/a_(b))", ""), ("xhttp://example.jp", "xhttp://example.jp"),
  ])
  func urlsAreRemoved(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  @Test func urlsMayStayOrBecomeATag() {
    #expect(cleaned("例 https://example.jp/x。") { $0.urls = .keep } == "例 https://example.jp/x。")
    #expect(cleaned("例 https://example.jp/x。") { $0.urls = .mask } == "例 <url>。")
  }

  @Test(arguments: [
    ("連絡はtaro.yamada+news@mail.example.co.jpまで", "連絡は<email>まで"), ("ａ＠ｅｘａｍｐｌｅ．ｊｐ", "<email>"),
    ("時刻@場所", "時刻@場所"), ("@example.jp", "@example.jp"), ("a@localhost", "a@localhost"), ("a@1.2", "a@1.2"),
  ])
  func emailsAreMasked(_ text: String, _ expected: String) {
    #expect(cleaned(text) { $0.emails = .mask } == expected)
    #expect(cleaned("a@example.jp") == "a@example.jp")
  }

  @Test(arguments: [
    ("電話03-1234-5678まで", "電話03-1234-XXXXまで"), ("0120-123-456", "0120-12X-XXX"), ("09012345678", "0901234XXXX"),
    ("(06)1234-5678", "(06)1234-XXXX"), ("+81-90-1234-5678", "+81-90-1234-XXXX"), ("０９０－１２３４－５６７８", "090-1234-XXXX"),
    ("2019-08-18", "2019-08-18"), ("番号1234567890123", "番号1234567890123"), ("x0901234567890", "x0901234567890"),
    ("0.1234567890", "0.1234567890"), ("00-1234-5678", "00-1234-5678"),
    ("ISBN 978-4-00-310101-8", "ISBN 978-4-00-310101-8"),
  ])
  func phonesAreMasked(_ text: String, _ expected: String) { #expect(cleaned(text) { $0.phones = .mask } == expected) }

  // MARK: Brackets

  @Test(arguments: [
    ("東京（）は", "東京は"), ("東京（ 、 ）は", "東京は"), ("「『』」と【】〔〕〈〉《》", "と"), ("（（））", ""), ("（、英: x）", "(英: x)"),
    ("（おいで、）と", "(おいで、)と"), ("main()を呼ぶ", "main()を呼ぶ"), ("f(g())", "f(g())"), ("（\n）", "(\n)"), ("「」", ""),
    ("（甲）", "(甲)"),
  ])
  func emptyBracketsGo(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  // MARK: Boilerplate

  @Test func navigationAndCopyrightAtTheEndsGo() {
    let page =
      "トップページ > ブログ\nホーム | 会社概要｜お問い合わせ\nコーヒーの話\n\n豆は毎朝挽く。\n\n続きを読む\nツイート シェア\nCopyright © 2020 Kissa All Rights Reserved."
    // ブログ is no phrase, so its row stays, and so does all that is not boilerplate as a whole line.
    #expect(cleaned(page) == "トップページ > ブログ\nコーヒーの話\n\n豆は毎朝挽く。")
    #expect(cleaned(page) { $0.boilerplate = nil } == page.replacing("｜", with: "|"))
  }

  @Test(arguments: [
    "©山田", "© Yamada", "©2020", "COPYRIGHT 山田", "　Copyright山田", "(C) 2020 山田", "（ｃ） １９９９", "Powered By 山田",
    "山田 All Rights Reserved", "山田　ALL RIGHTS RESERVED.", "[続きを読む]", "＞ホーム", "Ｈｏｍｅ",
  ])
  func noticesGoWhateverFollowsOrPrecedes(_ line: String) { #expect(cleaned("本文です。\n" + line) == "本文です。") }

  @Test func boilerplateInTheMiddleAndInSentencesStays() {
    let body = (1...30).map { "\($0)行目の文章です。" }.joined(separator: "\n")
    let text = body + "\nホーム\n" + body
    #expect(cleaned(text) == text)
    #expect(cleaned("続きを読む気がしない。") == "続きを読む気がしない。")
  }

  @Test func whatIsUncoveredIsCleanedToo() {
    let rows = Array(repeating: "ホーム", count: 20).joined(separator: "\n")
    #expect(cleaned(rows + "\n本文です。\n" + rows) == "本文です。")
  }

  // MARK: Properties

  @Test func countsCharactersByRule() {
    var cleaner = TextCleaner(CleaningRules())
    var text = Array("甲（）　　乙\u{200B}http://a.jp/丙".utf8)
    cleaner.clean(&text)
    #expect(String(decoding: text, as: UTF8.self) == "甲 乙丙")
    #expect(cleaner.counts[.brackets] == 2)
    #expect(cleaner.counts[.urls] == 12)
    #expect(cleaner.counts[.controls] == 1)
    #expect(cleaner.counts[.whitespace] == 1)
  }

  @Test func noRulesChangeNothing() {
    let text = "　ａ（）\u{0}  http://a.jp\r\n\n\nホーム"
    #expect(cleaned(text) { $0 = .none } == text)
  }

  /// Texts of the pieces that the rules look for, in any order.
  static func randomText(_ random: inout some RandomNumberGenerator) -> String {
    let pieces = [
      " ", "　", "\n", "\r\n", "\t", "\u{200B}", "\u{200D}", "\u{3099}", "゛", "ﾞ", "´", "か", "ハ", "ー", "＠", "ｗｗｗ", "：／／",
      "TEL", "03-1234-", "5678", "ﾊ", "ﾟ", "（", "）", "(", ")", "「",
      "」", "、", "，",
      "．", "。", ",", ":", "http", "://", "https://", "www.", "a", "x.jp", "@", ".", "/", "0", "90", "-", "1234", "+81",
      "ホーム", "続きを読む", "|",
      ">", "©", "漢", "𠮷", "👩", "\u{FE0F}", "\u{85}", "\u{FFFD}", "é", "e\u{301}", "가", "\u{1100}\u{1161}", "①", "㍿",
      "\u{0}", "w", "ww.", "<",
    ]
    let count = Int.random(in: 0..<60, using: &random)
    return (0..<count).map { _ in pieces.randomElement(using: &random)! }.joined()
  }

  /// However many lines of boilerplate, and brackets around one address.
  @Test func aSecondCleaningFindsNothing() {
    let rows = String(repeating: "ホーム\n\nトップページ | シェア\n", count: 200)
    let lines = (1...9).map { "本文の\($0)行目である。\n" }.joined()
    for text in [
      rows + lines + rows, rows, lines + rows, "一\n二\n" + rows + "三\n四",
      "本文" + String(repeating: "（", count: 60) + "https://a.jp" + String(repeating: "）", count: 60) + "である。",
      "本文" + String(repeating: "「（", count: 60) + String(repeating: "）」", count: 60) + "である。",
    ] {
      var cleaner = TextCleaner(CleaningRules())
      var once = Array(text.utf8)
      cleaner.clean(&once)
      var twice = once
      let changed = cleaner.clean(&twice)
      #expect(!changed, "\(String(decoding: once, as: UTF8.self))")
      #expect(!String(decoding: once, as: UTF8.self).contains("ホーム"))
    }
    #expect(cleaned(rows + lines + rows) == lines.dropLast())
  }

  @Test func cleaningACleanTextChangesNothingAndOutputIsUTF8() {
    var random = SplitMix(seed: 20)
    for round in 0..<2500 {
      var rules = CleaningRules()
      rules.emails = round % 3 == 0 ? .mask : round % 3 == 1 ? .remove : .keep
      rules.phones = round % 2 == 0 ? .mask : .remove
      rules.urls = round % 5 == 0 ? .mask : .remove
      rules.nfkc = round % 7 != 0
      rules.tidiesWhitespace = round % 11 != 0
      rules.boilerplateLines = 2
      var cleaner = TextCleaner(rules)
      let text = Self.randomText(&random)
      var once = Array(text.utf8)
      cleaner.clean(&once)
      #expect(String(validating: once, as: UTF8.self) != nil, "\(text.debugDescription)")
      var twice = once
      let changed = cleaner.clean(&twice)
      #expect(!changed && twice == once, "\(text.debugDescription)")
    }
  }

  @Test func brokenBytesDoNotTrap() {
    var random = SplitMix(seed: 4)
    var cleaner = TextCleaner(CleaningRules())
    var plain = TextCleaner(
      {
        var rules = CleaningRules(); rules.nfkc = false; return rules
      }())
    for _ in 0..<2000 {
      let lead: [UInt8] = [0xE3, 0xEF, 0xE2, 0xF0, 0x80, 0xBC, 0x20, 0x0A, 0x28, 0x29, 0x3A, 0x2F, 0x40, 0x30]
      var bytes = (0..<Int.random(in: 0..<20, using: &random)).map { _ in lead.randomElement(using: &random)! }
      var again = bytes
      cleaner.clean(&bytes)
      plain.clean(&again)
      #expect(String(validating: bytes, as: UTF8.self) != nil)
    }
  }

  @Test func mojibakeIsTheShareOfItsSigns() {
    func share(_ text: String) -> Double { Array(text.utf8).withUnsafeBufferPointer { Mojibake.share($0) } }
    #expect(share("") == 0)
    #expect(share("縺薙ｌ縺ｯ") == 0.4)
    #expect(share("ab\u{FFFD}d") == 0.25)
    #expect(share("吾輩は猫である。") == 0)
  }
}
