import TestKit

@testable import MarkupKit
@testable import ShardKit
@testable import Stages
@testable import TextKit

/// Books, minutes, papers and wikis.
let workTargets: [String: FuzzTarget] = [
  "aozora": choosing(
    3, fixtures: ["aozora/cards/900001", "aozora/cards/900003"], words: aozoraMarks
  ) { choice, content in
    let utf8 = content.withUnsafeBufferPointer { CP932.shared.decodeText($0).utf8 }
    let ruby = AozoraNotation.Ruby.allCases[choice % AozoraNotation.Ruby.allCases.count]
    utf8.withUnsafeBufferPointer { text in
      let work = AozoraWork(text)
      promise(
        work.body.upperBound <= text.count && work.colophon.upperBound == text.count, "a work's parts are within it")
      var notation = AozoraNotation(ruby: ruby, unresolvedGaiji: choice == 2 ? .drop : .description)
      promise(isText(notation.render(UnsafeBufferPointer(rebasing: text[work.body]))), "a work's text is UTF-8")
      _ = AozoraHeader(work.header.map { notation.renderTitle(UnsafeBufferPointer(rebasing: text[$0])) })
    }
  },
  "aozora-index": reader(
    fixtures: ["aozora/list_person_all_extended_utf8.csv"], words: ["\"", ",", "作品ID", "なし", "\r\n", "\"\""]
  ) { input in _ = try AozoraIndex(CSVReader(MemorySource(input, name: "index"))) },
  "diet": reader(
    fixtures: ["diet", "diet-meeting", "diet-malformed"],
    samples: [
      "<data><numberOfRecords>1</numberOfRecords><nextRecordPosition/><records><record><recordData><meetingRecord>"
        + "<issueID>i</issueID><session>9</session><speechRecord><speechID>i_1</speechID><speechOrder>1</speechOrder>"
        + "<speech>○甲&amp;乙</speech></speechRecord></meetingRecord></recordData></record></records></data>"
    ],
    words: [
      "<speechRecord>", "</speechRecord>", "<meetingRecord>", "<![CDATA[", "]]>", "&amp;", "&#0;", "<!DOCTYPE a [", "{",
      "}", "[", "]", "\"", "\\u0000", "\\ud800", "null", "\"speechRecord\":", "<?xml version='1.0' encoding='UTF-16'?>",
    ]
  ) { input in
    if case .success(let answer) = DietAnswer.read(input) {
      promise(answer.meetings.allSatisfy { isText($0.bytes) }, "a meeting is UTF-8")
    }
    try DietSpeechParser().read(input) { document, _ in
      guard let document else { return }
      promise(isText(document.text) && isText(document.metadata) && isText(document.id), "a speech is UTF-8")
    }
  },
  "jats": choosing(
    2, fixtures: ["jats"],
    words: [
      "<p>", "</p>", "<xref ref-type='bibr'>", "</xref>", "<sub>", "</sub>", "<fig>", "</fig>", "<fn>", "</fn>",
      "<tex-math>", "</tex-math>", "<disp-formula>", "<article>", "<body>", "<license>", "</license>", "[", "]", "(",
      "&nbsp;", "&#1;", "<!--", "-->", "<![CDATA[", "creativecommons.org/licenses/by/4.0", "CC BY", "e.g., ", "（",
    ]
  ) { choice, content in
    var options = JATSTextOptions()
    if choice == 1 {
      (options.footnotes, options.acknowledgements, options.backMatter, options.formulas) = (.keep, .keep, .keep, .tex)
    }
    let reader = JATSReader(options)
    defer {
      for article in reader.articles {
        promise(isText(article.text()) && isText(article.title), "an article's text is UTF-8")
        _ = LicenseDecision(article.license, listed: nil)
      }
    }
    try reader.read(content)
  },
  "citations": textReader(
    samples: [
      "a [\u{1}1\u{2}]–[\u{1}2\u{2}] (see \u{1}Smith 2004\u{2}; \u{1}x\u{2}), b", "音（\u{1}山田，2010\u{2}）と［\u{1}1\u{2}］",
    ],
    words: ["\u{1}", "\u{2}", "[", ")", ", ", " and ", "e.g.,", "（", "］", "–"]
  ) { input in promise(isText(BlockText.finished(input, isPreformatted: false)), "a block's text is UTF-8") },
  "licenses": textReader(
    samples: [
      "Creative Commons Attribution-NonCommercial License 4.0 (http://creativecommons.org/licenses/by-nc/4.0/)",
      "CC BY-NC-SA", "This work is in the public domain.", "CC0",
    ], words: ["cc", "by", "-", "/", "creativecommons.org/", "licenses/", "é", "0", ".", "public"]
  ) { input in
    let text = String(decoding: input, as: UTF8.self)
    _ = (LicenseWording.license(text), ArticleLicense(code: text), ArticleLicense(url: text))
    _ = LicenseWording.concernsData(text)
  },
  "xml-tags": reader(
    samples: ["<a b='1' c=\"2\">x</a><!-- <p a=1> --><![CDATA[ ]]><?x y?>"],
    words: ["<", ">", "=", "'", "\"", "-->", "<!", "<!--", "<![", "<?"], readTags),
  "wikitext": textReader(
    fixtures: ["wikipedia/jawiki.xml"],
    samples: [
      "{{lang|en|a}} '''b''' [[File:x.jpg|thumb|c [[d]]]]\n{|\n|-\n| e || f\n|}\n== g ==\n* h<ref>i</ref>\n<math>x</math>"
    ],
    words: [
      "{{", "}}", "[[", "]]", "{|", "|}", "|-", "|", "!!", "''", "'''", "==", "<ref>", "</ref>", "<math>", "</math>",
      "<nowiki>", "<!--", "-->", "&nbsp;", "&#", "\n", "\n*", "\n#", "{{lang|", "{{ruby|", "{{convert|", "-{", "}-",
      "http://",
      "#if:", "<gallery>", "[[File:", "<br/>", "〓", "（", "）",
    ], readWikitext),
  "wikidump": choosing(
    2, fixtures: ["wikipedia/jawiki.xml", "wikipedia/old.xml"],
    words: [
      "<page>", "</page>", "<text>", "</text>", "<title>", "<revision>", "<ns>", "<!DOCTYPE a [", "&#0;", "<siteinfo>",
    ]
  ) { choice, content in
    let (scanned, parsed) = try (
      wikiItems(content, isFragment: choice == 1, scansPages: true),
      wikiItems(content, isFragment: choice == 1, scansPages: false)
    )
    promise(scanned == parsed, "pages are those that libxml2 reads")
  },
  "wikidump-head": reader(fixtures: ["wikipedia"], words: ["<mediawiki>", "<siteinfo>", "<namespace key="]) { input in
    let source = try decompress(MemorySource(input), Compression.detect(input))
    _ = WikiDumpHead.read(source)
  },
  "wikidump-index": fileReader(
    "index.txt", samples: ["596:1:a\n596:2:b:c\n999:3:d\n"], words: ["596:", "\n", "99999999999999999999"]
  ) { path in _ = try WikiDumpIndex.streams(path, dump: path, 1 << 20) },
]

private let aozoraMarks = [
  "［＃", "］", "《", "》", "｜", "〔", "〕", "※", "「", "」", "、", "第3水準1-14-92", "U+2A6B2", "e'", ":", "／＼", "　", "底本：",
  "割り注", "割り注終わり", "改ページ", "----------------", "「※」は", "1-1", "［",
]

/// Text in two pieces is judged as it is in one.
private func readTags(_ input: [UInt8]) {
  var whole = XMLTagBound()
  let once = input.withUnsafeBytes { whole.isExceeded(by: $0) }
  for cut in [input.count / 3, input.count / 2] {
    var parts = XMLTagBound()
    let twice = input.withUnsafeBytes { all in
      parts.isExceeded(by: UnsafeRawBufferPointer(rebasing: all[..<cut]))
        || parts.isExceeded(by: UnsafeRawBufferPointer(rebasing: all[cut...]))
    }
    promise(once == twice, "a bound does not depend on how the text is cut")
  }
}

private func readWikitext(_ input: [UInt8]) {
  var options = WikitextOptions()
  if input.count % 2 == 1 {
    (options.keepCaptions, options.formulas, options.unresolved) = (true, .replace, .replace)
  }
  var wikitext = WikitextRenderer(rules: WikitextRules(options: options))
  var output = PageBuffer()
  input.withUnsafeBufferPointer { wikitext.extract($0, title: Array("題".utf8), into: &output) }
  promise(isText(Array(output.bytes)), "a page's text is UTF-8")
}

private func wikiItems(_ dump: [UInt8], isFragment: Bool, scansPages: Bool) throws -> [[UInt8]] {
  let reader = WikiDumpReader(
    MemorySource(dump), isFragment: isFragment, isLast: true, maximumPageBytes: 1 << 16, scansPages: scansPages)
  var items: [[UInt8]] = []
  while let item = try reader.next() {
    switch item {
    case .page(let page):
      items.append(
        page.title + [0] + page.id + [0] + page.text.bytes + [page.isRedirect || page.textIsRedirect ? 1 : 0])
    case .damage(let damage): items.append(Array(damage.message.utf8) + (damage.page?.title ?? []))
    }
  }
  return items
}
