import Testing

@testable import MarkupKit
@testable import ShardKit
@testable import TextKit

@Suite struct CP932Tests {
  private func decode(_ bytes: [UInt8]) -> (String, Int) {
    let (utf8, replaced) = bytes.withUnsafeBufferPointer { CP932.shared.decode($0) }
    return (String(decoding: utf8, as: UTF8.self), replaced)
  }

  @Test(
    arguments: [
      ([0x82, 0xA0, 0x5C, 0x7E], "あ\\~"), ([0x81, 0x60, 0x81, 0x7C, 0x81, 0x5F], "～－＼"), ([0xB1, 0xDF], "ｱﾟ"),
      ([0x87, 0x40, 0x87, 0x90], "①≒"), ([0xED, 0x40, 0xFA, 0x40, 0xFC, 0x4B], "纊ⅰ黑"),
      ([0xF0, 0x40, 0xF9, 0xFC], "\u{E000}\u{E757}"),
      ([0x80, 0xA0, 0xFF], "\u{80}\u{F8F0}\u{F8F3}"), ([0x88, 0x9F, 0x98, 0x72, 0xEA, 0xA4], "亜腕熙"),
    ] as [([UInt8], String)])
  func mapsAsMicrosoftDoes(bytes: [UInt8], text: String) { #expect(decode(bytes) == (text, 0)) }

  @Test func replacesOneByteAtATimeAndCounts() {
    #expect(decode([0x81, 0xAD, 0x82, 0xA0]) == ("\u{FFFD}ｭあ", 1))
    #expect(decode([0xEB, 0xF0, 0x20]) == ("\u{FFFD}\u{FFFD} ", 2))
    #expect(decode([0x41, 0x82]) == ("A\u{FFFD}", 1))
    #expect(decode([]) == ("", 0))
  }

  @Test func takesUTF8AsItIs() {
    let text = Array("\u{FEFF}題名\r\n作者".utf8)
    #expect(text.withUnsafeBufferPointer { CP932.shared.decodeText($0).utf8 } == text)
  }
}

@Suite struct JISX0213Tests {
  @Test func everyCellOfTheStandard() {
    var count = 0
    for plane in 1...2 {
      for row in 1...94 {
        for cell in 1...94 where JISX0213.shared.text(plane: plane, row: row, cell: cell) != nil { count += 1 }
      }
    }
    #expect(count == 11_233)  // JIS X 0213:2004, 1,908 + 2,436 over the 6,879 of JIS X 0208, and 10
  }

  @Test func sequencesAndGaps() {
    let table = JISX0213.shared
    #expect(table.text(plane: 1, row: 5, cell: 94) == "\u{30C8}\u{309A}")
    #expect(table.text(plane: 1, row: 11, cell: 69) == "\u{2E9}\u{2E5}")
    #expect(table.text(plane: 1, row: 14, cell: 1) == "俱")
    #expect(table.text(plane: 2, row: 94, cell: 86) == "\u{2A6B2}")
    #expect(table.text(plane: 2, row: 2, cell: 1) == nil)
    for (plane, row, cell) in [(0, 1, 1), (3, 1, 1), (1, 0, 1), (1, 95, 1), (1, 1, 0), (1, 1, 95)] {
      #expect(table.text(plane: plane, row: row, cell: cell) == nil)
    }
  }
}

@Suite struct AozoraWorkTests {
  private func parts(_ text: String) -> (header: [String], body: String, colophon: String) {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      let work = AozoraWork(bytes)
      func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
      return (work.header.map(string), string(work.body), string(work.colophon))
    }
  }

  private static let rule = String(repeating: "-", count: 55)

  @Test(arguments: ["【テキスト中に現れる記号について】", "【テキス禊中に現れる記号について】　", "《テキスト中に現れる記号について》"])
  func legendIsSkipped(heading: String) {
    let (header, body, colophon) = parts("題\n作者\n\n\(Self.rule)\n\(heading)\n\n《》：ルビ\n\(Self.rule)\n\n本文\n\n底本：「本」\n")
    #expect(header == ["題", "作者"])
    #expect(body == "\n本文\n\n")
    #expect(colophon == "底本：「本」\n")
  }

  @Test func legendsOfTheFirstYears() {
    #expect(parts("題\n作者\n\n［表記について］\n●ルビは「《ルビ》」の形式\n\(Self.rule)\n本文\n\n●入力者注\n").body == "本文\n\n")
    let two = "題\n作者\n\n\(Self.rule)\n●収録作品\n甲\n\(Self.rule)\n［表記について］\n●注\n\(Self.rule)\n\n本文\n"
    #expect(parts(two).body == "\n本文\n")
  }

  @Test func aRuleThatOpensTheBodyIsNoLegend() {
    let text = "題\n作者\n\n\(Self.rule)\n\n　甲の話\n\n\(Self.rule)\n\n乙の話\n"
    #expect(parts(text).body == "\(Self.rule)\n\n　甲の話\n\n\(Self.rule)\n\n乙の話\n")
  }

  @Test(arguments: ["底本：「本」", "底本:「本」", "定本：「本」", "底本", "　底本：「本」", "［＃本文終わり］", "●入力者注", "=====底本：本"])
  func colophonBegins(line: String) {
    let (_, body, colophon) = parts("題\n作者\n\n本文\n\(line)\n奥付\n")
    #expect(body == "本文\n")
    #expect(colophon == "\(line)\n奥付\n")
  }

  @Test func wordsInTheBodyBeginNoColophon() {
    #expect(parts("題\n作者\n\n底本の話をした。\n底本中\n　底本は古い。\n").colophon == "")
    #expect(parts("題\n作者\n\n本文\n\nテキスト入力者：某\n").body == "本文\n\n")
  }

  @Test func aTextWithoutAnEmptyLineHasTwoHeaderLines() {
    let text = (1...30).map { "行\($0)" }.joined(separator: "\r")
    let (header, body, _) = parts(text)
    #expect(header == ["行1", "行2"])
    #expect(body.hasPrefix("行3\r"))
  }

  /// Whatever the length, the parts lie within the text; a text of one line is its title.
  @Test(arguments: [
    "", "a", "\u{FEFF}", "\n", "\r", "a\r", "題\n作者", "題\n作者\n", "\u{FEFF}題", "----------", "題\n--------", "底本：", "　",
  ])
  func textsThatEndWithinTheirHeader(text: String) {
    let (_, body, colophon) = parts(text)
    #expect(body.utf8.allSatisfy { [10, 13, 0x2D].contains($0) } || text.hasPrefix("底本"))
    #expect(text.hasSuffix(colophon))
  }

  @Test func aShortTextWithoutAnEmptyLineKeepsItsBody() {
    let (header, body, colophon) = parts("題\n作者\n本文である。\n底本：「本」")
    #expect(header == ["題", "作者"] && body == "本文である。\n" && colophon == "底本：「本」")
  }

  @Test func aLineTooLongForATitleIsOfTheBody() {
    let long = String(repeating: "長", count: 700)
    #expect(parts("題\n\(long)\n").header == ["題"])
    #expect(parts("題\n\(long)\n").body == long + "\n")
    #expect(parts(long).body == long)
  }

  @Test(arguments: ["［＃］：入力者注　主に外字の説明や、傍点の位置の指定", "《》：ルビ", "／＼：二倍の踊り字（「く」を縦に長くしたような形の繰り返し記号）"])
  func legendsWithoutAHeading(line: String) {
    let legend = "\(Self.rule)\n\(line)\n（例）薄緑［＃「薄緑」は底本では「薄縁」］\n\(Self.rule)\n"
    #expect(parts("題\n著者\n\n\(legend)\n本文\n").body == "\n本文\n")
  }

  @Test func linesThatEndInCRAloneAreFoundInOnePass() {
    let text = Array(String(repeating: "行\r", count: 300_000).utf8)
    let count = text.withUnsafeBufferPointer { bytes in
      var lines = TextLines(bytes)
      var count = 0
      while lines.next() != nil { count += 1 }
      return count
    }
    #expect(count == 300_000)
  }

  @Test func licensedWorksAreTold() {
    for line in ["著作権者自らの意思により", "クリエイティブ・コモンズ", "https://creativecommons.org/licenses/by/2.1/jp/"] {
      #expect(Array("底本：本\n\(line)".utf8).withUnsafeBufferPointer { AozoraWork.isLicensed(colophon: $0) })
    }
    #expect(!Array("底本：著作権の本".utf8).withUnsafeBufferPointer { AozoraWork.isLicensed(colophon: $0) })
  }

  @Test func headersNamePeopleByRole() {
    let header = AozoraHeader(["豆の歌", "The Song", "冬の巻", "アンナ・ベルク", "坂本某訳", "某校訂"])
    #expect(header.title == "豆の歌")
    #expect(header.subtitle == "冬の巻")
    #expect(header.people.map { "\($0.role) \($0.name)" } == ["著者 アンナ・ベルク", "翻訳者 坂本某", "校訂者 某"])
  }
}
