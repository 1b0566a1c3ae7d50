import TextKit
import Testing

/// Where addresses begin and end.
@Suite struct AddressTests {
  func cleaned(_ text: String, _ change: (inout CleaningRules) -> Void = { _ in }) -> String {
    var rules = CleaningRules()
    change(&rules)
    var cleaner = TextCleaner(rules)
    var bytes = Array(text.utf8)
    cleaner.clean(&bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What full-width characters become by NFKC is no part of the address before them.
  @Test(arguments: [
    ("サイトはhttps://a.jp，Ｂ社は別である。", "サイトは<url>、B社は別である。"), ("https://a.jp！２０２０年の記事である。", "<url>!2020年の記事である。"),
    ("https://a.jp（２０２０年）を見る。", "<url>(2020年)を見る。"), ("www.a.jp，Ｂ社", "<url>、B社"), ("https://a.jp。Ｂ社", "<url>。B社"),
    ("https://a.jp、Ｂ社", "<url>、B社"), ("https://a.jp／Ｂ社", "<url>/B社"), ("https://a.jp：Ｂ社", "<url>:B社"),
    ("https://a.jp？Ｂ社か", "<url>?B社か"), ("「https://a.jp」Ｂ社", "「<url>」B社"), ("＂https://a.jp＂Ｂ社", "\"<url>\"B社"),
    ("［https://a.jp］Ｂ社", "[<url>]B社"), ("https://a.jp①Ｂ社", "<url>1B社"), ("https://a.jp…ＡＢ", "<url>...AB"),
    ("https://a.jpＢ社", "<url>B社"), ("https://a.jp㈱Ｂ", "<url>(株)B"), ("https://a.jp　Ｂ社", "<url> B社"),
    ("https://a.jp/b?c=d＆Ｂ社", "<url>&B社"), ("ftp://a.jp；Ｂ社", "<url>;B社"), ("HTTPS://A.JP，ＢＣ社", "<url>、BC社"),
    ("https://a.jp™Ｂ", "<url>TMB"), ("https://a.jp．Ｂ社", "<url>。B社"),
  ])
  func textBehindAnAddressStays(_ text: String, _ expected: String) {
    #expect(cleaned(text) { $0.urls = .mask } == expected)
    #expect(cleaned(text).hasSuffix(expected.suffix(2)))
  }

  @Test(arguments: [
    ("見よｈｔｔｐｓ：／／ａ．ｊｐ／ｂ，Ｂ社", "見よ<url>、B社"), ("ｗｗｗ．ａ．ｊｐ（Ｂ社）", "<url>(B社)"), ("ｗｗｗ．ａ．ｊｐ。Ｂ社", "<url>。B社"),
    ("http://ａ．ｊｐ，Ｂ社", "<url>、B社"), ("https：／／a.jp/x！Ｂ社", "<url>!B社"), ("www．a．jp", "<url>"), ("ｗｗｗは広い", "wwwは広い"),
  ])
  func fullWidthAddressesAreFoundAndEnd(_ text: String, _ expected: String) {
    #expect(cleaned(text) { $0.urls = .mask } == expected)
  }

  @Test(arguments: [
    ("ＵＲＬhttps://a.jp/を見る", "URL<url>を見る"), ("URLhttps://a.jp", "URL<url>"), ("xhttps://a.jp", "xhttps://a.jp"),
    ("[https://a.jp]の[1]", "[<url>]の[1]"), ("https://[::1]/a", "<url>"), ("(https://a.jp/a_(b))", "(<url>)"),
    ("https://a.jp/a(", "<url>("), ("https://a.jp://b.jp", "<url>"),
  ])
  func wordsAndBracketsAroundAddresses(_ text: String, _ expected: String) {
    #expect(cleaned(text) { $0.urls = .mask } == expected)
  }

  @Test(arguments: [
    ("info@example.jpＢ社", "<email>B社"), ("Ａ社info@example.jp，Ｂ社", "A社<email>、B社"), ("Ｂinfo@example.jp", "B<email>"),
    ("info＠example.jp", "<email>"), ("ｉｎｆｏ＠ｅｘａｍｐｌｅ．ｊｐ！Ｂ社", "<email>!B社"), ("info@example．jp", "<email>"),
    ("info@example.jp．Ｎｅｘｔ", "<email>。Next"), ("＠ｅｘａｍｐｌｅ．ｊｐ", "@example.jp"), ("a@b.c", "a@b.c"),
  ])
  func mailAddressesEndAtTheirWidth(_ text: String, _ expected: String) {
    #expect(cleaned(text) { $0.emails = .mask } == expected)
  }

  /// Nothing to find and much that looks like a beginning: linear.
  @Test func manyBeginnings() {
    for piece in ["http://", "www.", "a@", "ｗｗｗ．", "https://a.jp，", "：／／", "a@b.", "[((", "://"] {
      let text = String(repeating: piece, count: 60_000)
      #expect(cleaned(text) { $0.emails = .remove }.utf8.count <= text.utf8.count)
    }
  }
}
