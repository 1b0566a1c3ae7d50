import TextKit
import Testing

@Suite struct PhoneTests {
  func cleaned(_ text: String, _ phones: CleaningRules.Treatment = .mask, nfkc: Bool = true) -> String {
    var rules = CleaningRules()
    rules.phones = phones
    rules.nfkc = nfkc
    var cleaner = TextCleaner(rules)
    var bytes = Array(text.utf8)
    cleaner.clean(&bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(arguments: [
    ("お問い合わせはTEL03-1234-5678まで。", "お問い合わせはTEL03-1234-XXXXまで。"), ("℡03-1234-5678", "TEL03-1234-XXXX"),
    ("ＴＥＬ０３－１２３４－５６７８", "TEL03-1234-XXXX"), ("Tel.03-1234-5678", "Tel.03-1234-XXXX"),
    ("FAX：03-1234-5678", "FAX:03-1234-XXXX"), ("TEL/03-1234-5678", "TEL/03-1234-XXXX"),
    ("PHS070-1234-5678", "PHS070-1234-XXXX"), ("TEL0312345678", "TEL031234XXXX"),
    ("TEL-03-1234-5678", "TEL-03-1234-XXXX"),
    ("TEL03-1234-5678FAX03-1234-5679", "TEL03-1234-XXXXFAX03-1234-XXXX"), ("T03-1234-5678", "T03-1234-XXXX"),
    ("センター03-1234-5678", "センター03-1234-XXXX"), ("唯一03-1234-5678", "唯一03-1234-XXXX"),
  ])
  func wordsBefore(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  @Test(arguments: [
    ("千代田区1-2-3 03-1234-5678", "千代田区1-2-3 03-1234-XXXX"), ("〒100-0001 03-1234-5678", "〒100-0001 03-1234-XXXX"),
    ("2024/01/31 090-1234-5678", "2024/01/31 090-1234-XXXX"), ("2024-01-31 0120-123-456", "2024-01-31 0120-12X-XXX"),
    ("2024.1.31 09012345678", "2024.1.31 0901234XXXX"), ("03-1234-5678 06-1234-5678", "03-1234-XXXX 06-1234-XXXX"),
    ("03-1234-5678/5679", "03-1234-XXXX/5679"), ("03-1234-5678／06-1234-5678", "03-1234-XXXX/06-1234-XXXX"),
    ("（03）1234-5678（代）", "(03)1234-XXXX(代)"), ("電話 03 1234 5678", "電話 03 1234 XXXX"),
    ("12 月 03-1234-5678", "12 月 03-1234-XXXX"),
  ])
  func numbersBefore(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  @Test(arguments: [
    "ー", "‐", "‑", "‒", "–", "—", "―", "−", "－", "─", "━", "一", "ｰ", "﹣", ".", "．", " - ", "　",
  ])
  func anyDash(_ dash: String) {
    #expect(cleaned("電話090\(dash)1234\(dash)5678です").hasSuffix("XXXXです"))
    #expect(cleaned("電話０９０\(dash)１２３４\(dash)５６７８です", nfkc: false).hasSuffix("ＸＸＸＸです"))
  }

  @Test(arguments: [
    ("03(1234)5678", "03(1234)XXXX"), ("+81 3-1234-5678", "+81 3-1234-XXXX"),
    ("+81(0)90-1234-5678", "+81(0)90-1234-XXXX"),
    ("＋８１－３－１２３４－５６７８", "+81-3-1234-XXXX"), ("0120-12-34-56", "0120-12-XX-XX"), ("0800-123-4567", "0800-123-XXXX"),
    ("03-12345678", "03-1234XXXX"), ("0123-45-6789", "0123-45-XXXX"), ("01234-5-6789", "01234-5-XXXX"),
    ("050-1234-5678", "050-1234-XXXX"), ("No.03-1234-5678", "No.03-1234-XXXX"), ("03・1234・5678", "03・1234・XXXX"),
    ("電話０３･１２３４･５６７８", "電話03・1234・XXXX"), ("03/1234/5678", "03/1234/XXXX"), ("TEL 090/1234/5678", "TEL 090/1234/XXXX"),
    ("81-3-1234-5678", "81-3-1234-XXXX"), ("TEL:81-90-1234-5678", "TEL:81-90-1234-XXXX"),
    ("・03-1234-5678", "・03-1234-XXXX"), ("3・03-1234-5678", "3・03-1234-XXXX"),
  ])
  func groups(_ text: String, _ expected: String) { #expect(cleaned(text) == expected) }

  @Test(arguments: [
    "2024-01-31", "2024/01/31 12:00", "〒100-0001", "4012-0312-3456-7890", "ISBN 0-306-40615-2", "ISBN4-00-310101-8",
    "型番A03-1234-5678", "ABC-03-1234-5678", "ID0312345678", "x09012345678", "1-03-1234-5678", "03-1234-5678-9",
    "03-1234-5678A", "0.0312345678", "03.14159265", "01234567890", "1234 0312 3456 78", "00-1234-5678", "012345678",
    "id=0312345678", "3_03-1234-5678", "090-1234-567", "10ー03-1234-5678", "03-1234-5678_2", "0312345678.5", "+8",
    "2026/11/29", "05/06/2026", "01/02/03/1234/5678", "2011/03/1234/5678", "03/1234-5678",
    "09・11・2001", "1・03・1234・5678・9", "978-81-3-1234-5678", "ISBN 81-203-0596-4", "A81-3-1234-5678", "8-3-1234-5678",
    "81-3-1234-567", "81 3 1234 5678", "ABC.81-3-1234-5678", "0120", "+1-212-555-0123", "192.168.001.001",
  ])
  func whatIsNoNumberStays(_ text: String) { #expect(cleaned(text) == text) }

  @Test func removedWithItsBracket() {
    #expect(cleaned("電話（03）1234-5678まで", .remove) == "電話まで")
    #expect(cleaned("電話03-1234-5678まで", .remove) == "電話まで")
    #expect(cleaned("（03-1234-5678）", .remove) == "")
  }

  @Test func longRunsOfDigits() {
    for piece in ["0", "03-", "0 ", "090-1234-", "+81", "(03)", "０", "03-1234-5678 "] {
      let text = String(repeating: piece, count: 50_000)
      #expect(cleaned(text).utf8.count <= text.utf8.count)
    }
  }
}
