import Testing

@testable import TextKit

/// Encodings said wrongly, badly or not at all.
@Suite struct PageEncodingTests {
  private func read(_ bytes: [UInt8], _ declared: String? = nil) -> String {
    let page = PageEncoding.decode(bytes, declared: declared, isHTML: true)
    let text = String(decoding: page.text, as: UTF8.self).split(separator: "\n").last ?? ""
    return "\(page.encoding)\(page.isGuessed ? "?" : "") \(text)"
  }

  private func latin(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }
  private let filler = String(repeating: "plain English words, ", count: 40)

  /// The euro sign and the like are few in an English page: next to it hardly anything is UTF-8.
  @Test func latinPagesAreRead() {
    let page = latin("<meta charset=iso-8859-1><p>\(filler)</p>\ncaf\u{E9}")
    #expect(read(page) == "windows-1252 café")
    #expect(read(page, "ISO-8859-1") == "windows-1252 café")
    #expect(read(latin("<p>\(filler)\ncaf\u{E9} na\u{EF}ve \u{93}x\u{94}")) == "windows-1252? café naïve “x”")
    #expect(read(latin("<meta charset=utf-8><p>\(filler)\ncaf\u{E9}"), "utf-8") == "windows-1252? café")
    // A page in UTF-8 with one byte gone stays UTF-8.
    let japanese = Array("<meta charset=utf-8>\n川の水位を測る人びとの話を聞いた。".utf8)
    #expect(read(Array(japanese.dropLast(1)) + [0x20]).hasPrefix("utf-8 川の水位を測る人びとの話を聞いた"))
  }

  private let shiftJISKana: [UInt8] = [0x83, 0x4A, 0x83, 0x74, 0x83, 0x46]  // カフェ

  @Test func fewCharactersWithoutALabelAreFound() {
    #expect(read(latin("<p>\(filler)\n") + shiftJISKana) == "shift_jis? カフェ")
  }

  /// 日本国憲法の下に, without kana: 日本国民会議
  @Test func kanjiAloneAreFound() {
    let eucJP: [UInt8] = [
      0xC6, 0xFC, 0xCB, 0xDC, 0xB9, 0xF1, 0xCC, 0xB1, 0xB2, 0xF1, 0xB5, 0xC4, 0xBB, 0xF6, 0xB6, 0xC8, 0xC2, 0xE7, 0xB3,
      0xD8,
    ]  // 日本国民会議事業大学
    let shiftJIS: [UInt8] = [
      0x93, 0xFA, 0x96, 0x7B, 0x8D, 0x91, 0x96, 0xAF, 0x89, 0xEF, 0x8B, 0x63, 0x8E, 0x96, 0x8B, 0xC6, 0x91, 0xE5, 0x8A,
      0x77,
    ]
    #expect(read(latin("<p>\n") + eucJP) == "euc-jp? 日本国民会議事業大学")
    #expect(read(latin("<p>\n") + shiftJIS) == "shift_jis? 日本国民会議事業大学")
    // EUC-JP under the label of the other one, which can read it as half-width kana.
    #expect(read(latin("<p>\n") + eucJP, "Shift_JIS") == "euc-jp? 日本国民会議事業大学")
    #expect(read(latin("<p>\n") + shiftJIS, "EUC-JP") == "shift_jis? 日本国民会議事業大学")
    // Half-width kana tell nothing: ｶﾞｲﾄﾞ and 日本
    let half: [UInt8] = [0xB6, 0xDE, 0xB2, 0xC4, 0xDE, 0xB6, 0xDE, 0xB2, 0xC4, 0xDE]
    #expect(read(latin("<p>\n") + half + shiftJIS) == "shift_jis? ｶﾞｲﾄﾞｶﾞｲﾄﾞ日本国民会議事業大学")
    #expect(read(latin("<p>\n") + half + shiftJIS, "Shift_JIS") == "shift_jis ｶﾞｲﾄﾞｶﾞｲﾄﾞ日本国民会議事業大学")
  }

  /// Styles and scripts before the text tell nothing, however long they are, nor does a single sign in them.
  @Test(arguments: [0, 60_000, 65_530, 70_000, 300_000]) func textBehindStylesIsFound(_ count: Int) {
    let shiftJIS: [UInt8] = [0x93, 0xFA, 0x96, 0x7B] + shiftJISKana + shiftJISKana  // 日本カフェカフェ
    let eucJP: [UInt8] = [0xC6, 0xFC, 0xCB, 0xDC, 0xB9, 0xF1, 0xCC, 0xB1, 0xB2, 0xF1, 0xB5, 0xC4]  // 日本国民会議
    for sign in ["", "\u{A9}"] {
      let style =
        latin("<style>/* \(sign) */ ") + [UInt8](repeating: UInt8(ascii: "a"), count: count) + latin("</style>\n")
      #expect(read(style + shiftJIS) == "shift_jis? 日本カフェカフェ")
      #expect(read(style + shiftJIS, "Shift_JIS") == "shift_jis 日本カフェカフェ")
      if sign.isEmpty { #expect(read(style + eucJP, "Shift_JIS") == "euc-jp? 日本国民会議") }
      #expect(read(style + latin("<meta charset=shift_jis>\n") + shiftJIS) == "shift_jis 日本カフェカフェ")
      #expect(read(style + latin("caf\u{E9}")) == "windows-1252? café")
    }
  }

  /// Other languages' encodings without a label are not Western European mojibake.
  @Test func otherLanguagesAreTold() {
    let russian: [UInt8] = "<p>\nпривет, это простая русская страница о погоде".utf16.map { unit in
      unit < 0x80 ? UInt8(unit) : UInt8(0xE0 + Int(unit) - 0x430)
    }
    #expect(read(russian) == "windows-1251? привет, это простая русская страница о погоде")
    let chinese: [UInt8] = [
      0xCE, 0xD2, 0xC3, 0xC7, 0xB5, 0xC4, 0xB9, 0xFA, 0xBC, 0xD2, 0xCA, 0xC7, 0xB4, 0xF3, 0xB5, 0xC4, 0xA3, 0xAC, 0xCE,
      0xD2, 0xD4,
      0xDA, 0xD5, 0xE2, 0xC0, 0xEF,
    ]  // 我们的国家是大的，我在这里
    #expect(read(latin("<p>\n") + chinese) == "gb18030? 我们的国家是大的，我在这里")
  }

  /// ESC $ B is ISO-2022-JP whatever HTTP and the page call it.
  @Test func shiftsAreBelievedMoreThanLabels() {
    let bytes = latin("<meta charset=iso-2022-jp><p>\n") + [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x1B, 0x28, 0x42]
    for label in ["utf-8", "Shift_JIS", "iso-8859-1", "EUC-JP", nil] { #expect(read(bytes, label) == "iso-2022-jp 日本") }
    #expect(read(Array(bytes.dropFirst(26)), "utf-8") == "iso-2022-jp? 日本")
  }

  @Test func wideEncodingsWithoutAMark() {
    let page = "<html><p>\n日本の川"
    let little = page.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    let big = page.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
    #expect(read(little, "utf-16le") == "utf-16le 日本の川")
    #expect(read(little, "utf-16") == "utf-16le 日本の川")
    #expect(read(big, "UTF-16BE") == "utf-16be 日本の川")
    #expect(read(little) == "utf-16le? 日本の川")
    let utf32 = page.unicodeScalars.flatMap { scalar in
      (0..<4).map { UInt8(truncatingIfNeeded: scalar.value >> (8 * $0)) }
    }
    #expect(read([0xFF, 0xFE, 0, 0] + utf32) == "utf-32le 日本の川")
    // A label that can be read as ASCII is wrong.
    #expect(read(Array("<meta charset=utf-16le>\n日本の川".utf8)) == "utf-8 日本の川")
    #expect(read(Array("<p>\n日本の川".utf8), "utf-16le") == "utf-8? 日本の川")
  }

  private func label(_ page: String) -> String? {
    Array(page.utf8).withUnsafeBufferPointer { PageEncoding.metaLabel($0) }
  }

  @Test func declarationsAreFoundWhereTheyCount() {
    #expect(label("<!-- <meta charset=euc-jp> --><meta charset=shift_jis>") == "shift_jis")
    #expect(label("<!-- <meta charset=euc-jp> -->") == nil)
    #expect(label("<!--><meta charset=euc-jp>") == "euc-jp")
    #expect(label("<head>\(String(repeating: "<link rel=x>", count: 1000))<META CHARSET='EUC-JP'>") == "euc-jp")
    #expect(label("<meta charset=bogus><meta charset=euc-jp>") == "euc-jp")
    #expect(label("<meta charset><meta charset=''><meta name=charset content=x charset=euc-jp>") == "euc-jp")
    #expect(label("<meta http-equiv=content-type content='text/html; charset = x-sjis'>") == "shift_jis")
    #expect(label("<?xml version='1.0' encoding='EUC-JP'?><meta charset=utf-8>") == "euc-jp")
    #expect(label("<?xml version='1.0'?><meta charset=utf-8>") == "utf-8")
    #expect(label("<body><meta charset=euc-jp>") == nil)
    #expect(label("<meta charset=utf-8") == "utf-8")
  }
}
