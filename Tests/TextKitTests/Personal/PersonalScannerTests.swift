import TestKit
import Testing
import TextKit

@Suite struct PersonalScannerTests {
  private static let all = PersonalScanner(PersonalKind.allCases)

  /// What is found, as `kind:text`.
  private func found(_ text: String, _ scanner: PersonalScanner = all) -> [String] {
    let bytes = Array(text.utf8)
    return scanner.scan(text).map { "\($0.kind.name):" + String(decoding: bytes[$0.range], as: UTF8.self) }
  }

  // Found in real texts.
  @Test(arguments: [
    "J. Phys. Soc. Jpn. 88, 024004 (2019)", "ISBN 0415949718", "[^0123456789]", "（踊り字）、面区点番号1-2-22",
    "市区町村の人口規模別にその傾向を見たものが図表1-1-3-18である", "ServerManager.exe_StrongName\\6.2.0.0\\user.config",
    "最大 IOPS 120 240 500 2300 5000 7500 7500", "2002::/16 で始まるアドレス", "tel:888-888-8888", "mask('(999) 999-9999')",
    "https://c183baa23371@sentry.kumo.com/5557", "ftp://hana:himitsu@kumo.jp/", #"https:\/\/c183baa2@kumo.com"#,
    "新潟県柏崎市震度5弱", "東京都世田谷区の宅地476平方メートル", "滋賀県長浜市の国道8号線", "宮崎県宮崎市の西北西40 km",
    "大阪府豊中市宮山町\n9 大龍寺", "福島県大熊町の東京電力福島第1原発", "岐阜県郡上市長滝で83 cm",
    #"content="2226220344374044"/>"#, "+9、GMT+0", "〒のあと", "@", "[at]", "::", "0", "+", "1.2.3.", "丁目", "番地",
  ])
  func nothing(text: String) { #expect(found(text) == []) }

  @Test(arguments: [
    ("静岡県立葵文庫として静岡市追手町249番地に開館した。", ["address:静岡市追手町249番地"]),
    ("住所京都市東山区粟田口華頂町1番地客室数 501室", ["address:京都市東山区粟田口華頂町1番地"]),
    ("宇治東内45番地26開館時間900", []),
    ("〒630　奈良県奈良市登大路町10-6", ["address:〒630　奈良県奈良市登大路町10-6"]),
    ("〒484-0081 犬山市犬山御門先1", ["address:〒484-0081 犬山市犬山御門先1"]),
    ("〒606-8225　京都府京都市左京区田中門前町103　電話.075-781-9171", ["address:〒606-8225　京都府京都市左京区田中門前町103", "phone:075-781-9171"]),
    ("木津川台9丁目6番京都府相楽郡精華町精華台7丁目5-1", ["address:木津川台9丁目6番", "address:京都府相楽郡精華町精華台7丁目5-1"]),
  ])
  func places(text: String, expected: [String]) { #expect(found(text) == expected) }

  /// Rows of tables, with other things beside what is personal.
  @Test(arguments: [
    ("|suzuki@gmail.com|tanaka@yahoo.co.jp|", ["mail:suzuki@gmail.com", "mail:tanaka@yahoo.co.jp"]),
    ("tanaka@example.com|suzuki@gmail.com", ["mail:suzuki@gmail.com"]),
    ("a1@gmail.com&b2@gmail.com#c3@gmail.com", ["mail:a1@gmail.com", "mail:b2@gmail.com", "mail:c3@gmail.com"]),
    ("https://acme.co.jp,090-1234-5678,担当", ["phone:090-1234-5678"]),
    ("https://acme.co.jp;tanaka@gmail.com", ["mail:tanaka@gmail.com"]),
    ("https://acme.co.jp/contact,03-1234-5678", ["phone:03-1234-5678"]),
    ("カード番号 4539148803436467 12/27", ["card:4539148803436467"]),
    ("カード番号 4539 1488 0343 6467 12/27", ["card:4539 1488 0343 6467"]),
    ("マイナンバー 123456789018 1980年", ["my-number:123456789018"]),
    ("口座番号 1234567 03-1234-5678", ["bank-account:1234567", "phone:03-1234-5678"]),
  ])
  func whatStandsBesideOtherThings(text: String, expected: [String]) { #expect(found(text) == expected) }

  /// A mail address whose local part looks like a telephone number is one span.
  @Test func digitsOfMailAddressesAreNoPhones() {
    #expect(found("09001234567@docomo.ne.jp") == ["mail:09001234567@docomo.ne.jp"])
    #expect(found("090-0123-4567@kumo.jpと090-0123-4567") == ["mail:090-0123-4567@kumo.jp", "phone:090-0123-4567"])
  }

  @Test func exemptionsAreOptions() {
    var strict = PersonalExemptions()
    strict.exampleDomains = false
    strict.serviceNumbers = false
    strict.specialNetworks = false
    strict.testCards = false
    let text = "a@example.com 0120-444-444 192.168.1.1 fe80::1 カード4111 1111 1111 1111"
    #expect(found(text) == [])
    #expect(
      found(text, PersonalScanner(PersonalKind.allCases, exemptions: strict)) == [
        "mail:a@example.com", "phone:0120-444-444", "ip:192.168.1.1", "ip:fe80::1", "card:4111 1111 1111 1111",
      ])
    var roles = PersonalExemptions()
    roles.roleAddresses = true
    #expect(found("info@kumo.jp", PersonalScanner([.mail], exemptions: roles)) == [])
    #expect(found("info@kumo.jp 03-0123-4567", PersonalScanner([.phone])) == ["phone:03-0123-4567"])
  }

  /// Spans are in order, do not overlap and begin and end at characters, whatever the text is; and long runs of what
  /// starts something take time linear in their length, or this would not end.
  @Test func hostileTexts() throws {
    var random = SplitMix(seed: 5)
    let pieces = [
      "0", "９", "-", "－", "ー", " ", "　", "\n", "+", "81", "(", ")", "（", "@", "＠", "[at]", "a", "．", ".", ":", "::",
      "/",
      "〒", "東京都", "市", "区", "町", "丁目", "番地", "番", "号", "一", "京都", "ビル", "\u{0}", "\u{301}", "𠮷", "é", "銀行", "普通", "記号",
      "4111111111111111", "123", "1.2.3.4", "http://", "%40", "jp", "日本",
    ]
    var spans: [PersonalSpan] = []
    for _ in 0..<300 {
      let text = (0..<Int(random.next() % 30)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }.joined()
      try check(Array(text.utf8), &spans)
    }
    for piece in pieces { try check(Array(String(repeating: piece, count: 1000).utf8), &spans) }
    // Malformed UTF-8.
    for _ in 0..<300 {
      let bytes = (0..<Int(random.next() % 40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      bytes.withUnsafeBufferPointer { Self.all.scan($0, into: &spans) }
    }
  }

  private func check(_ text: [UInt8], _ spans: inout [PersonalSpan]) throws {
    text.withUnsafeBufferPointer { Self.all.scan($0, into: &spans) }
    var end = 0
    for span in spans {
      let isOrdered = span.range.lowerBound >= end && !span.range.isEmpty && span.range.upperBound <= text.count
      try #require(isOrdered, "\(String(decoding: text, as: UTF8.self))")
      let isWhole = String(validating: text[span.range], as: UTF8.self) != nil
      try #require(isWhole, "\(String(decoding: text, as: UTF8.self))")
      end = span.range.upperBound
    }
  }
}
