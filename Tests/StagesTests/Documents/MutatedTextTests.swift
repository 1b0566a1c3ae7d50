import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import Stages
@testable import TextKit

/// Readers of books, minutes and articles over a few thousand damaged inputs each: whatever comes in, they end, and what
/// comes out is UTF-8.
@Suite struct MutatedTextTests {
  private static func fixture(_ path: String) throws -> [UInt8] { try FileSystem.read(packagePath("Fixtures/" + path)) }

  private func isText(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

  @Test func aozoraWorks() throws {
    let rule = String(repeating: "-", count: 12)
    let legend = "題\n作者\n\n\(rule)\n【テキスト中に現れる記号について】\n《》：ルビ\n\(rule)\n\n字《じ》※［＃二の字点、1-2-22］\n底本：「本」\n"
    let seeds =
      try [
        "900001/files/90001_ruby_101/90001_ruby_101.txt", "900001/files/90004_txt_104/90004_txt_104.txt",
        "900003/files/90003_ruby_103/90003_ruby_103.txt",
      ].map { try Self.fixture("aozora/cards/" + $0) } + [Array(legend.utf8)]
    let marks = [
      "［＃", "］", "《", "》", "｜", "〔", "〕", "※", "「", "」", "、", "第3水準1-14-92", "U+2A6B2", "e'", ":", "／＼", "　", "底本：",
      "割り注", "割り注終わり", "改ページ", rule, "「※」は", "1-1", "［",
    ]
    var mutations = Mutations(of: seeds, words: marks)
    for _ in Mutations.rounds(3_000) {
      let bytes = mutations.next()
      let utf8 = bytes.withUnsafeBufferPointer { CP932.shared.decodeText($0).utf8 }
      utf8.withUnsafeBufferPointer { text in
        let work = AozoraWork(text)
        #expect(work.body.upperBound <= text.count && work.colophon.upperBound == text.count)
        for ruby in AozoraNotation.Ruby.allCases {
          var notation = AozoraNotation(ruby: ruby, unresolvedGaiji: ruby == .keep ? .description : .drop)
          #expect(isText(notation.render(UnsafeBufferPointer(rebasing: text[work.body]))))
          _ = AozoraHeader(work.header.map { notation.renderTitle(UnsafeBufferPointer(rebasing: text[$0])) })
        }
      }
    }
  }

  @Test func aozoraIndexes() throws {
    let seed = try Self.fixture("aozora/list_person_all_extended_utf8.csv")
    var mutations = Mutations(of: [seed], words: ["\"", ",", "作品ID", "なし", "\r\n", "\"\""])
    for _ in Mutations.rounds(2_000) { _ = try? AozoraIndex(CSVReader(MemorySource(mutations.next(), name: "index"))) }
  }

  @Test func dietAnswers() throws {
    let json = try ["diet/speech-000001.json", "diet-meeting/meeting-000001.json"].map(Self.fixture)
    let xml = """
      <data><numberOfRecords>1</numberOfRecords><nextRecordPosition/><records><record><recordData><meetingRecord>
      <issueID>i</issueID><session>9</session><speechRecord><speechID>i_1</speechID><speechOrder>1</speechOrder>
      <speech>○甲&amp;乙</speech></speechRecord></meetingRecord></recordData></record></records></data>
      """
    let words = [
      "<speechRecord>", "</speechRecord>", "<meetingRecord>", "<![CDATA[", "]]>", "&amp;", "&#0;", "<!DOCTYPE a [", "{",
      "}",
      "[", "]", "\"", "\\u0000", "\\ud800", "null", "\"speechRecord\":", "1e999",
      "<?xml version='1.0' encoding='UTF-16'?>",
    ]
    var mutations = Mutations(of: json + [Array(xml.utf8), Array(xml.utf8)], words: words)
    for _ in Mutations.rounds(3_000) {
      let bytes = mutations.next()
      try? DietSpeechParser().read(bytes) { document, _ in
        guard let document else { return }
        #expect(isText(document.text) && isText(document.metadata) && isText(document.id))
      }
      if case .success(let answer) = DietAnswer.read(bytes) { #expect(answer.meetings.allSatisfy { isText($0.bytes) }) }
    }
  }

  @Test func tagBounds() {
    let seeds = ["<a b='1' c=\"2\">x</a><!-- <p a=1> --><![CDATA[ ]]><?x y?>"].map { Array($0.utf8) }
    var mutations = Mutations(of: seeds, words: ["<", ">", "=", "'", "\"", "-->", "<!", "<!--", "<![", "<?"])
    for _ in Mutations.rounds(2_000) {
      let bytes = mutations.next()
      // Text in two pieces is judged as it is in one.
      for cut in [0, bytes.count / 3, bytes.count] {
        var (whole, parts) = (XMLTagBound(), XMLTagBound())
        let once = bytes.withUnsafeBytes { whole.isExceeded(by: $0) }
        let twice = bytes.withUnsafeBytes { all in
          parts.isExceeded(by: UnsafeRawBufferPointer(rebasing: all[..<cut]))
            || parts.isExceeded(by: UnsafeRawBufferPointer(rebasing: all[cut...]))
        }
        #expect(once == twice)
      }
    }
  }

  @Test func articles() throws {
    let seeds = try ["jats/wetland.xml", "jats/kawa.nxml"].map(Self.fixture)
    let words = [
      "<p>", "</p>", "<xref ref-type='bibr'>", "</xref>", "<sub>", "</sub>", "<fig>", "</fig>", "<fn>", "</fn>",
      "<tex-math>",
      "</tex-math>", "<disp-formula>", "</disp-formula>", "<article>", "<body>", "<license>", "</license>", "[", "]",
      "(", ")",
      "&nbsp;", "&#1;", "<!--", "-->", "<![CDATA[", "creativecommons.org/licenses/by/4.0", "CC BY", "e.g., ",
      "\u{FF08}",
    ]
    var keeping = JATSTextOptions()
    (keeping.footnotes, keeping.acknowledgements, keeping.backMatter, keeping.formulas) = (.keep, .keep, .keep, .tex)
    var mutations = Mutations(of: seeds, words: words)
    for number in Mutations.rounds(3_000) {
      let reader = JATSReader(number % 2 == 0 ? JATSTextOptions() : keeping)
      try? reader.read(mutations.next())
      for article in reader.articles {
        #expect(isText(article.text()) && isText(article.title))
        _ = LicenseDecision(article.license, listed: nil)
      }
    }
  }

  @Test func citations() {
    let seeds = [
      "a [\u{1}1\u{2}]–[\u{1}2\u{2}] (see \u{1}Smith 2004\u{2}; \u{1}x\u{2}), b", "音（\u{1}山田，2010\u{2}）と［\u{1}1\u{2}］",
    ]
    var mutations = Mutations(
      of: seeds.map { Array($0.utf8) }, words: ["\u{1}", "\u{2}", "[", ")", ", ", " and ", "e.g.,", "（", "］", "–"])
    for _ in Mutations.rounds(5_000) {
      let text = Array(String(decoding: mutations.next(), as: UTF8.self).utf8)
      #expect(isText(BlockText.finished(text, isPreformatted: false)))
    }
  }

  @Test func licenses() {
    let seeds = [
      "Creative Commons Attribution-NonCommercial License 4.0 (http://creativecommons.org/licenses/by-nc/4.0/)",
      "CC BY-NC-SA",
      "This work is in the public domain.", "CC0",
    ]
    var mutations = Mutations(
      of: seeds.map { Array($0.utf8) },
      words: ["cc", "by", "-", "/", "creativecommons.org/", "licenses/", "é", "0", ".", "public"])
    for _ in Mutations.rounds(3_000) {
      let text = String(decoding: mutations.next(), as: UTF8.self)
      _ = (LicenseWording.license(text), ArticleLicense(code: text), ArticleLicense(url: text))
    }
  }

  @Test func archives() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let zip = try Self.fixture("aozora/cards/900002/files/90002_ruby_102.zip")
    try #require(
      system("cd '\(packagePath("Fixtures"))' && tar -cf '\(folder)/seed.tar' aozora/cards/900002 jats") == 0)
    let tar = try FileSystem.read(folder + "/seed.tar")
    for (name, seed, count) in [("a.zip", zip, 1_500), ("a.tar", tar, 300)] {
      var mutations = Mutations(
        of: [seed], words: ["PK\u{3}\u{4}", "PK\u{1}\u{2}", "77777777777", "ustar", "../", "/", "\\"])
      for _ in Mutations.rounds(count) {
        let bytes = mutations.next()
        try FileSystem.write(bytes, to: folder + "/" + name)
        let file = ArtifactFile(
          path: folder + "/" + name, name: name, bytes: Int64(bytes.count), digest: Digester.digest(bytes))
        try? AozoraContainer.forEachText(in: file, limit: 1 << 20) { _ = try? $0.read() }
        try? ArticleContainer.forEachArticle(in: file, limit: 1 << 20) { _ = try? $0.read() }
      }
    }
  }
}
